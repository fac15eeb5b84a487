"""What ``concord doctor --cluster CONFIG`` asks the API server: rights, quota, GPUs.

Nothing here changes anything.
"""

from collections.abc import Iterable
from typing import Any

from components.config.trainer import KubernetesTrainer
from components.core.finding import Finding
from infra.fitting import quantity
from infra.transport import ApiError, Transport

Json = dict[str, Any]
_FORBIDDEN = 403
_GIVE_RIGHTS = (
    "kubectl apply -k infra/kubernetes/base (an administrator may have to), "
    "and use its account concord-flow"
)
_NEEDED = (
    ("batch", "jobs", ("create", "get", "list", "watch", "delete")),
    ("", "pods", ("list",)),
    ("", "pods/log", ("get",)),
    ("", "events", ("list",)),
)
_TOGETHER = (("", "services", ("create", "get", "delete")),)
"""Pods of one training find each other through a headless Service."""


def version(transport: Transport) -> Finding:
    """Whether the API server answers."""
    told = transport.call("GET", "/version")
    return Finding(what="API server", ok=True, found=f"Kubernetes {told['gitVersion']}")


def rights(transport: Transport, config: KubernetesTrainer) -> Finding:
    """Whether this account may do all that a run does, asked right by right."""
    needed = [*_NEEDED, *(_TOGETHER if config.together else ())]
    asked = [(group, resource, verb) for group, resource, verbs in needed for verb in verbs]
    lacking = [
        f"{verb} {resource}"
        for group, resource, verb in asked
        if not _may(transport, config, group, resource, verb)
    ]
    found = f"lacks {', '.join(lacking)}" if lacking else f"all {len(asked)} that a run needs"
    return Finding(
        what=f"rights in namespace {config.namespace}",
        ok=not lacking,
        found=found,
        remedy=_GIVE_RIGHTS,
    )


def quota(transport: Transport, config: KubernetesTrainer) -> Finding:
    """Whether what a run asks for fits what is left of the namespace's quotas."""
    what = f"quota of namespace {config.namespace}"
    try:
        listed = transport.call(
            "GET", f"/api/v1/namespaces/{config.namespace}/resourcequotas", patient=False
        )["items"]
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        return Finding(
            what=what,
            ok=True,
            found="this account may not read it (list resourcequotas); "
            "a run that exceeds it fails with a message",
        )
    found, short = [], []
    for name, wanted in requested(config).items():
        for left in _left(listed, name):
            found.append(f"{name}: {left:g} left, {wanted:g} asked for")
            short += [name] if wanted > left else []
    remedy = f"ask for less {', '.join(short)}, wait for others to finish, or have the quota raised"
    return Finding(
        what=what, ok=not short, found="; ".join(found) or "none that matters", remedy=remedy
    )


def gpus(transport: Transport, config: KubernetesTrainer) -> Finding:
    """Whether nodes have the GPUs that a run asks for, where they may be read."""
    what = f"GPUs ({config.gpu_resource})"
    try:
        nodes = transport.call("GET", "/api/v1/nodes", patient=False)["items"]
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        found = (
            "this account may not read nodes, which belong to no namespace; "
            "a run that no node can take fails with a message"
        )
        return Finding(what=what, ok=True, found=found)
    able = [count for node in nodes if (count := _gpus_of(node, config))]
    fit = sum(count >= config.gpus for count in able) if config.gpus else config.nodes
    found = f"{sum(able):g} on {len(able)} of {len(nodes)} nodes that are ready and match"
    found += (
        f"; {config.gpus} asked for on each of {config.nodes}"
        if config.gpus
        else "; none asked for"
    )
    remedy = "lower trainer.gpus or nodes, check gpu_product and node_selector, or add nodes"
    return Finding(what=what, ok=fit >= config.nodes, found=found, remedy=remedy)


def requested(config: KubernetesTrainer) -> dict[str, float]:
    """What the pods of a training ask for together, as quotas count it."""
    each = {
        "requests.cpu": config.cpu,
        "requests.memory": quantity(config.memory),
        "limits.memory": quantity(config.memory),
        f"requests.{config.gpu_resource}": float(config.gpus),
        "pods": 1.0,
    }
    return {name: amount * config.nodes for name, amount in each.items() if amount} | {
        "count/jobs.batch": 1.0
    }


def _left(quotas: Iterable[Json], name: str) -> Iterable[float]:
    """What each quota leaves of a resource; quotas with scopes count some pods only: left out."""
    for tree in quotas:
        hard, used = tree.get("status", {}).get("hard", {}), tree.get("status", {}).get("used", {})
        if (
            name in hard
            and not tree["spec"].get("scopes")
            and not tree["spec"].get("scopeSelector")
        ):
            yield quantity(hard[name]) - quantity(used.get(name, "0"))


def _may(
    transport: Transport, config: KubernetesTrainer, group: str, resource: str, verb: str
) -> bool:
    name, _, part = resource.partition("/")
    about = {"namespace": config.namespace, "group": group, "resource": name, "verb": verb}
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": about | ({"subresource": part} if part else {})},
    }
    answer = transport.call(
        "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=asked
    )
    return bool(answer["status"]["allowed"])


def _gpus_of(node: Json, config: KubernetesTrainer) -> float:
    """GPUs of a node that pods of this configuration may be placed on."""
    labels = node["metadata"].get("labels", {})
    wanted = dict(config.node_selector)
    if config.gpu_product:
        wanted[f"{config.gpu_resource}.product"] = config.gpu_product
    status = node.get("status", {})
    ready = any(
        c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])
    )
    if (
        not ready
        or node["spec"].get("unschedulable")
        or any(labels.get(k) != v for k, v in wanted.items())
    ):
        return 0.0
    return quantity(status.get("allocatable", {}).get(config.gpu_resource, "0"))
