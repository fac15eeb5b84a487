"""Whether a pod can ever fit: on a node, and within a quota; pure functions."""

import re
from collections.abc import Sequence

from infra.snapshot import Json, Pod

_UNITS = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
} | {f"{unit}i": 2.0 ** (10 * power) for power, unit in enumerate("KMGTPE", 1)}


def never_fits(pod: Pod, nodes: Sequence[Json]) -> str | None:
    """What a pod asks for that no node has, even empty; None where one could take it."""
    wanted = pod.tree["spec"]["containers"][0].get("resources", {}).get("requests", {})
    chosen = [n for n in nodes if _selected(pod, n)]
    if not chosen:
        return f"got {len(nodes)} nodes, wanted one with the labels {_chosen(pod)}"
    if any(all(quantity(v) <= _has(n, k) for k, v in wanted.items()) for n in chosen):
        return None
    short = [
        f"{name}: wanted {value}, the largest node has {max(_has(n, name) for n in chosen):g}"
        for name, value in wanted.items()
        if all(quantity(value) > _has(n, name) for n in chosen)
    ]
    together = ", ".join(f"{k} {v}" for k, v in wanted.items())
    return "; ".join(short) or f"wanted {together} on one node, and no node has all of it"


def over_quota(message: str) -> bool:
    """Whether one pod exceeds a quota's hard limit, or lacks a request that the quota demands."""
    if "must specify" in message:
        return True
    found = {
        part: dict(re.findall(r"([\w./-]+)=(\w+)", text))
        for part, text in re.findall(r"(requested|limited): ([^:]*)", message)
    }
    requested, limited = found.get("requested", {}), found.get("limited", {})
    return any(quantity(v) > quantity(limited[k]) for k, v in requested.items() if k in limited)


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number.

    Raises:
        ValueError: it is not one.
    """
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)(\w*)", str(text))
    if found is None:
        raise ValueError(f"got {text!r}, wanted a quantity of Kubernetes such as 500m or 4Gi")
    return float(found[1]) * _UNITS[found[2]]


def _has(node: Json, resource: str) -> float:
    return quantity(node.get("status", {}).get("allocatable", {}).get(resource, "0"))


def _selected(pod: Pod, node: Json) -> bool:
    labels = node["metadata"].get("labels", {})
    terms = _terms(pod)
    return all(
        labels.get(k) == v for k, v in pod.tree["spec"].get("nodeSelector", {}).items()
    ) and (
        not terms
        or any(
            all((labels.get(e["key"]) in e["values"]) == (e["operator"] == "In") for e in term)
            for term in terms
        )
    )


def _terms(pod: Pod) -> list[list[Json]]:
    """Alternative conditions on a node's labels (In, NotIn), as written by ``manifests_pod``."""
    affinity = pod.tree["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    return [term.get("matchExpressions", []) for term in required.get("nodeSelectorTerms", [])]


def _chosen(pod: Pod) -> str:
    fixed = [f"{k}={v}" for k, v in pod.tree["spec"].get("nodeSelector", {}).items()]
    terms = [
        " and ".join(f"{e['key']} {e['operator']} {','.join(e['values'])}" for e in term)
        for term in _terms(pod)
    ]
    return ", ".join([*fixed, *([" or ".join(terms)] if terms else [])])
