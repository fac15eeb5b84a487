"""A preempted training run writes a checkpoint, resumes, and gives the undisturbed result."""

import secrets

import pytest

from components.core.refs import digest_folder
from tests.cluster.running import Running, here
from tests.components.pods.pods import train_spec
from tests.synthetic import records, write_features
from tools.testcluster.images import TEST

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300), pytest.mark.usefixtures("own_cluster")]

NODE = "node-1"
CHECKPOINT_STEPS = 10


@pytest.fixture
def important(kubectl):
    """A priority class above the default one."""
    name = f"important-{secrets.token_hex(4)}"
    kind = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": 1_000_000,
    }
    kubectl.apply(kind, "default")
    yield name
    kubectl("delete", "priorityclass", name)


def intruder(priority: str) -> dict:
    """A pod that wants the GPU of the node for a few seconds."""
    gpu = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}
    container = {
        "name": "main",
        "image": TEST,
        "imagePullPolicy": "Never",
        "command": ["sleep", "3"],
        "resources": gpu,
    }
    spec = {
        "priorityClassName": priority,
        "restartPolicy": "Never",
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "securityContext": {"runAsUser": 65532, "runAsNonRoot": True},
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "intruder"}, "spec": spec}


def test_a_preempted_training_resumes_and_ends_as_an_undisturbed_one(
    trainer, tmp_path, kubectl, namespace, important
):
    write_features(tmp_path / "features", records(300, labelled=0.5))
    spec = train_spec(tmp_path / "features", training={"epochs": 125})
    block = {
        **trainer,
        "cpu": 1,
        "gpus": 1,
        "device": "cpu",
        "node_selector": {"kubernetes.io/hostname": NODE},
        "checkpoint_steps": CHECKPOINT_STEPS,
    }
    training = Running(spec, block, tmp_path / "out")
    training.until(lambda: training.step > 2 * CHECKPOINT_STEPS)
    reached = training.step
    kubectl.apply(intruder(important), namespace)
    (attempt,) = training.ended()

    assert any("PreemptionByScheduler" in line for line in training.said), training.said
    about = attempt.about
    # It resumed near where the preempted pod stopped and repeated at most CHECKPOINT_STEPS steps.
    assert about["resumed_from"] >= reached - CHECKPOINT_STEPS
    assert about["executed_steps"] == about["steps"] - about["resumed_from"] > 0
    assert digest_folder(tmp_path / "out") == digest_folder(here(spec, tmp_path / "here"))
