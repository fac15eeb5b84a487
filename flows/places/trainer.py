"""Where training runs: here, in this process, or as a Job of a Kubernetes cluster."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.config.trainer import KubernetesTrainer, LocalTrainer
from components.core.progress import Cleanup, Progress, Say
from components.exchange.exchange import Exchange
from components.pods import handover
from components.training.run import run as run_here
from components.training.spec import TrainSpec


def train(
    spec: TrainSpec,
    *,
    out: Path,
    checkpoints: Path,
    progress: Progress,
    trainer: LocalTrainer | KubernetesTrainer,
    run: str,
    say: Say,
) -> Cleanup:
    """Do one training task where the configuration says.

    A killed task resumes: here from its checkpoints; on a cluster its Job keeps running after the
    run has ended, and the same task finds it again.

    Args:
        spec: the task and its inputs.
        out: an empty folder for the result.
        checkpoints: folder of the checkpoints of all tasks that run in this process.
        progress: called after every step.
        trainer: where.
        run: id of the run.
        say: receives messages for the user, and the pods' own lines.

    Returns:
        What to call once the result is stored.

    Raises:
        UserError: no result; the message gives the reason.
    """
    if isinstance(trainer, LocalTrainer):
        own = checkpoints / spec.digest()
        run_here(spec, out=out, checkpoints=own, progress=progress)
        return partial(shutil.rmtree, own, ignore_errors=True)
    from flows.places import jobs

    training = _Training(spec=spec, config=trainer, progress=progress, say=say)
    done = jobs.run(training, config=trainer, run_id=run, state=checkpoints, say=say)
    done.exchange.fetch_attempt(done.job, done.result, out, handover.code(spec))
    return done.clean


@dataclass(frozen=True, kw_only=True)
class _Training:
    """A training task as the assignment of a Job; its result is the token of a complete attempt."""

    spec: TrainSpec
    config: KubernetesTrainer
    progress: Progress
    say: Say
    parts: None = None

    @property
    def task(self) -> str:
        return self.spec.task

    def digest(self) -> str:
        return handover.work_digest(self.spec)

    def prepare(self, exchange: Exchange, job: str) -> str:
        return handover.prepare(self.spec, exchange, job, self.config.exchange.pod_uri).seal()

    def result(self, exchange: Exchange, job: str, succeeded: Mapping[str, int]) -> str:
        return handover.complete(exchange, job, sorted(succeeded, key=lambda t: succeeded[t]))

    def take(self, line: str) -> None:
        """Progress moves the bar; figures and all other lines are shown."""
        from flows.places.jobs import figures

        found = figures(line)
        try:
            if "what" in found:
                self.progress(str(found["what"]), int(found["step"]), int(found["total"]))
            else:
                step = found.pop("step")
                shown = (f"{name} {value:.4g}" for name, value in found.items())
                self.say(f"step {step}: {', '.join(shown)}")
        except (ValueError, KeyError, TypeError):
            self.say(line)
