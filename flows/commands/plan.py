"""``concord plan``: what a run would cost at other sizes, and which engine suits each stage."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from components.config import run as configuration
from components.config.home import Home, find, writable
from components.config.run import RunConfig
from components.core.commands import concord
from components.core.errors import UsageError
from components.core.progress import Progress
from components.core.refs import Ref
from components.data.manifest import Manifest, load_manifest
from flows import engines
from flows.commands.answer import Answer
from flows.commands.plan_text import LAWS, assumptions, head, size
from flows.display import Display
from flows.steps import table
from flows.steps.step import Call, Job, named

if TYPE_CHECKING:  # these import torch
    from components.plan.calibrate import Run
    from components.plan.estimate import Planner

POWERS = tuple(10**power for power in range(4, 10))


def plan(
    path: Path,
    *,
    records: Sequence[int],
    profile: Path | None,
    save_profile: Path | None,
    data: str | None = None,
) -> Answer:
    """Measure or read rates, and carry them to every asked size."""
    if profile is not None and save_profile is not None:
        raise UsageError(
            "--profile and --save-profile together: one reads rates, the other measures them; give one"
        )
    engines.quiet()
    config = configuration.load(path, data)
    base = path.resolve().parent
    manifest = load_manifest(config.data.uri, config.data.manifest, base)
    configuration.check_parts(
        config, base, {name: m.kind for name, m in manifest.modalities.items()}
    )
    planner, measured = _planner(config, base, manifest, profile, save_profile)
    sizes = sorted(set(records)) or sorted({planner.surveyed.records, *POWERS})
    from components.plan.engines import choose

    plans = [(estimate := planner.estimate(n), choose(planner, estimate)) for n in sizes]
    value = {
        "config": config.name,
        "records": planner.surveyed.records,
        "trainer": config.trainer.where,
        "profile": planner.profile.model_dump(mode="json"),
        "profile_from": str(profile) if profile else "measured now",
        "assumptions": assumptions(planner),
        "laws": list(LAWS),
        "plans": [{**asdict(e), "engines": [asdict(c) for c in choices]} for e, choices in plans],
    }
    text = "\n\n".join([head(planner, measured), *(size(e, choices) for e, choices in plans)])
    if save_profile is not None:
        text += f"\n\nrates are kept in {save_profile}"
    then = (
        concord("run", path)
        if save_profile is None
        else concord("plan", path, profile=save_profile)
    )
    return Answer(value=value, text=text, then=then)


def stages(base: Path) -> "Run":
    """Runs one stage as a run does, without Prefect and without the step store."""

    def run(
        name: str,
        config: RunConfig,
        known: Mapping[str, Ref],
        state: Path,
        out: Path,
        progress: Progress,
    ) -> None:
        manifest = load_manifest(config.data.uri, config.data.manifest, base)
        step = named(table.steps_for(config, manifest, base), name)
        job = Job(
            config=config,
            base=base,
            home=Home(root=state),
            manifest=manifest,
            data=known["data"],
            progress=progress,
        )
        step.work(Call(step=step, job=job, inputs=step.given(known), key="", out=out))

    return run


def _planner(
    config: RunConfig, base: Path, manifest: Manifest, profile: Path | None, save: Path | None
) -> tuple["Planner", str]:
    """A planner with rates, and a sentence on where they come from."""
    from components.features.spec import build_modalities
    from components.plan import estimate
    from components.plan import profile as profiles
    from components.plan.calibrate import calibrate
    from components.plan.survey import survey

    surveyed = survey(config.data)
    built = build_modalities(manifest, config.modalities)
    specs = {name: modality.spec for name, modality in built.items()}
    if profile is not None:
        shape = profiles.shape_of(config, specs, len(surveyed.classes))
        rates, said = profiles.load(profile, shape), f"rates of {profile}"
    else:
        scratch = writable(find()).root
        with Display() as display:
            rates = calibrate(
                config, base, surveyed, run=stages(base), scratch=scratch, progress=display.show
            )
        said = f"rates measured now in {rates.seconds:.0f} s"
        if save is not None:
            profiles.save(rates, save)
    planner = estimate.Planner(
        config=config,
        base=base,
        profile=rates,
        surveyed=surveyed,
        specs=specs,
        checkpoint_bytes=estimate.checkpoint_sizes(config, specs, surveyed.classes, base),
    )
    return planner, said
