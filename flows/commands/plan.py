"""``concord plan``: what a run would cost at other sizes, and which engine suits each stage."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.config import run as configuration
from components.config.home import Home, find, writable
from components.config.run import RunConfig
from components.core.commands import concord
from components.core.errors import UsageError
from components.core.progress import Progress
from components.core.refs import Ref
from components.data.manifest import Manifest, load_manifest
from components.features.suited import with_suited
from flows import engines
from flows.check import check
from flows.commands.answer import Answer
from flows.commands.plan_text import LAWS, assumptions, head, size
from flows.display import Display
from flows.steps import table
from flows.steps.step import DATA, Call, Job, Step, key

if TYPE_CHECKING:  # these import torch
    from components.plan.rates import Profile
    from components.plan.sample import Survey
    from components.plan.walk import Stage, Table

POWERS = tuple(10**power for power in range(4, 10))


def plan(
    path: Path,
    *,
    records: Sequence[int],
    profile: Path | None,
    save_profile: Path | None,
    data: str | None = None,
) -> Answer:
    """Measure or read rates, and extrapolate them to every size.

    Args:
        path: the run's configuration.
        records: the sizes; by default the data set's own and powers of ten.
        profile: a file of rates to use instead of measuring.
        save_profile: a file for the measured rates.
        data: another place of the data set than the configuration's.

    Raises:
        UsageError: both files are given, or the profile belongs to another run.
        UserError: the data set is too small to measure rates on, or a run could not start.
    """
    if profile is not None and save_profile is not None:
        raise UsageError(
            "--profile and --save-profile together: one reads rates, the other measures them; "
            "give one"
        )
    engines.quiet()
    config = configuration.load(path, data)
    base = path.resolve().parent
    manifest = load_manifest(config.data.uri, config.data.manifest, base)
    check(config, path, manifest)
    config, choices = with_suited(config, manifest, base)
    from components.plan.engines import choose
    from components.plan.estimate import Planner
    from components.plan.sample import survey

    surveyed = survey(config.data, manifest)
    planner = Planner(config=config, profile=_rates(config, base, surveyed, profile, save_profile))
    sizes = sorted(set(records)) or sorted({surveyed.records, *POWERS})
    plans = [(estimate := planner.estimate(n), choose(planner, estimate)) for n in sizes]
    value = {
        "config": config.name,
        "records": surveyed.records,
        "trainer": config.trainer.where,
        "profile": planner.profile.model_dump(mode="json"),
        "profile_from": str(profile) if profile else "measured now",
        "choices": list(choices),
        "assumptions": assumptions(planner, surveyed),
        "laws": list(LAWS),
        "plans": [{**asdict(e), "engines": [asdict(c) for c in engine]} for e, engine in plans],
    }
    opening = head(planner, surveyed, profile, choices)
    text = "\n\n".join([opening, *(size(e, engine) for e, engine in plans)])
    if save_profile is None:
        return Answer(value=value, text=text, then=concord("run", path))
    then = concord("plan", path, profile=save_profile)
    return Answer(value=value, text=f"{text}\n\nrates are kept in {save_profile}", then=then)


def stages(base: Path) -> "Table":
    """The steps of a configuration as they run without Prefect and without the step store."""

    def found(config: RunConfig) -> "list[Stage]":
        manifest = load_manifest(config.data.uri, config.data.manifest, base)
        steps = table.steps_for(config, manifest, base)
        return [_stage(step, config, manifest, base) for step in steps]

    return found


def _stage(step: Step, config: RunConfig, manifest: Manifest, base: Path) -> "Stage":
    from components.plan.walk import Stage

    def work(outputs: Mapping[str, Ref], home: Home, out: Path, progress: Progress) -> None:
        job = Job(
            config=config,
            base=base,
            home=home,
            manifest=manifest,
            data=outputs[DATA],
            progress=progress,
        )
        step.work(Call(step=step, job=job, inputs=step.given(outputs), key="", out=out))

    return Stage(
        name=step.name,
        inputs=tuple(step.inputs.values()),
        training=step.task is not None,
        divided=step.divided,
        work=work,
    )


def _rates(
    config: RunConfig, base: Path, surveyed: "Survey", profile: Path | None, save: Path | None
) -> "Profile":
    """The rates of a file, or measured ones, which may be saved."""
    from components.plan import rates
    from components.plan.measure import measure

    home = writable(find())
    if profile is not None:
        return rates.load(profile, profile_key(config, base=base, home=home))
    with Display() as display:
        measured = measure(
            config, surveyed, table=stages(base), scratch=home.root, progress=display.show
        )
    if save is not None:
        rates.save(save, profile_key(config, base=base, home=home), measured)
    return measured


def profile_key(config: RunConfig, *, base: Path, home: Home) -> dict[str, Any]:
    """Everything that shapes the rates of a run, except the machine and its libraries.

    That is the content of its data set and the parts of every step's key.
    """
    job = Job.opened(config, base=base, home=home)
    steps = {}
    for step in table.steps_for(job.config, job.manifest, base):
        unread = {name: Ref(uri="", digest="") for name in step.inputs}
        own = key(step, unread, base)
        steps[step.name] = {
            "version": own.version,
            "config": dict(own.config),
            "sources": dict(own.sources),
        }
    return {"data": job.data.digest, "steps": steps}
