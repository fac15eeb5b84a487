"""What ``concord plan`` says to people: the laws, a table for each size, and why each engine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.plan.shown import bytes_said, count_said, time_said
from flows.commands.answer import table

if TYPE_CHECKING:  # these import torch
    from components.plan.engines import Choice
    from components.plan.estimate import Estimate, Planner, StageEstimate

LAWS = (
    "time and bytes of a stage: fixed part + slope x records; the slope is the difference between two samples, the fixed part "
    "includes what a process pays once (imports)",
    "training: epochs x steps x (fixed part + slope x rows of a batch), the loop's own step at two batch sizes; where the "
    "features exceed memory, each row also costs random reads",
    "steps, checkpoints, features and vectors follow exactly from their number of records",
    "search figures of the report: a measured inner product x pairs of test records, at most `evaluation.retrieval_queries`",
    "shares of labels, splits and modalities, and bytes of a record, stay those of this data set; all records are accepted and "
    "new to the feature cache",
)


def assumptions(planner: "Planner") -> dict[str, Any]:
    """What is taken from the data set, and what only a run would show."""
    from components.plan.work import ACCEPTED

    s = planner.surveyed
    return {
        "surveyed": s.seen,
        "train_share": s.split("train"),
        "labelled_train_share": s.learnable(s.names, labelled=True),
        "missing": {
            name: 1 - float(share)
            for name, share in zip(s.names, s.present.mean(axis=0), strict=True)
        },
        "record_bytes": planner.profile.record_bytes,
        "media_bytes": planner.profile.media_bytes,
        "pseudo_labelled": ACCEPTED,
    }


def head(planner: "Planner", measured: str) -> str:
    """What holds for every size."""
    given, m = assumptions(planner), planner.profile.machine
    missing = ", ".join(f"{name} {share:.0%}" for name, share in given["missing"].items())
    small, large = planner.profile.sample_records
    lines = [
        f"{planner.config.name}: {measured} on samples of {small:,} and {large:,} records; {m.processor}, {m.cores} cores, "
        f"{bytes_said(m.memory_bytes)} of memory, {m.gpu or 'no GPU'}; trainer: {planner.config.trainer.where}",
        f"data set: {planner.surveyed.records:,} records, {given['labelled_train_share']:.1%} labelled for training, "
        f"missing: {missing}; {given['record_bytes']:.0f} B of columns and {given['media_bytes']:.0f} B of media each",
        f"only a run shows how many of the unlabelled get a pseudo-label ({given['pseudo_labelled']:.0%} are taken to) and "
        "whether the student is kept (it is taken to be); the range beside each total has none and all, and the teacher kept",
        "laws:",
        *(f"  - {law}" for law in LAWS),
    ]
    if lost := [name for name, stage in planner.profile.stages.items() if stage.seconds.slope == 0]:
        lines.append(
            f"slope lost in the noise of the samples: {', '.join(lost)}; writing and hashing the output stands in for it, "
            "a lower limit"
        )
    if planner.profile.load >= m.cores:
        lines.append(
            f"the machine was busy while rates were measured (load {planner.profile.load:.1f} on {m.cores} cores): times are "
            "too long for an idle one, by a factor that only measuring again shows"
        )
    if planner.surveyed.seen < planner.surveyed.records:
        lines.append(f"shares are those of the first {planner.surveyed.seen:,} records")
    return "\n".join(lines)


def size(e: "Estimate", choices: "Sequence[Choice]") -> str:
    """One size: a table, totals, and why each engine."""
    by_stage = {c.what: c for c in choices}
    rows = [_row(stage, by_stage[stage.name].engine) for stage in e.stages]
    at = next(i for i, stage in enumerate(e.stages) if stage.name == "encode") + 1
    rows[at:at] = [
        [f"  of it {name}", "", "", "", "", "", time_said(s), "", "", ""]
        for name, s in e.encoder_seconds.items()
    ]
    header = [
        "stage",
        "records",
        "read",
        "written",
        "epochs",
        "steps",
        "one process",
        "memory",
        "exchange",
        "engine",
    ]
    low, high = e.seconds_range
    reach = (
        f"{e.beyond:,.3g} times the larger sample" if e.beyond > 1 else "inside the measured range"
    )
    gpu = "" if e.gpu_hours is None else f"{e.gpu_hours:,.3g} GPU hours, "
    kept = e.checkpoints
    total = (
        f"total {time_said(e.seconds)} ({time_said(low)} to {time_said(high)}), {gpu}{e.cpu_hours:,.3g} CPU hours; "
        f"features {bytes_said(e.feature_bytes)}, vectors {bytes_said(e.vector_bytes)}; checkpoints: {kept.count:,}, "
        f"{bytes_said(kept.bytes)} of the whole model, {bytes_said(kept.traffic_bytes)} in all"
    )
    why = [
        f"  {', '.join(names)}: {engine}: {reason}"
        for (engine, reason), names in _together(choices).items()
    ]
    return "\n".join([f"{e.records:,} records ({reach})", table(rows, header), total, "why:", *why])


def _row(stage: "StageEstimate", engine: str) -> list[str]:
    return [
        stage.name,
        count_said(stage.records),
        bytes_said(stage.read_bytes),
        bytes_said(stage.written_bytes),
        str(stage.epochs or ""),
        count_said(stage.steps) if stage.steps else "",
        time_said(stage.seconds),
        bytes_said(stage.resident_bytes),
        bytes_said(stage.exchange_bytes) if stage.exchange_bytes else "",
        engine,
    ]


def _together(choices: "Sequence[Choice]") -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for choice in choices:
        found.setdefault((choice.engine, choice.why), []).append(choice.what)
    return found
