"""``concord doctor --cluster CONFIG``: whether the cluster offers what the run needs."""

from collections.abc import Callable, Iterable
from pathlib import Path

from components.config.run import load
from components.config.trainer import KubernetesTrainer
from components.core.errors import UsageError, UserError
from components.core.finding import Finding

_ANSWER_S = 15.0
"""Time limit of one request, with its retries."""


def look(config: Path) -> list[Finding]:
    """Check everything that training on the cluster needs, up to the first failed connection.

    Raises:
        UsageError: the configuration does not train on a cluster.
    """
    trainer = load(config).trainer
    if not isinstance(trainer, KubernetesTrainer):
        raise UsageError(
            f"{config}: trainer.where is local, wanted kubernetes; "
            "give a configuration that trains on a cluster"
        )
    from infra import checks
    from infra.cluster import Cluster
    from infra.probing import probe

    try:
        cluster = Cluster(trainer, say=lambda _: None, budget_s=_ANSWER_S)
        reached = checks.version(cluster.transport)
    except UserError as error:
        remedy = "check KUBECONFIG and trainer.context; `make cluster` starts one on this machine"
        return [Finding(what="API server", ok=False, found=str(error), remedy=remedy)]
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("rights", lambda: [checks.rights(cluster.transport, trainer)]),
        ("quota", lambda: [checks.quota(cluster.transport, trainer)]),
        ("GPUs", lambda: [checks.gpus(cluster.transport, trainer)]),
        ("pod", lambda: probe(cluster, trainer)),
    ]
    return [reached, *(finding for what, each in looks for finding in _told(what, each))]


def _told(what: str, look: Callable[[], Iterable[Finding]]) -> Iterable[Finding]:
    """The findings of a check; its failure is a finding too."""
    from infra.transport import ApiError

    try:
        return list(look())
    except (UserError, ApiError) as error:
        return [
            Finding(
                what=what,
                ok=False,
                found=str(error),
                remedy="fix the cause that it names, then check again",
            )
        ]
