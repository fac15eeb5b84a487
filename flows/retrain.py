"""The main flow: the loop a record goes through, from new data to a served model.

Left of ``register`` are steps: cached by key, skipped when nothing they depend on changed. From ``register`` on are effects:
they run every time and bring registry, ledger and endpoint to what the evidence says.
"""

from collections.abc import Callable
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run

from components.core.errors import UserError
from components.core.refs import Ref
from flows import effects, engines
from flows.runs.session import Session
from flows.steps import steps


def _is_worth_a_retry(_task: object, _run: object, state: object) -> bool:
    """A user's mistake stays a mistake; anything else may be the machine's."""
    failure = getattr(state, "data", None)
    return not isinstance(failure, UserError)


def _step(name: str) -> Callable[..., Ref]:
    step = next(s for s in steps.STEPS if s.name == name)

    @task(name=name, cache_policy=NO_CACHE, retries=0, persist_result=False)
    def run(session: Session, **inputs: Ref) -> Ref:
        return session.execute(step, inputs, log=get_run_logger().info)

    return run


def _effect(function: Callable[..., object]) -> Callable[..., object]:
    return task(
        name=function.__name__,
        cache_policy=NO_CACHE,
        retries=2,
        retry_delay_seconds=2,
        retry_condition_fn=_is_worth_a_retry,
        persist_result=False,
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
        data: another place of the data set than the configuration's.
        home: the state folder, else ``CONCORD_HOME``.

    Returns:
        The run's id.
    """
    engines.quiet()
    with Session.opened(Path(config), data=data, home=home, flow_run=flow_run.get_id()) as session:
        records = session.data
        accepted = validate(session, data=records)
        features = encode(session, validate=accepted, data=records)
        teacher = teach(session, encode=features)
        labels = pseudo_label(session, encode=features, teach=teacher)
        student = train(session, encode=features, teach=teacher, pseudo_label=labels)
        others = baselines(session, encode=features, pseudo_label=labels, train=student)
        results = evaluate(
            session,
            validate=accepted,
            encode=features,
            teach=teacher,
            pseudo_label=labels,
            train=student,
            baselines=others,
        )
        packed = package(session, encode=features, train=student, evaluate=results)

        version = register(session, packed, results)
        decision = gate(session, version, results)
        promote(session, version, decision)
        serve(session, version, packed)
        return session.record.run_id


def flush_logs() -> None:
    """Send what is still queued to Prefect's server, before it is stopped."""
    APILogHandler().flush()
