"""Laws: totals are their parts, and more records never cost less."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.config.trainer import KubernetesTrainer
from components.plan.profile import Line, Stage
from components.plan.work import STAGES, TRAINING, checkpoints, trainings
from tests.components.plan.conftest import rates

STAGE_GROWING = (
    "records", "read_bytes", "written_bytes", "epochs", "steps", "seconds", "resident_bytes", "exchange_bytes",
)  # fmt: skip
GROWING = (
    "records",
    "seconds",
    "feature_bytes",
    "vector_bytes",
    "query_seconds",
    "cpu_hours",
    "beyond",
)


@pytest.fixture(scope="module")
def planner(real):
    return real.planner()


@pytest.fixture(scope="module")
def cluster(real):
    trainer = KubernetesTrainer(
        where="kubernetes",
        exchange={"uri": "s3://bucket/prefix"},
        image="train:1",
        nodes=2,
        checkpoint_steps=10,
    )
    return real.planner(config=real.config.model_copy(update={"trainer": trainer}))


@settings(max_examples=60, deadline=None)
@given(a=st.integers(1, 10**9), b=st.integers(1, 10**9))
def test_more_records_never_cost_less(planner, a, b):
    small, large = planner.estimate(min(a, b)), planner.estimate(max(a, b))
    for name in GROWING:
        assert getattr(small, name) <= getattr(large, name), name
    for less, more in zip(small.stages, large.stages, strict=True):
        for name in STAGE_GROWING:
            assert getattr(less, name) <= getattr(more, name), (less.name, name)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 10**9))
def test_a_total_is_the_sum_of_its_stages_and_lies_in_its_range(planner, n):
    e = planner.estimate(n)
    assert e.seconds == pytest.approx(sum(s.seconds for s in e.stages))
    assert e.seconds_range[0] <= e.seconds <= e.seconds_range[1]
    assert e.gpu_hours is None
    assert e.cpu_hours == pytest.approx(e.seconds / 3600)


def test_a_stage_is_its_fixed_part_its_slope_and_its_steps(planner, real):
    n = 1000
    teach = next(s for s in planner.estimate(n).stages if s.name == "teach")
    labelled = round(real.surveyed.learnable(real.surveyed.names, labelled=True) * n)
    per_epoch = -(-labelled // 32)
    assert teach.steps == 15 * per_epoch
    assert teach.seconds == pytest.approx(1 + 1e-3 * n + 15 * (1e-3 * per_epoch + 1e-5 * labelled))


def test_hours_of_a_gpu_are_those_of_training(real):
    e = real.planner(rates(real, gpu="G")).estimate(10_000)
    assert e.gpu_hours == pytest.approx(
        sum(s.seconds for s in e.stages if s.name in TRAINING) / 3600
    )
    assert e.gpu_hours + e.cpu_hours == pytest.approx(e.seconds / 3600)


def test_features_beyond_memory_cost_reads(real):
    fits = rates(real)
    tight = rates(real, machine=fits.machine.model_copy(update={"memory_bytes": 1000}))
    free = [real.planner(p).estimate(1000).stages[2] for p in (fits, tight)]
    reads = free[0].epochs * free[0].records * len(real.features.specs)
    assert free[1].seconds - free[0].seconds == pytest.approx(reads * 1e-4)


def test_checkpoints_and_their_traffic(planner, cluster):
    here, there = planner.estimate(240), cluster.estimate(240)
    assert here.checkpoints.count == 15 + 8 + 4 * 8
    assert here.checkpoints.traffic_bytes < here.checkpoints.count * here.checkpoints.bytes
    assert there.checkpoints.count > here.checkpoints.count
    assert all(s.exchange_bytes == 0 for s in here.stages)


@pytest.mark.parametrize(
    ("name", "brought", "fetched"), [("teach", 1, 1), ("train", 2, 3), ("baselines", 1, 3)]
)
def test_inputs_go_in_once_and_out_to_every_node_and_results_in_and_out(
    cluster, name, brought, fetched
):
    n = 1_000_000
    output = 1000 + 100 * n  # of every stage alike
    training = trainings(name, cluster.config, cluster.surveyed, n, cluster.base)
    kept = sum(checkpoints(cluster.config, t) * cluster.checkpoint_bytes[t.model] for t in training)
    stages = {s.name: s for s in cluster.estimate(n).stages}
    assert stages[name].exchange_bytes == (brought + 2 * fetched + 2) * output + kept
    assert stages["validate"].exchange_bytes == stages["encode"].exchange_bytes == 0


@pytest.mark.parametrize(
    ("data", "exchange", "by_path", "media"),
    [
        ("/data", "/mnt/exchange", True, 300),
        ("/data", "s3://bucket/prefix", True, 300),
        ("s3://bucket/data", "s3://bucket/prefix", True, 0),
        ("s3://bucket/data", "/mnt/exchange", True, 300),
        ("/data", "/mnt/exchange", False, 0),
    ],
)
def test_media_that_pods_cannot_read_themselves_travel_with_the_records(
    real, data, exchange, by_path, media
):
    volumes = [{"name": "shared", "mount": "/mnt", "claim": "shared"}]
    trainer = KubernetesTrainer(
        where="kubernetes", exchange={"uri": exchange}, image="train:1", shards=4, volumes=volumes
    )
    where = real.config.data.model_copy(update={"uri": data})
    planner = real.planner(
        config=real.config.model_copy(update={"trainer": trainer, "data": where})
    )
    planner = replace(planner, surveyed=replace(planner.surveyed, media_by_path=by_path))
    n = 1000
    encode = next(s for s in planner.estimate(n).stages if s.name == "encode")
    assert encode.exchange_bytes == 2 * (1000 + 100 * n) + 2 * media * n + 2 * (1000 + 100 * n)


def test_a_line_is_never_below_zero():
    assert Line(fixed=-5.0, slope=1.0).at(2) == 0.0


def test_a_slope_lost_in_noise_is_at_least_that_of_writing_and_hashing(real):
    flat = Stage(seconds=Line(fixed=1.0, slope=0.0), written_bytes=Line(fixed=0.0, slope=5000.0))
    e = real.planner(rates(real, stages=dict.fromkeys(STAGES, flat))).estimate(1_000_000)
    package = next(s for s in e.stages if s.name == "package")
    assert package.seconds == pytest.approx(1 + 5000 * 1e6 * (1 / 1e9 + 1 / 1e9))
