"""Shared by the benchmarks on real sets: the steps of one configuration, for one draw of labels."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.config import run as configuration
from components.config.run import RunConfig

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"


@dataclass(frozen=True, kw_only=True)
class Walked:
    """What a walk over the steps gave.

    Attributes:
        outputs: step name to its folder.
        seconds: step name to how long it took; steps whose output existed are left out.
    """

    outputs: Mapping[str, Path]
    seconds: Mapping[str, float]


def configured(name: str, data: Path, draw: str) -> RunConfig:
    """The configuration of a set in ``conf/``, for a draw.

    Args:
        name: of the file, without its suffix.
        data: the set.
        draw: of its visible labels, as ``25_seed0``; ``all`` makes every label visible.
    """
    return drawn(configuration.load(CONF / f"{name}.yaml", str(data)), draw)


def drawn(config: RunConfig, draw: str) -> RunConfig:
    """The same configuration with the labels of another draw."""
    labels = config.data.labels
    assert labels is not None, f"{config.name}: the configuration names no labels"
    shown = None if draw == "all" else labels.model_copy(update={"column": f"labelled_{draw}"})
    return config.model_copy(update={"data": config.data.model_copy(update={"labels": shown})})


def walked(config: RunConfig, last: str, title: str) -> Walked:
    """Run the steps up to one of them, or find their outputs; progress goes to standard error."""
    from components.config.home import find, writable
    from flows.steps.step import Job, needed, walk
    from flows.steps.table import steps_for

    job = Job.opened(config, base=CONF, home=writable(find()))
    outputs, seconds = {}, {}
    for result in walk(needed(steps_for(job.config, job.manifest, job.base), last), job):
        outputs[result.name] = result.ref.path
        if result.status != "skipped":
            seconds[result.name] = round(result.seconds, 1)
        sys.stderr.write(f"{title} {result.name}: {result.status} {result.seconds:.1f} s\n")
    return Walked(outputs=outputs, seconds=seconds)
