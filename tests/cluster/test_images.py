"""The train, serve and flow images, built from the Dockerfiles, run under `restricted` security.

It takes minutes and some 25 GB of disk, so it runs only by name: ``make test-images`` prints sizes
and start times.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import s3fs
import yaml

from components.config.home import CHECKOUT
from components.core.refs import digest_folder
from components.pods.code import code_digest
from flows.commands.doctor_cluster import look
from infra.failures import PreflightFailed
from infra.images import EXTRAS, FOLDER
from infra.images.build import copy_of_checkout
from infra.images.sizes import MOST_MB
from tests.cluster.kubectl import Kubectl
from tests.cluster.running import Running
from tests.cluster.s3_server import S3Server
from tests.components.pods.pods import train_spec
from tests.packaged import packed
from tests.synthetic import records, write_features

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

NODE = "node-1"
FORBIDDEN = {
    "train": [
        "prefect",
        "mlflow",
        "bentoml",
        "great_expectations",
        "dvc",
        "sklearn",
        "pip",
        "uv",
        "pytest",
        "mypy",
        "flows",
    ],
    "serve": [
        "torch",
        "sklearn",
        "prefect",
        "mlflow",
        "great_expectations",
        "dvc",
        "pip",
        "uv",
        "pytest",
        "mypy",
        "flows",
    ],
    "flow": ["pip", "pytest", "mypy", "hypothesis", "transformers"],
}


@dataclass
class Images:
    """Images, built and loaded when a test first names them, and their measurements."""

    context: Path
    report: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return code_digest(self.context / "components")

    def name(self, image: str) -> str:
        from tools.testcluster import builds

        name = f"localhost/concord/{image}:proof"
        if image not in self.report:
            self.report[image] = {}
            began = time.monotonic()
            builds.image(
                name, FOLDER / f"{image}.Dockerfile", self.context, {"CODE": self.code}, [NODE]
            )
            self.report[image]["build and load, s"] = round(time.monotonic() - began)
        return name


@pytest.fixture(scope="module")
def images(own_cluster, tmp_path_factory) -> Iterator[Images]:  # noqa: ARG001  only on our own nodes can images be loaded
    from tools.testcluster import layout, nodes

    built = Images(copy_of_checkout(tmp_path_factory.mktemp("images") / "context"))
    yield built
    for image, seen in built.report.items():
        print(f"\n{image}: {json.dumps(seen)}", end="")  # noqa: T201  the table of the proof
        nodes.ctr(
            next(n for n in layout.NODES if n.name == NODE), "images", "rm", built.name(image)
        )


@pytest.fixture(scope="module")
def restricted(kubectl: Kubectl, namespace: str) -> str:
    """A namespace that admits only `restricted` pods, with a Secret for S3."""
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


@pytest.fixture(scope="module")
def block(
    images: Images, s3: S3Server, kubectl: Kubectl, restricted: str
) -> Iterator[dict[str, Any]]:
    """A trainer block whose pods use only the image and S3, nothing of this machine."""
    keys = {name: s3.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3"}, "stringData": keys},
        restricted,
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.env.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield {
            "where": "kubernetes", "namespace": restricted,
            "image": images.name("train"), "image_pull_policy": "Never",
            "node_selector": {"kubernetes.io/hostname": NODE}, "cpu": 0.5, "memory": "2Gi",
            "exchange": {"uri": s3.uri("images")},
            "env": {name: s3.env[name] for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")},
            "secrets": [{"env": name, "secret": "s3", "key": name} for name in keys],
        }  # fmt: skip


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("features") / "features"
    write_features(folder, records(120, labelled=0.5))
    return folder


def pod(name: str, image: str, command: list[str], **more: Any) -> dict[str, Any]:
    """A pod that `restricted` admits."""
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "main", "image": image, "imagePullPolicy": "Never", "securityContext": security,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
        **({"command": command} if command else {}), **more,
    }  # fmt: skip
    spec = {
        "restartPolicy": "Never", "automountServiceAccountToken": False,
        "nodeName": NODE, "containers": [container],
        # The user comes from the image.
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def ran(
    kubectl: Kubectl, namespace: str, manifest: dict[str, Any], seconds: int = 180
) -> tuple[str, float]:
    """The output of a successful pod, and its seconds from start to end."""
    name = manifest["metadata"]["name"]
    kubectl.apply(manifest, namespace)
    end = time.monotonic() + seconds
    while (state := kubectl.json("-n", namespace, "get", "pod", name)["status"])["phase"] not in (
        "Succeeded",
        "Failed",
    ):
        assert time.monotonic() < end, state
        time.sleep(0.5)
    words = kubectl("-n", namespace, "logs", name)
    assert state["phase"] == "Succeeded", words
    times = state["containerStatuses"][0]["state"]["terminated"]
    took = datetime.fromisoformat(times["finishedAt"]) - datetime.fromisoformat(times["startedAt"])
    kubectl("-n", namespace, "delete", "pod", name, "--wait=false")
    return words, took.total_seconds()


@pytest.mark.parametrize("image", EXTRAS)
def test_an_image_is_as_small_and_as_bare_as_it_says_and_runs_as_nobody(
    images, kubectl, restricted, image
) -> None:
    asked = f"""
import importlib.util, json, os, sys
about = {{"__name__": "sizes"}}
exec(compile({(FOLDER / "sizes.py").read_text()!r}, "sizes", "exec"), about)
present = [name for name in {FORBIDDEN[image]!r} if importlib.util.find_spec(name)]
try:
    open("/app/written", "w")
    root = "writable"
except OSError as error:
    root = error.strerror
sizes = about["measure"](about["Path"]("/"))
print(json.dumps(dict(sizes=sizes, present=present, user=os.getuid(), root=root)))
"""
    words, _ = ran(
        kubectl, restricted, pod(f"about-{image}", images.name(image), ["python", "-c", asked])
    )
    told = json.loads(words)
    images.report[image] |= {"MB": told["sizes"]}
    assert (told["user"], told["root"], told["present"]) == (65532, "Read-only file system", [])
    assert told["sizes"]["beyond_torch"] <= MOST_MB[image]
    code, seconds = ran(
        kubectl,
        restricted,
        pod(f"code-{image}", images.name(image), ["python", "-m", "components.pods.code"]),
    )
    assert code.strip() == images.code
    imports = {
        "train": "components.training.tasks",
        "serve": "serving.http.app, components.prediction.predictor",
        "flow": "flows.retrain",
    }[image]
    command = ["python", "-c", f"import {imports}"]
    _, imported = ran(kubectl, restricted, pod(f"start-{image}", images.name(image), command))
    images.report[image] |= {"python starts, s": seconds, "all imported, s": imported}


def test_the_train_image_trains_through_s3(images, block, features, tmp_path) -> None:
    spec = train_spec(features, training={"seed": 1, "epochs": 2})
    began = time.monotonic()
    (attempt,) = Running(spec, block, tmp_path / "out").ended()
    assert attempt.about["code"] == images.code
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file() or any(
        (tmp_path / "out").rglob("*.safetensors")
    )
    images.report["train"]["tiny training, submit to result, s"] = round(
        time.monotonic() - began, 1
    )


def test_a_run_with_other_code_is_refused_unless_any_code_says_otherwise(
    images, block, features, tmp_path, monkeypatch
) -> None:
    for place in ("components.pods.code", "tests.cluster.running"):
        monkeypatch.setattr(f"{place}.code_digest", lambda: "0" * 64)
    spec = train_spec(features, training={"seed": 2, "epochs": 1})
    with pytest.raises(PreflightFailed, match=images.code[:12]):
        Running(spec, block, tmp_path / "refused").ended()
    (attempt,) = Running(spec, {**block, "any_code": True}, tmp_path / "accepted").ended()
    assert attempt.about["code"] == images.code


def test_the_doctor_finds_the_train_image_to_be_this_code(images, block, tmp_path) -> None:
    (tmp_path / "run.yaml").write_text(
        yaml.safe_dump({"name": "tiny", "data": {"uri": "d"}, "trainer": block})
    )
    found = {f.what: f for f in look(tmp_path / "run.yaml")}
    assert f"code {images.code[:12]}" in found[f"image {block['image']}"].found
    assert [f for f in found.values() if not f.ok] == []


def test_the_serve_image_answers_as_a_deployment_with_a_package_from_s3(
    images, block, s3, kubectl, restricted, tmp_path
) -> None:
    package = packed().package
    place = s3.uri("packages/tiny")
    s3fs.S3FileSystem().put(f"{package}/", place.removeprefix("s3://") + "/", recursive=True)
    env = [
        {"name": "CONCORD_PACKAGE", "value": place},
        {"name": "CONCORD_OPEN", "value": "1"},
        {"name": "CONCORD_HOME", "value": "/tmp/concord"},  # noqa: S108
        {"name": "CONCORD_PACKAGE_DIGEST", "value": digest_folder(package)},
    ]
    env += [{"name": name, "value": value} for name, value in block["env"].items()]
    env += [
        {"name": e["env"], "valueFrom": {"secretKeyRef": {"name": e["secret"], "key": e["key"]}}}
        for e in block["secrets"]
    ]
    overlay(tmp_path, images.name("serve"), env, restricted)
    began = time.monotonic()
    kubectl("apply", "-k", str(tmp_path))
    kubectl("-n", restricted, "rollout", "status", "deployment/concord-serve", "--timeout=180s")
    images.report["serve"]["from apply to ready, s"] = round(time.monotonic() - began, 1)
    (served,) = kubectl.json(
        "-n", restricted, "get", "pods", "-l", "app.kubernetes.io/name=concord-serve"
    )["items"]
    with httpx.Client(base_url=f"http://{served['status']['podIP']}:3000", timeout=30) as client:
        assert client.get("/v1/model").json()["package_digest"] == digest_folder(package)
        (found,) = client.post("/v1/classify", json={"records": [{"text": "red round"}]}).json()[
            "answers"
        ]
        record = {"text": "red round"}
        assert client.post("/v1/search", json={"query": record, "k": 3}).is_success
        assert client.post("/v1/embed", json={"records": [record]}).is_success
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    kubectl("delete", "-k", str(tmp_path), "--wait=false")


def overlay(folder: Path, image: str, env: list[dict[str, Any]], namespace: str) -> None:
    """Write an overlay of ``infra/kubernetes/serve/base``: image and package, but no claim."""
    name, tag = image.rsplit(":", 1)
    at = "/spec/template/spec"
    patch = [
        {"op": "add", "path": f"{at}/containers/0/env", "value": env},
        {"op": "remove", "path": f"{at}/containers/0/envFrom"},
        {"op": "replace", "path": "/spec/replicas", "value": 1},
        {"op": "add", "path": f"{at}/containers/0/imagePullPolicy", "value": "Never"},
        {"op": "add", "path": f"{at}/nodeSelector", "value": {"kubernetes.io/hostname": NODE}},
        {"op": "remove", "path": f"{at}/containers/0/volumeMounts/1"},
        {"op": "remove", "path": f"{at}/volumes/1"},
    ]
    tree = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": namespace,
        "resources": [os.path.relpath(CHECKOUT / "infra/kubernetes/serve/base", folder)],
        "images": [{"name": "concord/serve", "newName": name, "newTag": tag}],
        "patches": [{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(patch)}],
    }  # fmt: skip
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(tree))


def test_the_flow_image_has_the_command_line_and_all_that_it_needs(
    images, kubectl, restricted
) -> None:
    words, seconds = ran(
        kubectl, restricted, pod("help", images.name("flow"), ["concord", "--help"])
    )
    assert "classify" in words
    images.report["flow"]["concord --help, s"] = seconds
    script = (
        "concord doctor --json; prefect version; dvc --version; "
        "python -c 'import bentoml, kubernetes, psycopg'"
    )
    words, _ = ran(kubectl, restricted, pod("doctor", images.name("flow"), ["sh", "-c", script]))
    findings = json.loads(next(line for line in words.splitlines() if line.startswith('{"ok"')))[
        "findings"
    ]
    # A flow's pod is given the addresses of servers; this one was not.
    (missing,) = (f for f in findings if not f["ok"])
    assert missing["what"] == "state folder"
    assert "PREFECT_API_URL" in missing["found"]


def test_the_flow_image_runs_the_whole_loop(images, kubectl, restricted) -> None:
    # The loop uses all that the image must hold: validation, encoding, training, evaluation, the
    # Bento, registry and gate. A flow in a cluster refuses to keep its state in the pod; here the
    # variable that marks a pod is unset.
    script = """
    set -e
    unset KUBERNETES_SERVICE_HOST
    mkdir -p /tmp/here/conf && cp conf/demo.yaml /tmp/here/conf
    concord data glyphs /tmp/here/data/glyphs >&2
    concord run /tmp/here/conf/demo.yaml --json
    """
    words, seconds = ran(
        kubectl, restricted, pod("loop", images.name("flow"), ["sh", "-c", script]), seconds=900
    )
    told = json.loads(next(line for line in words.splitlines() if line.startswith("{")))
    assert told["verdict"] == "promote", told
    images.report["flow"]["the demo's loop, s"] = seconds
