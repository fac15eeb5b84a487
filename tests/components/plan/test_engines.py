"""Rules of engines: each threshold crossed, and the configuration's trainer respected."""

import pytest

from components.config.trainer import KubernetesTrainer
from components.plan import engines
from components.plan.estimate import Planner
from components.plan.rates import Line
from tests.components.plan.conftest import rates


def on_cluster(config, **more):
    trainer = KubernetesTrainer(
        where="kubernetes", exchange={"uri": "s3://b/p"}, image="i:1", **more
    )
    return config.model_copy(update={"trainer": trainer})


def chosen(config, records, **profile):
    planner = Planner(config=config, profile=rates(**profile))
    return {c.what: c for c in engines.choose(planner, planner.estimate(records))}


def test_a_small_local_run_stays_here(config):
    found = chosen(config, 10_000)
    assert {c.engine for name, c in found.items() if name != "index"} == {engines.HERE}
    assert found["index"].engine == engines.EXACT
    assert all(c.why for c in found.values())


def test_what_can_be_divided_is_divided_until_a_night_suffices(config):
    found = chosen(config, 100_000_000)["divide"]  # 1 + 100,000 s in one process: four nights
    assert found.engine == f"{engines.SHARDS} (4)"
    assert found.seconds == pytest.approx(100_001 / 4)
    assert "27.8 h > 8 h" in found.why
    assert "needs `trainer: {where: kubernetes" in found.why


def test_what_cannot_be_divided_stays_here(config):
    assert chosen(config, 1_000_000_000)["check"].engine == engines.HERE


def test_training_on_a_processor_that_takes_too_long_asks_for_a_gpu(config):
    found = chosen(config, 1_000_000_000)["fit"]
    assert found.engine == engines.JOB
    assert found.seconds is None
    assert "only a profile of a GPU tells" in found.why


def test_inputs_beyond_the_memory_are_named(config):
    assert "exceed the memory" in chosen(config, 1_000_000_000)["fit"].why
    assert "exceed the memory" not in chosen(config, 1_000_000)["fit"].why


@pytest.mark.parametrize(("gpus", "engine"), [(0, engines.CPU_JOB), (1, engines.JOB)])
def test_a_run_on_a_cluster_trains_in_one_job_while_that_is_quick(config, gpus, engine):
    assert chosen(on_cluster(config, gpus=gpus), 10_000)["fit"].engine == engine


def test_as_many_gpus_as_time_demands_and_the_batch_feeds(config):
    step = Line(fixed=1e-4, slope=1e-4)
    found = chosen(on_cluster(config, gpus=1), 80_000_000, gpu="G", step=step)["fit"]
    assert found.engine.startswith(engines.DDP)
    assert 2 <= int(found.engine.split("(")[1].rstrip(")")) <= 32 // 2
    assert "without their exchange of gradients" in found.why


def test_more_gpus_do_not_help_where_a_step_has_little_to_divide(config):
    step = Line(fixed=1e-2, slope=1e-6)
    found = chosen(on_cluster(config, gpus=1), 50_000_000, gpu="G", step=step)["fit"]
    assert found.engine == engines.JOB
    assert "more GPUs do not help" in found.why


def test_a_shorter_time_budget_of_the_cluster_counts(config):
    found = chosen(on_cluster(config, gpus=1, time_budget_s=60), 100_000, gpu="G")["fit"]
    assert "`trainer.time_budget_s`" in found.why


def test_search_goes_from_exact_to_approximate_to_a_database(config):
    found = [chosen(config, n)["index"].engine for n in (1_000_000, 20_000_000, 1_000_000_000)]
    assert found == [engines.EXACT, engines.APPROXIMATE, engines.PGVECTOR]
