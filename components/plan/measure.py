"""Measures rates: walks through the stages of a run on two small samples of its data set."""

import math
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from components.config.run import RunConfig
from components.config.trainer import LocalTrainer
from components.core.errors import UserError
from components.core.progress import Progress, silent
from components.plan import machine, sample
from components.plan.machine import Now
from components.plan.rates import Fit, Line, Profile, StageRates
from components.plan.sample import Survey
from components.plan.walk import Stage, Table, Taken, walk
from components.training.loop import placed
from components.training.pseudo_label import REHEARSAL
from components.training.student import REHEARSED_SINCE, STUDENT

SIZES = (250, 1000)
"""Records of the two samples."""
TURNS = 2
"""Walks on each sample, of which the quickest counts."""
_LEAST = 20


def measure(
    config: RunConfig,
    surveyed: Survey,
    *,
    table: Table,
    scratch: Path | None = None,
    now: Now = time.perf_counter,
    progress: Progress = silent,
) -> Profile:
    """Measure the rates of a run on this machine.

    A first walk with one epoch pays what a process pays once (imports, allocations); then both
    samples are walked in turns. The small sample has batches smaller in proportion, so that steps
    of two batch sizes are measured, as many of one as of the other.

    Args:
        config: the run.
        surveyed: its data set.
        table: its stages.
        scratch: where to work, on the disk that is to be measured; by default the system's
            temporary folder.
        now: the clock; by default the wall clock.
        progress: called after every stage.

    Raises:
        UserError: the data set is too small, or a run on it could not start.
    """
    start, load = time.perf_counter(), os.getloadavg()[0]
    small, large = min(SIZES[0], surveyed.seen // 2), min(SIZES[1], surveyed.seen)
    if small < _LEAST:
        raise UserError(
            f"{config.data.uri}: got {surveyed.seen} records, "
            f"wanted at least {2 * _LEAST} to measure rates on"
        )
    with tempfile.TemporaryDirectory(prefix="concord-plan-", dir=scratch) as aside:
        folder = Path(aside)
        few, many = (
            sample.write(config.data, surveyed, n, folder / f"data-{n}") for n in (small, large)
        )
        batch = config.training.batch_size
        at_large = _on(many, config)
        at_small = _on(few, config, batch_size=max(2, round(batch * small / large)))
        opening = _on(few, at_small, epochs=1)
        runs = (opening, *(at_small, at_large) * TURNS)
        walks = _walks(runs, table, folder, now, progress)
        dim, modalities = config.model.dim, len(surveyed.manifest.modalities)
        return Profile(
            machine=machine.machine(placed(config.training)[0].type),
            libraries=machine.libraries(),
            samples=(small, large),
            load=load,
            stages=tuple(
                _rates(
                    stage,
                    (small, large),
                    [walk[stage.name] for walk in walks],
                    _rehearsed_since(config, surveyed),
                )
                for stage in table(at_large)
            ),
            record_bytes=many.record_bytes / large,
            media_bytes=many.media_bytes / large,
            vector_bytes=4 * dim * (modalities + 1),  # one of each modality, and the fused one
            search_seconds=machine.search_seconds(dim, now),
            output_byte_seconds=machine.output_byte_seconds(folder, now),
            seconds=time.perf_counter() - start,
        )


def _walks(
    runs: Sequence[RunConfig], table: Table, folder: Path, now: Now, progress: Progress
) -> list[dict[str, Taken]]:
    """What the stages of each run took, by name."""
    found: list[dict[str, Taken]] = []
    done = 0
    for number, run in enumerate(runs):
        stages, taken = table(run), {}
        for name, one in walk(stages, run.data.uri, folder / str(number), now):
            taken[name] = one
            done += 1
            progress("measuring this machine", done, len(runs) * len(stages))
        found.append(taken)
    return found


def _on(cut: sample.Sample, config: RunConfig, **training: int) -> RunConfig:
    """The run on a sample, in this process, with some options of training replaced.

    A sample may have no triplets; a composer takes seconds, whatever the size.
    """
    changed = config.training.model_copy(update=training)
    return config.model_copy(
        update={
            "data": cut.data,
            "trainer": LocalTrainer(),
            "training": changed,
            "composer": None,
        }
    )


def _rehearsed_since(config: RunConfig, surveyed: Survey) -> int | None:
    """Records from which on the student rehearses, None for never."""
    labelled = int(surveyed.learnable.sum())
    if config.training.selection != "folds" or not labelled:
        return None
    return math.ceil(REHEARSED_SINCE * surveyed.seen / labelled)


def _rates(
    stage: Stage, sizes: tuple[int, int], walks: Sequence[Taken], rehearsed_since: int | None
) -> StageRates:
    """Lines through the quickest of each sample's walks; the fixed part pays for the first walk."""
    (small, large), (first, *turns) = sizes, walks
    few, many = turns[::2], turns[1::2]
    seconds = Line.through(
        (small, min(t.seconds for t in few)), (large, min(t.seconds for t in many))
    )
    fixed = max(0.0, first.seconds - seconds.slope * small)
    fits = [Fit(epochs=epochs, share=n / large) for epochs, n in many[0].fits]
    models = many[0].models
    if rehearsed_since and STUDENT in models and REHEARSAL not in models:
        # The sample had too few labels for that; it is fitted as the student is.
        student = fits[models.index(STUDENT)]
        fits.append(student.model_copy(update={"since": rehearsed_since}))
    return StageRates(
        name=stage.name,
        inputs=stage.inputs,
        training=stage.training,
        divided=stage.divided,
        seconds=Line(fixed=fixed, slope=seconds.slope),
        written_bytes=Line.through((small, few[0].written), (large, many[0].written)),
        fits=tuple(fits),
        step_seconds=Line.through(min(t.step for t in few), min(t.step for t in many)),
        checkpoint_bytes=many[0].checkpoints,
    )
