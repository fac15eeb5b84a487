"""A tiny pod of ``concord doctor --cluster CONFIG``: its image answers through the exchange.

It is a Job like any other, with the trainer's image, volumes, secrets and tolerations but little
CPU and memory and no GPU, so that what stops it would stop training too. It ends within
``SECONDS``, and everything of it is removed.
"""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.config.trainer import KubernetesTrainer
from components.core.finding import Finding
from components.exchange.errors import ExchangeError
from components.exchange.exchange import JOBS, Exchange
from components.pods.code import code_digest
from components.pods.probe import ANSWER, QUESTION
from infra.cluster import Cluster
from infra.failures import ImagePullFailed, JobFailed
from infra.manifests import Work, job
from infra.transport import ApiError

SECONDS = 120
_PENDING_S = 60
_OPEN = 0o1777
_POD, _IMAGE, _STORAGE = "a pod of the trainer block", "image", "storage round trip"
_NOT_SEEN = "not checked: no pod answered"


def probe(cluster: Cluster, config: KubernetesTrainer) -> list[Finding]:
    """Findings about a pod, its image and the exchange."""
    name = f"concord-doctor-{secrets.token_hex(5)}"
    exchange, question = Exchange(config.exchange.uri, waits=(1.0, 2.0)), secrets.token_hex(16)
    try:
        exchange.check()
        exchange.write_json(f"{JOBS}/{name}/{QUESTION}", {"question": question})
        _let_pods_write(config, name)
    except (ExchangeError, OSError) as error:
        remedy = "check trainer.exchange.uri, and for s3:// the AWS_* variables of this shell"
        return [Finding(what=_STORAGE, ok=False, found=f"from here: {error}", remedy=remedy)]
    try:
        told, failure = _run(cluster, config, name)
        return [
            _pod(failure),
            _image(config, told, failure),
            _storage(config, exchange, name, question, told, failure),
        ]
    finally:
        exchange.remove_job(name)


def _run(
    cluster: Cluster, config: KubernetesTrainer, name: str
) -> tuple[dict[str, Any], JobFailed | None]:
    """What the pod reported about itself, and its failure if there was one."""
    small = config.model_copy(update={
        "nodes": 1, "min_nodes": None, "gpus": 0, "gpu_product": None, "device": "cpu",
        "queue": None, "cpu": min(config.cpu, 0.1), "memory": "512Mi", "retries": 0,
        "grace_period_s": 1,
        "time_budget_s": SECONDS, "pending_timeout_s": _PENDING_S,
    })  # fmt: skip
    at = f"{config.exchange.inside.rstrip('/')}/{JOBS}/{name}"
    manifest = job(
        Work(name=name, task="doctor", run="doctor", config=at, out=at, code=code_digest()), small
    )
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = [
        "python",
        "-m",
        "components.pods.probe",
        "--at",
        at,
    ]
    jobs = f"/apis/batch/v1/namespaces/{config.namespace}/jobs"
    lines: list[str] = []
    try:
        uid = str(cluster.transport.call("POST", jobs, body=manifest)["metadata"]["uid"])
        cluster.watch(name, uid, take=lines.append)
        return _about(lines), None
    except ApiError as error:
        where = f"Job {name} in namespace {config.namespace}"
        return {}, JobFailed(
            f"the cluster answered {error.status}: {error.message}",
            where=where,
            remedy="correct what it names",
        )
    except JobFailed as error:
        return _about(lines), error
    finally:
        _quietly(lambda: cluster.cancel(name, wait=False))


def _pod(failure: JobFailed | None) -> Finding:
    if failure is None:
        return Finding(what=_POD, ok=True, found="started, ran and ended")
    return Finding(
        what=_POD, ok=False, found=f"{failure.what} ({failure.where})", remedy=failure.remedy
    )


def _image(config: KubernetesTrainer, told: dict[str, Any], failure: JobFailed | None) -> Finding:
    what = f"{_IMAGE} {config.image}"
    if not told:
        seen = failure.what if isinstance(failure, ImagePullFailed) else _NOT_SEEN
        remedy = "`make images`, push it where the nodes can pull it, and name it in trainer.image"
        if failure is not None and "No module named" in "\n".join((failure.what, *failure.log)):
            seen = "its code is older than this check, or it is not an image of Concord"
        return Finding(what=what, ok=False, found=seen, remedy=remedy)
    same = told["code"] == code_digest()
    here = "as here" if same else f"here: {code_digest()[:12]}"
    found = f"code {told['code'][:12]} ({here}), Python {told['python']}"
    found += "" if same or not config.any_code else ", which any_code allows"
    remedy = (
        "build the image from this code (`make images`), or accept it with trainer.any_code: true"
    )
    return Finding(what=what, ok=same or config.any_code, found=found, remedy=remedy)


def _storage(
    config: KubernetesTrainer,
    exchange: Exchange,
    name: str,
    question: str,
    told: dict[str, Any],
    failure: JobFailed | None,
) -> Finding:
    try:
        answer = exchange.read_json(f"{JOBS}/{name}/{ANSWER}").get("answer")
    except (FileNotFoundError, ExchangeError):
        answer = None
    if answer == question:
        found = (
            f"written here, read and answered in the pod as user {told.get('user', config.user)}"
        )
        return Finding(what=_STORAGE, ok=True, found=found)
    pod = (
        f"last line of the pod: {failure.log[-1]}"
        if failure is not None and told and failure.log
        else _NOT_SEEN
    )
    remedy = (
        "exchange.uri here and exchange.pod_uri in the pod must be one place that both may write; "
        "check volumes and secrets"
    )
    return Finding(what=_STORAGE, ok=False, found=pod, remedy=remedy)


def _about(lines: list[str]) -> dict[str, Any]:
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and "code" in told:
            return told
    return {}


def _let_pods_write(config: KubernetesTrainer, name: str) -> None:
    folder = Path(config.exchange.uri.removeprefix("file://")) / JOBS / name
    if folder.is_dir():
        folder.chmod(_OPEN)


def _quietly(action: Callable[[], None]) -> None:
    """Clean up; a failure here adds nothing to the findings."""
    try:
        action()
    except JobFailed:
        return
