"""The main flow: the loop a record goes through, from new data to a served model.

Before ``register`` come steps: cached by key, and skipped when nothing that they depend on has
changed. The step table, ``flows/steps/table.py``, lists what each of them reads. From ``register``
on come effects: they run every time and make registry, ledger and endpoint follow the evidence.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run, task_run

from components.core.errors import UserError
from components.core.refs import Ref
from components.core.transient import is_transient
from flows import effects, engines
from flows.runs.session import Session
from flows.steps.step import Step

TRIES = 3
"""How often a step or an effect is tried where the machine, not the user, is at fault."""
_DELAYS = [2.0, 20.0]
"""Seconds before the second and the third try."""
_TASK: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": TRIES - 1,
    "retry_delay_seconds": _DELAYS,
}


def _may_pass(_task: object, _run: object, state: object) -> bool:
    """Whether a step's failure is the machine's: hours of work are not repeated for a mistake."""
    return is_transient(getattr(state, "data", None))


def _may_pass_or_is_cheap(_task: object, _run: object, state: object) -> bool:
    """Whether an effect is tried again: effects are idempotent and take seconds."""
    failure = getattr(state, "data", None)
    return is_transient(failure) or not isinstance(failure, UserError)


def _step(box: str) -> Callable[[Session], Ref]:
    """Run the rows of the step table up to the last one of a box, each as a task of its own."""

    def run(session: Session) -> Ref:
        for row in session.upto(box):
            _task(row)(session, **session.inputs(row))
        return session.output(box)

    return run


def _task(row: Step) -> Callable[..., Ref]:
    @task(
        name=row.name,
        retry_condition_fn=_may_pass,
        **_TASK,
    )
    def run(session: Session, **inputs: Ref) -> Ref:
        attempt = (task_run.get_run_count() or 1, TRIES)
        return session.execute(row, inputs, log=get_run_logger().info, attempt=attempt)

    return run


def _effect(function: Callable[..., object]) -> Callable[..., object]:
    return task(
        name=function.__name__,
        retry_condition_fn=_may_pass_or_is_cheap,
        **_TASK,
    )(function)


validate = _step("validate")
encode = _step("encode")
teach = _step("teach")
pseudo_label = _step("pseudo_label")
train = _step("train")
baselines = _step("baselines")
evaluate = _step("evaluate")
package = _step("package")
register = _effect(effects.register)
gate = _effect(effects.gate)
promote = _effect(effects.promote)
serve = _effect(effects.serve)


@flow(name="retrain", validate_parameters=False, persist_result=False)
def retrain(config: str, data: str | None = None, home: str | None = None) -> str:
    """Bring the model of one configuration up to date.

    Args:
        config: path of the run's YAML.
        data: path of the data set, if not the configuration's.
        home: the state folder, else ``CONCORD_HOME``.

    Returns:
        The run's id.
    """
    engines.quiet()
    with Session.opened(Path(config), data=data, home=home, flow_run=flow_run.get_id()) as session:
        effects.ready(session)
        validate(session)
        encode(session)
        teach(session)
        pseudo_label(session)
        train(session)
        baselines(session)
        results = evaluate(session)
        packed = package(session)

        version = register(session, packed, results)
        decision = gate(session, version, results)
        promote(session, version, decision)
        serve(session, version, packed)
        return session.record.run_id


def flush_logs() -> None:
    """Send the log lines that are still queued to Prefect's server, before it is stopped."""
    APILogHandler().flush()
