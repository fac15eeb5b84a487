"""A sweep in MLflow: one run, and a run below it for each trial."""

from components.registry.mlflow_client import Store
from components.registry.mlflow_runs import PARENT, open_run, record_run
from flows.runs.records import new_id
from flows.steps.step import Job
from flows.sweep.found import Sweep, Trial


class Record:
    """Writes while the sweep runs, so that what is found stays if it is killed."""

    def __init__(self, job: Job) -> None:
        """Begin the run of the sweep.

        Raises:
            UserError: the store cannot be written.
        """
        self._job, self._store = job, Store(job.home)
        self._id = f"sweep-{new_id()}"
        tags = {"data_digest": job.data.digest}
        self._parent = open_run(self._store, job.config.name, self._id, tags=tags)

    def trial(self, trial: Trial) -> None:
        """Write a trial that is finished."""
        self._write(
            f"{self._id}-{trial.number}",
            params=dict(trial.chosen),
            metrics=_figures(trial),
            tags={PARENT: self._parent},
        )

    def finish(self, found: Sweep) -> None:
        """Write what was found, and end the run of the sweep."""
        metrics: dict[str, object] = {"trials": len(found.trials), "failed": len(found.failed)}
        params: dict[str, object] = {"config": self._job.config.model_dump(mode="json")}
        if found.trials:
            metrics |= {"best": _figures(found.best), "gain_of_choosing": found.choosing}
            metrics |= {"chance": found.chance, "better": int(found.better)}
            params["best"] = found.best.changes
        self._write(self._id, params=params, metrics=metrics, tags={})

    def _write(
        self,
        run_id: str,
        *,
        params: dict[str, object],
        metrics: dict[str, object],
        tags: dict[str, str],
    ) -> None:
        record_run(
            self._store,
            self._job.config.name,
            run_id,
            params=params,
            metrics=metrics,
            tags=tags,
            artifacts={},
        )


def _figures(trial: Trial) -> dict[str, object]:
    return {
        "held_out": {"loss": trial.held_out.loss, **trial.held_out.figures},
        "gain": vars(trial.gain),
        "seconds": trial.seconds,
    }
