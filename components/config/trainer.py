"""Where training runs: here, or on a Kubernetes cluster. Parsing needs no Kubernetes package."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.config.pods import Name, Quantity, SecretEnv, Toleration, Volume
from components.core.places import is_url
from components.core.strict import Mistakes, Strict

_OWN_ENV = re.compile(r"^(CONCORD_|JOB_COMPLETION_INDEX$|HOME$|TMPDIR$)")
_SECRET_ENV = re.compile(
    r"(^|_)(SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIALS?|PRIVATE_KEY|API_?KEY|ACCESS_KEY)(_|$)|_KEY$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"://[^/@\s]*:[^/@\s]+@")


class LocalTrainer(Strict):
    """Training runs in the process of the run."""

    where: Literal["local"] = "local"


class ExchangeConfig(Strict):
    """The place that the run and its pods share: inputs by digest, checkpoints, results."""

    uri: str
    """Folder (absolute, or relative to this file) or ``s3://bucket/prefix``, as the run sees it."""
    pod_uri: str | None = None
    """The same place as pods see it, where that differs."""

    @property
    def inside(self) -> str:
        """The place as pods see it."""
        return self.pod_uri or self.uri


class KubernetesTrainer(Strict):
    """Training runs as Jobs of a cluster.

    Nothing here changes a result, so nothing here is part of a step's key.
    """

    where: Literal["kubernetes"]
    exchange: ExchangeConfig
    image: Annotated[str, Field(min_length=1)]
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "default"
    context: str | None = None
    """Context of the kubeconfig.

    Without it: the current context, or the pod's own account inside a cluster.
    """
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[Name] = Field(default_factory=list)
    service_account: Name | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``cuda``: a pod that does not see its GPUs fails at once.

    ``auto``: ``cuda`` if ``gpus`` is given, else ``cpu``.
    """
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """GPUs of each pod; one process for each."""
    gpu_resource: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")] = "nvidia.com/gpu"
    gpu_product: str | None = None
    """Kind of GPU: value of the node label ``<gpu_resource>.product``."""
    nodes: Annotated[int, Field(ge=1, le=1024)] = 1
    """Pods that train together, each on its own node where possible (always with GPUs)."""
    min_nodes: Annotated[int, Field(ge=1, le=1_024)] | None = None
    """Elastic training: it continues with as few as this many of ``nodes``."""
    cpu: Annotated[float, Field(gt=0, le=1_024)] = 1
    memory: Quantity = "4Gi"
    """Request and limit: Kubernetes stops a pod that takes more."""
    user: Annotated[int, Field(ge=1, lt=2**31)] = 65532
    """User and group id that pods run as and that mounted claims belong to."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)
    spot: bool | None = None
    """``true``: only interruptible nodes; ``false``: none of them.

    They are known by the labels and taints of GKE, EKS, AKS and Karpenter.
    """
    priority_class: Name | None = None
    queue: Name | None = None
    """Kueue's LocalQueue: the Job is created suspended and waits until it is admitted."""
    volumes: list[Volume] = Field(default_factory=list)
    secrets: list[SecretEnv] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    time_budget_s: Annotated[int, Field(ge=1, lt=2**31)] = 86_400
    """Kubernetes ends the Job after this time.

    Waiting for a node counts, waiting in a queue does not.
    """
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    """Restarts after failures that are neither a disruption nor the program's own fault."""
    pending_timeout_s: Annotated[int, Field(ge=1, lt=2**31)] = 3_600
    """A pod that cannot start within this time ends the run with a diagnosis."""
    grace_period_s: Annotated[int, Field(ge=1, le=3_600)] = 30
    """Time to write a checkpoint before a pod is stopped."""
    checkpoint_steps: Annotated[int, Field(ge=1, lt=2**31)] = 50
    """Steps between checkpoints: at most this many are repeated after a disruption."""
    shards: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Pods that encode or predict large data, each one part of it."""
    any_code: bool = False
    """Accept an image built from other code than this run's."""

    @property
    def needs_cuda(self) -> bool:
        """Whether pods must see GPUs."""
        return self.device == "cuda" or (self.device == "auto" and self.gpus > 0)

    @property
    def together(self) -> bool:
        """Whether one training run has several processes."""
        return self.nodes > 1 or self.processes > 1

    @property
    def processes(self) -> int:
        """Processes of each pod."""
        return self.gpus if self.needs_cuda and self.gpus > 1 else 1

    @model_validator(mode="after")
    def _possible(self) -> "KubernetesTrainer":
        found = [*_impossible_sizes(self), *_impossible_env(self), *_impossible_volumes(self)]
        if found:
            raise Mistakes(found)
        return self


TrainerConfig = Annotated[LocalTrainer | KubernetesTrainer, Field(discriminator="where")]


def _impossible_sizes(config: KubernetesTrainer) -> list[tuple[str, str]]:
    found = []
    if config.min_nodes is not None and config.min_nodes > config.nodes:
        found.append(
            ("min_nodes", f"got {config.min_nodes}, wanted at most nodes ({config.nodes})")
        )
    if config.device == "cuda" and config.gpus == 0:
        found.append(
            ("gpus", "got 0 with device cuda, wanted at least 1; ask for GPUs or set device to cpu")
        )
    if config.gpu_product is not None and config.gpus == 0:
        found.append(
            (
                "gpu_product",
                f"got {config.gpu_product!r} with gpus 0; set gpus, or drop gpu_product",
            )
        )
    if config.grace_period_s > config.time_budget_s:
        found.append(
            (
                "grace_period_s",
                f"got {config.grace_period_s}, "
                f"wanted at most time_budget_s ({config.time_budget_s})",
            )
        )
    return found


def _impossible_env(config: KubernetesTrainer) -> list[tuple[str, str]]:
    secret = [s.env for s in config.secrets]
    found = [
        (f"env.{n}", "is set by Concord itself; drop it") for n in config.env if _OWN_ENV.match(n)
    ]
    found += [
        (f"secrets.{i}.env", f"{n} is set by Concord itself; drop it")
        for i, n in enumerate(secret)
        if _OWN_ENV.match(n)
    ]
    found += [
        (
            f"env.{n}",
            "looks like a secret, and configurations are stored; "
            "put it in a Secret and name that under `secrets`",
        )
        for n, value in config.env.items()
        if _SECRET_ENV.search(n) or _SECRET_VALUE.search(value)
    ]
    found += [
        (f"env.{n}", "is given under `secrets` too; drop one") for n in config.env if n in secret
    ]
    found += [
        (f"secrets.{i}.env", f"{n} is given twice") for i, n in enumerate(secret) if n in secret[:i]
    ]
    return found


def _impossible_volumes(config: KubernetesTrainer) -> list[tuple[str, str]]:
    found = []
    for field in ("name", "mount"):
        values = [getattr(v, field) for v in config.volumes]
        found += [
            (f"volumes.{i}.{field}", f"{v!r} is given twice")
            for i, v in enumerate(values)
            if v in values[:i]
        ]
    for i, volume in enumerate(config.volumes):
        if volume.name in {"cache", "tmp", "shm"} or volume.mount.rstrip("/") in {
            "",
            "/cache",
            "/tmp",  # noqa: S108
            "/dev/shm",  # noqa: S108
        }:
            found.append(
                (
                    f"volumes.{i}",
                    f"{volume.name} at {volume.mount} is Concord's own; "
                    "choose another name and place",
                )
            )
    return found + _impossible_exchange(config)


def _impossible_exchange(config: KubernetesTrainer) -> list[tuple[str, str]]:
    where = "exchange.uri" if config.exchange.pod_uri is None else "exchange.pod_uri"
    inside = config.exchange.inside.removeprefix("file://")
    if is_url(inside):
        return (
            []
            if inside.startswith("s3://")
            else [(where, f"got {inside!r}, wanted a folder or s3://bucket/prefix")]
        )
    if not inside.startswith("/"):
        hint = "" if config.exchange.pod_uri else "; give pod_uri, the place where pods mount it"
        return [(where, f"got {inside!r}, wanted an absolute path in the pod{hint}")]
    below = [
        v
        for v in config.volumes
        if (inside.rstrip("/") + "/").startswith(v.mount.rstrip("/") + "/")
    ]
    if not below:
        return [
            (
                where,
                f"no volume is mounted at or above {inside}; "
                "name the claim that holds it under `volumes`",
            )
        ]
    volume = max(below, key=lambda v: len(v.mount))
    if volume.empty_dir is not None or volume.read_only:
        what = "lasts only as long as its pod" if volume.empty_dir is not None else "is read-only"
        return [
            (
                where,
                f"volume {volume.name!r} {what}; results would be lost: "
                "mount one that pods can write and that stays",
            )
        ]
    return []
