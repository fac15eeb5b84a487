"""`concord doctor --cluster` on a real cluster: all well, and with one fault at a time."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.finding import Finding
from flows.commands.doctor_cluster import look
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.cluster


def written(folder: Path, trainer: dict[str, Any]) -> Path:
    path = folder / "run.yaml"
    path.write_text(
        yaml.safe_dump({"name": "tiny", "data": {"uri": str(folder)}, "trainer": trainer})
    )
    return path


def bad(findings: list[Finding]) -> dict[str, str]:
    """The failed checks, by their first words."""
    return {f.what: f"{f.found}; {f.remedy}" for f in findings if not f.ok}


def jobs(kubectl: Kubectl, namespace: str) -> list[str]:
    """Existing Jobs that are not being deleted."""
    items = kubectl.json("-n", namespace, "get", "jobs")["items"]
    return [j["metadata"]["name"] for j in items if "deletionTimestamp" not in j["metadata"]]


def test_all_is_well_and_nothing_is_left(trainer, tmp_path, kubectl, namespace) -> None:
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "doctor",
        "--json",
        "--cluster",
        str(written(tmp_path, trainer)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (0, True), told
    found = {f["what"]: f["found"] for f in told["findings"]}
    assert "in the pod as user 65532" in found["storage round trip"]
    assert "(as here)" in found[f"image {trainer['image']}"]
    assert found["API server"].startswith("Kubernetes v")
    assert jobs(kubectl, namespace) == []
    assert list((tmp_path / "exchange" / "jobs").iterdir()) == []


def test_an_image_that_is_not_there_is_told_and_soon(trainer, tmp_path, kubectl, namespace) -> None:
    began = time.monotonic()
    found = bad(look(written(tmp_path, {**trainer, "image": "concord/nowhere:1"})))
    assert "cannot be pulled" in found["image concord/nowhere:1"]
    assert time.monotonic() - began < 60
    assert jobs(kubectl, namespace) == []


def test_two_places_that_are_not_one_are_told(trainer, tmp_path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    other.chmod(0o1777)
    found = bad(
        look(written(tmp_path, {**trainer, "exchange": {**trainer["exchange"], "uri": str(other)}}))
    )
    assert "the pod sees another place than the run does" in found["storage round trip"]
    assert f"image {trainer['image']}" not in found


def test_an_exchange_that_is_not_there_is_told(trainer, tmp_path) -> None:
    nowhere = {**trainer["exchange"], "uri": str(tmp_path / "nowhere")}
    found = bad(look(written(tmp_path, {**trainer, "exchange": nowhere})))
    assert "from here" in found["storage round trip"]


def test_more_gpus_than_there_are_is_told(trainer, tmp_path, own_cluster) -> None:  # noqa: ARG001  one GPU on each node
    found = bad(look(written(tmp_path, {**trainer, "gpus": 2})))
    assert "2 asked for on each of 1" in found["GPUs (nvidia.com/gpu)"]


def test_a_server_that_does_not_answer_is_told_in_bounded_time(
    trainer, tmp_path, monkeypatch
) -> None:
    config = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {"token": "t"}}
    config.write_text(
        yaml.safe_dump(
            {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "c"}
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    began = time.monotonic()
    (finding,) = look(written(tmp_path, trainer))
    assert (finding.what, finding.ok) == ("API server", False)
    assert "KUBECONFIG" in finding.remedy
    assert time.monotonic() - began < 30
