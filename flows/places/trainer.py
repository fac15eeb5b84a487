"""Where training runs: here, in this process, or as a Job of a Kubernetes cluster."""

from collections.abc import Callable
from pathlib import Path

from components.config.trainer import KubernetesTrainer, LocalTrainer
from components.core.progress import Progress
from components.pods.entry import run as run_here
from components.training.spec import TrainSpec

Say = Callable[[str], None]
Clean = Callable[[], None]


def train(
    spec: TrainSpec,
    *,
    out: Path,
    checkpoints: Path,
    progress: Progress,
    trainer: LocalTrainer | KubernetesTrainer,
    run: str,
    say: Say,
) -> Clean | None:
    """Do one training task where the configuration says.

    A killed task goes on where it was: here its checkpoints carry the spec's digest, on a cluster its Job does not end with
    the run, and the same task finds it again.

    Args:
        spec: the task and its inputs.
        out: an empty folder for the result.
        checkpoints: of trainings in this process.
        progress: told after every step.
        trainer: where.
        run: id of the run.
        say: told what a person should know, and the pods' own lines.

    Returns:
        What to do once the result is stored.

    Raises:
        UserError: no result; the message says why.
    """
    if isinstance(trainer, LocalTrainer):
        run_here(spec, out=out, checkpoints=checkpoints, progress=progress)
        return None
    return _in_cluster(
        spec, out=out, state=checkpoints, progress=progress, config=trainer, run=run, say=say
    )


def _in_cluster(
    spec: TrainSpec,
    *,
    out: Path,
    state: Path,
    progress: Progress,
    config: KubernetesTrainer,
    run: str,
    say: Say,
) -> Clean:
    from components.exchange.exchange import JOBS, Exchange
    from components.pods import handover as remote
    from components.pods.code import code_digest
    from flows.places.jobs import Claim, followed, seen
    from infra.cluster import Cluster
    from infra.manifests import Work, job_name

    exchange = Exchange(config.exchange.uri)
    exchange.check()
    code = code_digest()
    name = job_name(spec.task, remote.work_digest(spec), code)
    cluster = Cluster(config, say=say)
    claim = Claim(exchange, name, state)
    claim.make()
    tokens: list[str] = []
    uid: str | None = None
    if cluster.exists(name) or not exchange.attempts(name):
        remote.prepare(spec, exchange, name, config.exchange.pod_uri)
        inside = f"{config.exchange.inside.rstrip('/')}/{JOBS}/{name}"
        work = Work(
            name=name,
            task=spec.task,
            run=run,
            config=f"{inside}/{remote.SPEC}",
            out=inside,
            code=code,
        )
        outcome = followed(
            cluster,
            work,
            claim=claim,
            where=f"in namespace {config.namespace}",
            usable=lambda: bool(exchange.attempts(name)),
            take=_lines(progress, say),
            say=say,
        )
        uid = outcome.uid
        tokens = sorted(outcome.attempts, key=lambda token: outcome.attempts[token])
    else:
        say(f"Job {name} is gone and its result is here")
    complete = seen(lambda: [a.token for a in exchange.attempts(name)], bool)
    token = next((t for t in tokens if t in complete), None)
    remote.collect(exchange, name, token, out)

    def clean() -> None:
        if claim.release():
            cluster.cancel(name, uid, wait=False)
            exchange.remove_job(name)

    return clean


def _lines(progress: Progress, say: Say) -> Say:
    """Takes the lines of a pod: its progress moves the bar, all else is shown."""
    from flows.places.jobs import figures

    def take(line: str) -> None:
        told = figures(line)
        try:
            if "what" in told:
                progress(str(told["what"]), int(told["step"]), int(told["total"]))
            else:
                say(
                    f"step {told.pop('step')}: "
                    + ", ".join(f"{name} {value:.4g}" for name, value in told.items())
                )
        except (ValueError, KeyError, TypeError):
            say(line)

    return take
