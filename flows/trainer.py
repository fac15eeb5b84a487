"""Where training runs: here, in this process (a cluster is the other place)."""

from pathlib import Path
from typing import Literal

from components.refs import Ref
from flows.steps import Job

Task = Literal["teach", "train", "baselines"]


def train(task: Task, job: Job, inputs: dict[str, Ref], out: Path) -> None:
    """Run one training task; checkpoints carry the digest of the spec, so that a killed task goes on where it was."""
    from components.training.entry import run
    from components.training.spec import TrainSpec

    spec = TrainSpec(
        task=task,
        features=inputs["encode"],
        pseudo=inputs.get("pseudo_label"),
        teacher=inputs.get("teach"),
        student=inputs.get("train"),
        model=job.config.model,
        losses=job.config.losses,
        training=job.config.training,
        base=str(job.base),
    )
    run(spec, out=out, checkpoints=job.home.checkpoints, progress=job.progress)
