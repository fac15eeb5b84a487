"""Measures rates: the real steps on two small samples of the data set, and each part that grows by a law of its own."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.config.run import RunConfig
from components.config.trainer import LocalTrainer
from components.core.errors import UserError
from components.core.progress import Progress, silent
from components.core.refs import Ref, digest_folder
from components.data.manifest import load_manifest
from components.data.media import Media
from components.data.reader import Dataset, raws
from components.features.spec import Modality
from components.features.store import Features
from components.parts.contracts import Raw, decoded
from components.plan import machine, sample, steps
from components.plan.profile import Line, Profile, Stage, shape_of
from components.plan.survey import Survey
from components.plan.work import STAGES, TRAINING

Run = Callable[[str, RunConfig, Mapping[str, Ref], Path, Path, Progress], None]
"""Runs a stage: ``(stage, config, outputs of earlier stages, state folder, out, progress)``. Handed in: which function is
behind a stage is the flow's knowledge."""

SIZES = (250, 1000)
"""Records of the two samples."""
TURNS = 2
"""Walks on each sample, of which the quickest counts."""
_LEAST = 20


@dataclass(kw_only=True)
class Pass:
    """One walk through all stages on one sample.

    Attributes:
        seconds: stage to seconds, the digest of its output in it, its optimiser steps not.
        written: stage to bytes of its output.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)


def calibrate(
    config: RunConfig,
    base: Path,
    surveyed: Survey,
    *,
    run: Run,
    scratch: Path | None = None,
    sizes: tuple[int, int] = SIZES,
    now: steps.Now = time.perf_counter,
    progress: Progress = silent,
) -> Profile:
    """Measure this machine on a configuration's own data.

    The small sample is walked once for what a process pays once (imports, allocations), then both samples in turns.

    Args:
        config: the run.
        base: folder of its file.
        surveyed: its data set.
        run: runs one stage.
        scratch: where to work, on the disk that is to be measured; the system's temporary folder by default.
        sizes: records of the samples.
        now: tells the time; the wall clock by default.
        progress: told of every stage.

    Raises:
        UserError: the data set is too small, or a run on it could not start.
    """
    start, load = time.perf_counter(), os.getloadavg()[0]
    small, large = min(sizes[0], surveyed.seen // 2), min(sizes[1], surveyed.seen)
    if small < _LEAST:
        raise UserError(
            f"{config.data.uri}: got {surveyed.seen} records, wanted at least {2 * _LEAST} to measure rates on"
        )
    with tempfile.TemporaryDirectory(prefix="concord-plan-", dir=scratch) as aside:
        folder, order = Path(aside), (small, *(small, large) * TURNS)
        tick = _Ticks(progress, len(order) * len(STAGES) + 4)
        cut = {
            n: sample.write(config.data, surveyed, n, folder / f"data-{n}") for n in (small, large)
        }
        walks = [
            (n, _walk(run, config, cut[n], folder / str(number), tick, now))
            for number, n in enumerate(order)
        ]
        features = Features.load(folder / str(len(order) - 1) / "encode")
        encoders = _encoder_seconds(cut[large], features, now)
        tick()
        rates = {
            name: steps.measure(config, name, features, surveyed.classes, base, now)
            for name in steps.model_names(config, surveyed.names)
        }
        tick()
        search = machine.retrieval_cell(config.model.dim, now), machine.search_row(config.model.dim)
        tick()
        disk, hashing = machine.disk(folder)
        tick()
        return Profile(
            machine=machine.machine(steps.device(config)),
            versions=machine.versions(),
            shape=shape_of(config, features.specs, len(surveyed.classes)),
            sample_records=(small, large),
            seconds=time.perf_counter() - start,
            load=load,
            stages={name: _stage(name, walks) for name in STAGES},
            steps=rates,
            step_rows=steps.batch_rows(config.training.batch_size),
            encoder_seconds=encoders,
            record_bytes=cut[large].record_bytes / cut[large].records,
            media_bytes=cut[large].media_bytes / cut[large].records,
            retrieval_cell_seconds=search[0],
            search_row_seconds=search[1],
            hash_bytes_per_second=hashing,
            disk=disk,
        )


class _Ticks:
    """Tells how many parts of the measuring are done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        self._progress("measuring this machine", self._done, self._total)


def _stage(name: str, walks: Sequence[tuple[int, Pass]]) -> Stage:
    """A line through the quickest of each sample's walks, whose fixed part pays for a first call."""
    (small, first), *others = walks
    large = max(n for n, _ in walks)
    quick = {
        n: min(walk.seconds[name] for size, walk in others if size == n) for n in (small, large)
    }
    written = {n: walk.written[name] for n, walk in others}
    slope = max(0.0, (quick[large] - quick[small]) / (large - small))
    bytes_slope = max(0.0, (written[large] - written[small]) / (large - small))
    return Stage(
        seconds=Line(fixed=first.seconds[name] - slope * small, slope=slope),
        written_bytes=Line(fixed=written[small] - bytes_slope * small, slope=bytes_slope),
    )


def _walk(
    run: Run, config: RunConfig, cut: sample.Sample, folder: Path, tick: _Ticks, now: steps.Now
) -> Pass:
    """All stages with one epoch of training; what they took."""
    short = config.training.model_copy(update={"epochs": 1, "teacher_epochs": 1})
    config = config.model_copy(
        update={"data": cut.data, "training": short, "trainer": LocalTrainer()}
    )
    found, refs = Pass(), {"data": Ref(uri=cut.data.uri, digest="")}
    for name in STAGES:
        out, clock = folder / name, steps.Clock(now)
        out.mkdir(parents=True)
        start = now()
        run(name, config, refs, folder / "home", out, clock)
        refs[name] = Ref(uri=str(out), digest=digest_folder(out))
        found.seconds[name] = now() - start - (clock.seconds if name in TRAINING else 0.0)
        found.written[name] = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
        tick()
    return found


def _encoder_seconds(cut: sample.Sample, features: Features, now: steps.Now) -> dict[str, float]:
    """Seconds of each modality's encoder for one record that has it."""
    manifest = load_manifest(cut.data.uri)
    media = Media(cut.data.uri) if manifest.media else None
    values: dict[str, list[Raw]] = {name: [] for name in manifest.modalities}
    for batch in Dataset(cut.data.uri, manifest).batches():
        for name, column in raws(batch, manifest, media, []).items():
            values[name] += [v for v in column if v is not None]
    found = {}
    for name, raw in sorted(values.items()):
        modality = features.specs[name].build(name)

        def encode(raw: list[Raw] = raw, modality: Modality = modality) -> None:
            values = decoded(modality.kind, raw, modality.detail)
            for encoder in modality.encoders.values():
                encoder.encode(values)

        encode(raw[:8])
        found[name] = machine.seconds(encode, now) / max(1, len(raw))
    return found
