"""GPUs that nodes advertise: queued for, held, missing in the pod, never available."""

import time

import pytest

from infra.failures import PreflightFailed, Unschedulable
from tests.cluster.running import Running
from tests.components.pods.pods import train_spec
from tests.synthetic import records, write_features

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300), pytest.mark.usefixtures("own_cluster")]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "features"
    write_features(folder, records(120, labelled=0.5))
    return folder


def three(features, block, tmp_path):
    """Three concurrent training runs with different seeds."""
    specs = [train_spec(features, training={"seed": seed, "epochs": 2}) for seed in range(3)]
    return [Running(spec, block, tmp_path / f"out-{i}") for i, spec in enumerate(specs)]


def holding(kubectl, namespace):
    """Pods that hold a GPU now, and those that wait."""
    pods = kubectl.json("-n", namespace, "get", "pods")["items"]
    phases = [p["status"]["phase"] for p in pods if "nodeName" in p["spec"]]
    return sum(phase in ("Pending", "Running") for phase in phases), sum(
        "nodeName" not in p["spec"] for p in pods
    )


def test_three_jobs_that_hold_a_gpu_each_queue_on_two_and_all_finish(
    features, trainer, tmp_path, kubectl, namespace
):
    block = {**trainer, "gpus": 1, "device": "cpu", "cpu": 0.5}
    jobs = three(features, block, tmp_path)
    seen = []
    while any(job.error is None and job._thread.is_alive() for job in jobs):
        seen.append(holding(kubectl, namespace))
        time.sleep(0.5)
    for job in jobs:
        (attempt,) = job.ended()
        assert attempt.about["device"] == "cpu"
    assert max(held for held, _ in seen) == 2
    assert max(waiting for _, waiting in seen) >= 1, "the third never had to wait"


def test_pods_for_cuda_that_see_no_gpu_fail_at_the_preflight_with_its_message(
    features, trainer, tmp_path
):
    jobs = three(features, {**trainer, "gpus": 1, "device": "cuda"}, tmp_path)
    for job in jobs:
        with pytest.raises(PreflightFailed, match="torch sees 0 CUDA devices, wanted 1"):
            job.ended()
        assert not job.exchange.attempts(job.name)


def test_more_gpus_than_any_node_has_is_said_within_half_a_minute(features, trainer, tmp_path):
    start = time.monotonic()
    job = Running(train_spec(features), {**trainer, "gpus": 8, "device": "cpu"}, tmp_path / "out")
    with pytest.raises(Unschedulable, match=r"nvidia.com/gpu: wanted 8, the largest node has 1"):
        job.ended()
    assert time.monotonic() - start <= 30
