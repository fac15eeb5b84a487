"""``concord doctor --cluster CONFIG``: whether the cluster of a run's trainer block can do what the run will ask of it."""

from collections.abc import Callable, Iterable
from pathlib import Path

from components.config.run import load
from components.config.trainer import KubernetesTrainer
from components.core.errors import UsageError, UserError
from components.core.finding import Finding

_ANSWER_S = 15.0
"""How long one request is tried."""


def look(config: Path) -> list[Finding]:
    """Look at everything that training on the cluster needs; what cannot be reached ends the list.

    Raises:
        UsageError: the configuration trains here.
    """
    trainer = load(config).trainer
    if not isinstance(trainer, KubernetesTrainer):
        raise UsageError(
            f"{config}: trainer.where is local, wanted kubernetes; give a configuration that trains on a cluster"
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
    """A look that fails is a finding too."""
    from infra.transport import ApiError

    try:
        return list(look())
    except (UserError, ApiError) as error:
        return [
            Finding(
                what=what, ok=False, found=str(error), remedy="mend what it names, then look again"
            )
        ]
