"""What ``concord plan`` prints for people: the laws, a table for each size, and why each engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.plan.shown import bytes_said, count_said, time_said
from flows.commands.answer import table

if TYPE_CHECKING:  # these import torch
    from components.plan.engines import Choice
    from components.plan.estimate import Estimate, Planner, StageEstimate
    from components.plan.sample import Survey

LAWS = (
    "time and bytes of a stage: a line through two samples, by records; its fixed part includes "
    "what a process pays once (imports)",
    "training: epochs x steps x (fixed part + slope x rows of a batch), "
    "measured at two batch sizes",
    "shares of labels and splits, bytes of a record, epochs and the share of records that each "
    "model learns from are those of the larger sample; the student rehearses where labels suffice, "
    "with encoders that the run trains only if the larger sample had so many labels",
)
_HEADER = (
    "stage",
    "read",
    "written",
    "epochs",
    "steps",
    "checkpoints",
    "one process",
    "exchange",
    "engine",
)


def assumptions(planner: "Planner", surveyed: "Survey") -> dict[str, Any]:
    """Assumptions for every size, taken from the data set and its larger sample."""
    profile = planner.profile
    return {
        "surveyed": surveyed.seen,
        "train_share": float((surveyed.splits == "train").mean()),
        "labelled_train_share": float(surveyed.learnable.mean()),
        "record_bytes": profile.record_bytes,
        "media_bytes": profile.media_bytes,
        "learned_share": {
            stage.name: max(fit.share for fit in stage.fits)
            for stage in profile.stages
            if stage.fits
        },
    }


def head(
    planner: "Planner", surveyed: "Survey", read_from: Path | None, choices: Sequence[str]
) -> str:
    """The part that holds for every size."""
    profile, given = planner.profile, assumptions(planner, surveyed)
    m, (small, large) = profile.machine, profile.samples
    source = f"rates of {read_from}"
    if read_from is None:
        source = f"rates measured now in {profile.seconds:.0f} s"
    learned = ", ".join(f"{name} {share:.1%}" for name, share in given["learned_share"].items())
    lines = [
        f"{planner.config.name}: {source} on samples of {small:,} and {large:,} records; "
        f"{m.processor}, {m.cores} cores, {bytes_said(m.memory_bytes)} of memory, "
        f"{m.gpu or 'no GPU'}; trainer: {planner.config.trainer.where}",
        f"data set: {surveyed.records:,} records, {given['labelled_train_share']:.1%} labelled for "
        f"training; {given['record_bytes']:.0f} B of columns and {given['media_bytes']:.0f} B of "
        f"media by path each; records learned from: {learned}",
        *choices,
        "laws:",
        *(f"  - {law}" for law in LAWS),
        *_cautions(planner, surveyed),
    ]
    return "\n".join(lines)


def _cautions(planner: "Planner", surveyed: "Survey") -> list[str]:
    profile, found = planner.profile, []
    if lost := [stage.name for stage in profile.stages if stage.seconds.slope == 0]:
        found.append(
            f"slope lost in the noise of the samples: {', '.join(lost)}; the time to write and "
            "hash the output stands in for it, a lower limit"
        )
    if profile.load >= profile.machine.cores:
        found.append(
            f"the machine was busy while rates were measured (load {profile.load:.1f} on "
            f"{profile.machine.cores} cores): times are too long for an idle one, by a factor "
            "that only measuring again shows"
        )
    if surveyed.seen < surveyed.records:
        found.append(f"shares are those of the first {surveyed.seen:,} records")
    return found


def size(e: "Estimate", choices: "Sequence[Choice]") -> str:
    """One size: a table, totals, and why each engine."""
    by_stage = {c.what: c for c in choices}
    rows = [_row(stage, by_stage[stage.name].engine) for stage in e.stages]
    reach = "inside the measured range"
    if e.beyond > 1:
        reach = f"{e.beyond:,.3g} times the larger sample"
    gpu = "" if e.gpu_hours is None else f"{e.gpu_hours:,.3g} GPU hours, "
    total = (
        f"total {time_said(e.seconds)}, {gpu}{e.cpu_hours:,.3g} CPU hours; "
        f"vectors {bytes_said(e.vector_bytes)}; "
        f"checkpoints: {sum(stage.checkpoints for stage in e.stages):,}, "
        f"{bytes_said(sum(stage.checkpoint_bytes for stage in e.stages))} in all"
    )
    why = [
        f"  {', '.join(names)}: {engine}: {reason}"
        for (engine, reason), names in _together(choices).items()
    ]
    heading = f"{e.records:,} records ({reach})"
    return "\n".join([heading, table(rows, list(_HEADER)), total, "why:", *why])


def _row(stage: "StageEstimate", engine: str) -> list[str]:
    return [
        stage.name,
        bytes_said(stage.read_bytes),
        bytes_said(stage.written_bytes),
        str(stage.epochs or ""),
        count_said(stage.steps) if stage.steps else "",
        bytes_said(stage.checkpoint_bytes) if stage.checkpoints else "",
        time_said(stage.seconds),
        bytes_said(stage.exchange_bytes) if stage.exchange_bytes else "",
        engine,
    ]


def _together(choices: "Sequence[Choice]") -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for choice in choices:
        found.setdefault((choice.engine, choice.why), []).append(choice.what)
    return found
