"""``concord doctor --cluster CONFIG`` against API answers taken from real Kubernetes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from components.config.trainer import KubernetesTrainer
from infra import checks
from infra.transport import Transport

Answer = Callable[[str, dict[str, Any] | None], tuple[int, dict[str, Any]]]
BLOCK = {"where": "kubernetes", "namespace": "team", "image": "i", "exchange": {"uri": "s3://b/p"}}


def config(**changes: Any) -> KubernetesTrainer:
    return KubernetesTrainer.model_validate({**BLOCK, **changes})


def transport(answer: Answer) -> Transport:
    def send(
        method: str,  # noqa: ARG001
        path: str,
        *,
        query: Any,  # noqa: ARG001
        body: Any,
        timeout: Any,  # noqa: ARG001
    ) -> urllib3.HTTPResponse:
        status, tree = answer(path, body)
        return urllib3.HTTPResponse(body=json.dumps(tree).encode(), status=status)

    return Transport(lambda: send, say=lambda _: None, budget_s=1)


def quotas(*items: dict[str, Any]) -> Transport:
    return transport(
        lambda path, _: (
            (200, {"items": list(items)}) if path.endswith("/team/resourcequotas") else (404, {})
        )
    )


def of_quota(hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used}}


def node(gpus: int, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": more.pop("labels", {})},
        "spec": more.pop("spec", {}),
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus)},
            "conditions": [{"type": "Ready", "status": more.pop("ready", "True")}],
        },
    }


def test_every_right_that_is_missing_is_named() -> None:
    refused = {("jobs", None, "delete"), ("pods", "log", "get")}

    def answer(path: str, body: Any) -> tuple[int, dict[str, Any]]:
        about = body["spec"]["resourceAttributes"]
        assert (path.rsplit("/", 1)[1], about["namespace"]) == ("selfsubjectaccessreviews", "team")
        return 201, {
            "status": {
                "allowed": (about["resource"], about.get("subresource"), about["verb"])
                not in refused
            }
        }

    found = checks.rights(transport(answer), config())
    assert (found.ok, found.found) == (False, "lacks delete jobs, get pods/log")
    assert "infra/kubernetes/base" in found.remedy


def test_services_are_asked_about_only_where_pods_train_together() -> None:
    asked = []

    def answer(_: str, body: Any) -> tuple[int, dict[str, Any]]:
        asked.append(body["spec"]["resourceAttributes"]["resource"])
        return 201, {"status": {"allowed": True}}

    assert checks.rights(transport(answer), config()).ok
    assert "services" not in asked
    assert checks.rights(transport(answer), config(nodes=2)).ok
    assert asked.count("services") == 3


def test_a_quota_is_short_where_the_pods_together_ask_for_more_than_is_left() -> None:
    server = quotas(
        of_quota(
            {"requests.memory": "10Gi", "requests.cpu": "8"},
            {"requests.memory": "3Gi", "requests.cpu": "500m"},
        )
    )
    assert checks.quota(
        server, config(nodes=3, memory="2Gi", cpu=2.5)
    ).ok  # 6 of 7 GiB, 7.5 of 7.5 cores
    found = checks.quota(server, config(nodes=3, memory="3Gi", cpu=2.6))
    assert not found.ok
    assert "requests.cpu, requests.memory" in found.remedy


def test_the_tightest_quota_counts_and_those_of_other_pods_do_not() -> None:
    wide, tight = (
        of_quota({"requests.nvidia.com/gpu": "8"}, {}),
        of_quota({"requests.nvidia.com/gpu": "4"}, {"requests.nvidia.com/gpu": "3"}),
    )
    other = of_quota({"pods": "0"}, {"pods": "0"}, scopes=["BestEffort"])
    assert checks.quota(quotas(wide, tight, other), config(gpus=1)).ok
    assert not checks.quota(quotas(wide, tight, other), config(gpus=1, nodes=2)).ok


@pytest.mark.parametrize(
    ("look", "words"), [(checks.quota, "may not read it"), (checks.gpus, "may not read nodes")]
)
def test_what_may_not_be_read_is_said_and_is_no_failure(look: Any, words: str) -> None:
    found = look(transport(lambda *_: (403, {"message": "forbidden"})), config(gpus=1))
    assert found.ok
    assert words in found.found


def test_gpus_count_where_pods_may_go() -> None:
    nodes = [
        node(4, labels={"nvidia.com/gpu.product": "A"}),
        node(2, labels={"nvidia.com/gpu.product": "A"}),
        node(8, labels={"nvidia.com/gpu.product": "B"}),
        node(8, labels={"nvidia.com/gpu.product": "A"}, ready="Unknown"),
        node(8, labels={"nvidia.com/gpu.product": "A"}, spec={"unschedulable": True}),
    ]
    server = transport(lambda *_: (200, {"items": nodes}))
    assert checks.gpus(server, config(gpus=2, nodes=2, gpu_product="A")).ok
    found = checks.gpus(server, config(gpus=4, nodes=2, gpu_product="A"))
    assert not found.ok
    assert found.found == "6 on 2 of 5 nodes that are ready and match; 4 asked for on each of 2"
    assert checks.gpus(server, config(gpus=4, nodes=2)).ok
