"""Estimates equal hand calculation, totals equal sums, more records never cost less."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.config.trainer import KubernetesTrainer
from components.plan.estimate import Planner
from components.plan.rates import Fit, Line
from tests.components.plan.conftest import rates, stage

STAGE_GROWING = (
    "seconds", "read_bytes", "written_bytes", "epochs", "steps", "checkpoints", "checkpoint_bytes",
    "exchange_bytes",
)  # fmt: skip
GROWING = ("seconds", "cpu_hours", "vector_bytes", "query_seconds", "beyond")
N = 1000


def cluster(config, **more):
    trainer = {"exchange": {"uri": "s3://bucket/prefix"}, "image": "train:1", **more}
    trainer = KubernetesTrainer(where="kubernetes", **trainer)
    return Planner(config=config.model_copy(update={"trainer": trainer}), profile=rates())


def stages(planner, records=N):
    return {found.name: found for found in planner.estimate(records).stages}


@settings(max_examples=60, deadline=None)
@given(a=st.integers(1, 10**9), b=st.integers(1, 10**9))
def test_more_records_never_cost_less(config, a, b):
    planner = cluster(config, nodes=2, shards=4)
    small, large = planner.estimate(min(a, b)), planner.estimate(max(a, b))
    for name in GROWING:
        assert getattr(small, name) <= getattr(large, name), name
    for less, more in zip(small.stages, large.stages, strict=True):
        for name in STAGE_GROWING:
            assert getattr(less, name) <= getattr(more, name), (less.name, name)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 10**9))
def test_a_total_is_the_sum_of_its_stages(config, n):
    e = Planner(config=config, profile=rates()).estimate(n)
    assert e.seconds == pytest.approx(sum(s.seconds for s in e.stages))
    assert e.gpu_hours is None
    assert e.cpu_hours == pytest.approx(e.seconds / 3600)


def test_a_stage_without_training_is_its_line(planner):
    check = stages(planner)["check"]
    assert check.seconds == pytest.approx(1 + 1e-3 * N)
    assert (check.steps, check.epochs, check.checkpoints) == (0, 0, 0)


def test_a_training_is_its_line_and_its_steps(planner):
    fit = stages(planner)["fit"]
    assert fit.steps == 15 * 8  # 250 records in batches of 32
    assert fit.seconds == pytest.approx(1 + 1e-3 * N + 15 * (8 * 1e-3 + 250 * 1e-5))


def test_a_training_of_several_models_adds_up_their_steps(planner):
    fit = stages(planner)["fit_again"]
    assert fit.steps == 4 * 16 + 2 * 4  # 500 and 100 records in batches of 32
    assert fit.epochs == 4


def test_a_model_counts_from_its_number_of_records_on(config):
    fits = (Fit(epochs=4, share=0.5), Fit(epochs=4, share=0.5, since=N))
    profile = rates(stages=(stage("fit", ("data",), fits[0]).model_copy(update={"fits": fits}),))
    planner = Planner(config=config, profile=profile)
    before, after = (stages(planner, n)["fit"] for n in (N - 1, N))
    assert after.steps == 2 * before.steps == 2 * 4 * 16
    assert after.checkpoint_bytes == 2 * before.checkpoint_bytes == 2 * 4 * 5000


def test_a_model_without_records_still_has_a_step_an_epoch(planner):
    assert stages(planner, 1)["fit"].steps == 15


def test_a_stage_reads_its_inputs_once(planner):
    found = stages(planner)
    written = 1000 + 100 * N
    assert found["check"].read_bytes == 350 * N
    assert found["divide"].read_bytes == 350 * N + written
    assert found["fit_again"].read_bytes == 2 * written


def test_hours_of_a_gpu_are_those_of_training(config):
    e = Planner(config=config, profile=rates(gpu="G")).estimate(10_000)
    trained = sum(s.seconds for s in e.stages if s.name in ("fit", "fit_again"))
    assert e.gpu_hours == pytest.approx(trained / 3600)
    assert e.gpu_hours + e.cpu_hours == pytest.approx(e.seconds / 3600)


@pytest.mark.parametrize(("every", "count"), [(1, 15), (4, 4), (20, 1)])
def test_a_local_training_writes_a_checkpoint_after_epochs(config, every, count):
    training = config.training.model_copy(update={"checkpoint_every": every})
    planner = Planner(config=config.model_copy(update={"training": training}), profile=rates())
    fit = stages(planner)["fit"]
    assert (fit.checkpoints, fit.checkpoint_bytes) == (count, count * 5000)


def test_a_training_in_pods_writes_one_after_steps_too(config):
    assert stages(cluster(config, checkpoint_steps=50))["fit"].checkpoints == 15 + 120 // 50


@pytest.mark.parametrize(("name", "brought", "fetched"), [("fit", 1, 1), ("fit_again", 1, 2)])
def test_inputs_go_in_once_and_out_to_every_node_and_results_in_and_out(
    config, name, brought, fetched
):
    found = stages(cluster(config, nodes=2))
    output = 1000 + 100 * N  # of every stage alike
    kept = found[name].checkpoint_bytes
    assert found[name].exchange_bytes == (brought + 2 * fetched + 2) * output + kept
    assert found["check"].exchange_bytes == found["divide"].exchange_bytes == 0


def test_a_local_run_exchanges_nothing(planner):
    assert {found.exchange_bytes for found in stages(planner).values()} == {0}


@pytest.mark.parametrize(
    ("data", "exchange", "media"),
    [
        ("/data", "/mnt/exchange", 300),
        ("/data", "s3://bucket/prefix", 300),
        ("s3://bucket/data", "s3://bucket/prefix", 0),
        ("s3://bucket/data", "/mnt/exchange", 300),
    ],
)
def test_media_that_pods_cannot_read_themselves_travel_with_the_records(
    config, data, exchange, media
):
    where = config.model_copy(update={"data": config.data.model_copy(update={"uri": data})})
    volumes = [{"name": "shared", "mount": "/mnt", "claim": "shared"}]
    planner = cluster(where, exchange={"uri": exchange}, shards=4, volumes=volumes)
    output = 1000 + 100 * N
    assert stages(planner)["divide"].exchange_bytes == 2 * (output + media * N + output)


def test_a_slope_lost_in_noise_is_at_least_that_of_writing_and_hashing(config):
    flat = stage(
        "check",
        ("data",),
        seconds=Line(fixed=1.0, slope=0.0),
        written_bytes=Line(fixed=0.0, slope=5000.0),
    )
    planner = Planner(config=config, profile=rates(stages=(flat,)))
    assert planner.estimate(10**6).seconds == pytest.approx(1 + 5000 * 1e6 * 2e-9)
