"""Rules of engines: each threshold crossed, and the configuration's trainer respected."""

import pytest

from components.config.trainer import KubernetesTrainer
from components.plan import engines
from components.plan.profile import Line
from tests.components.plan.conftest import rates


def on_cluster(real, **more):
    trainer = KubernetesTrainer(
        where="kubernetes", exchange={"uri": "s3://b/p"}, image="i:1", **more
    )
    return real.config.model_copy(update={"trainer": trainer})


def chosen(planner, records):
    return {c.what: c for c in engines.choose(planner, planner.estimate(records))}


def test_a_small_local_run_stays_here(real):
    found = chosen(real.planner(), 10_000)
    assert {c.engine for name, c in found.items() if name != "index"} == {engines.HERE}
    assert found["index"].engine == engines.EXACT
    assert all(c.why for c in found.values())


def test_a_large_encode_is_divided_until_time_and_memory_suffice(real):
    records = 100_000_000  # 1 + 100,000 s in one process: four nights
    machine = rates(real).machine.model_copy(update={"memory_bytes": 10**15})
    by_time = chosen(real.planner(rates(real, machine=machine)), records)["encode"]
    assert by_time.engine == f"{engines.SHARDS} (4)"
    assert "27.8 h > 8 h" in by_time.why
    assert "needs `trainer: {where: kubernetes" in by_time.why
    held = real.planner().estimate(records).stages[1].resident_bytes
    by_memory = chosen(real.planner(), records)["encode"]
    assert by_memory.engine == f"{engines.SHARDS} ({-(-held // 8_000_000_000)})"
    assert "half of the memory" in by_memory.why


def test_what_is_not_divided_asks_for_a_larger_machine(real):
    found = chosen(real.planner(), 1_000_000_000)["validate"]
    assert found.engine.startswith("a machine with ")
    assert "half of the memory" in found.why


def test_training_on_a_processor_that_takes_too_long_asks_for_a_gpu(real):
    found = chosen(real.planner(), 1_000_000_000)["train"]
    assert found.engine == engines.JOB
    assert found.seconds is None
    assert "only a GPU profile can say" in found.why


@pytest.mark.parametrize(("gpus", "engine"), [(0, engines.CPU_JOB), (1, engines.JOB)])
def test_a_run_on_a_cluster_trains_in_one_job_while_that_is_quick(real, gpus, engine):
    config = on_cluster(real, gpus=gpus)
    assert chosen(real.planner(config=config), 10_000)["train"].engine == engine


def test_as_many_gpus_as_time_asks_for_and_the_batch_feeds(real):
    fast = rates(real, gpu="G", step=Line(fixed=1e-4, slope=1e-4))
    found = chosen(real.planner(fast, on_cluster(real, gpus=1, memory="64Gi")), 50_000_000)["train"]
    assert found.engine.startswith(engines.DDP)
    processes = int(found.engine.split("(")[1].rstrip(")"))
    assert 2 <= processes <= 32 // 2
    assert "gradients is not in it" in found.why


def test_more_gpus_do_not_help_where_a_step_has_little_to_divide(real):
    slow = rates(real, gpu="G", step=Line(fixed=1e-2, slope=1e-6))
    found = chosen(real.planner(slow, on_cluster(real, gpus=1)), 50_000_000)["train"]
    assert found.engine == engines.JOB
    assert "more GPUs do not help" in found.why


def test_a_shorter_time_budget_of_the_cluster_counts(real):
    config = on_cluster(real, gpus=1, time_budget_s=60)
    assert (
        "`trainer.time_budget_s`"
        in chosen(real.planner(rates(real, gpu="G"), config), 100_000)["train"].why
    )


def test_search_goes_from_exact_to_approximate_to_a_database(real):
    found = [
        chosen(real.planner(), n)["index"].engine for n in (1_000_000, 20_000_000, 1_000_000_000)
    ]
    assert found == [engines.EXACT, engines.APPROXIMATE, engines.PGVECTOR]
