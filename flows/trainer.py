"""Where training runs: here, in this process (a cluster is the other place)."""

from pathlib import Path

from components.progress import Progress
from components.training.entry import run
from components.training.spec import TrainSpec


def train(spec: TrainSpec, *, out: Path, checkpoints: Path, progress: Progress) -> None:
    """Run one training task; checkpoints carry the spec's digest, so that a killed task goes on where it was."""
    run(spec, out=out, checkpoints=checkpoints, progress=progress)
