"""What training has to do, exactly: models, rows, batches, steps and checkpoints, from shares of the data set."""

from dataclasses import dataclass
from pathlib import Path

from components.config.run import RunConfig
from components.config.trainer import KubernetesTrainer
from components.plan import sizes, steps
from components.plan.survey import Survey
from components.training.objective import built

STAGES = (
    "validate",
    "encode",
    "teach",
    "pseudo_label",
    "train",
    "baselines",
    "evaluate",
    "package",
)
TRAINING = ("teach", "train", "baselines")
ACCEPTED = 0.5
"""Share of the unlabelled pool that is taken to get a pseudo-label: only a trained teacher knows."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What only a run shows.

    Attributes:
        accepted: share of the unlabelled pool that gets a pseudo-label.
        student: whether the student is kept; else the baselines follow the teacher.
    """

    accepted: float = ACCEPTED
    student: bool = True


EXPECTED = Outcome()
POSSIBLE = tuple(
    Outcome(accepted=share, student=student) for share in (0.0, 1.0) for student in (True, False)
)
"""The ends of what can come out: every estimate also says what they would mean."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """One model of a training stage.

    Attributes:
        model: which, as in ``Profile.steps``.
        rows: records in an epoch.
        epochs: passes.
        batch_size: records in a batch, at most.
    """

    model: str
    rows: int
    epochs: int
    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """As many as ``TrainingData.order`` gives batches."""
        return max(1, -(-self.rows // self.batch_size))

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.epochs * self.steps_per_epoch

    @property
    def batch_rows(self) -> float:
        """Records in a batch: all batches of an epoch are of nearly one size."""
        return self.rows / self.steps_per_epoch


def trainings(
    stage: str,
    config: RunConfig,
    surveyed: Survey,
    records: int,
    base: Path | None,
    outcome: Outcome = EXPECTED,
) -> list[Training]:
    """The models that ``teach``, ``train`` or ``baselines`` fits."""
    student, accepted = config.labeller is not None, outcome.accepted
    if stage == "teach":
        return [_one(steps.FULL, config, surveyed, records, base, pseudo=None)]
    if stage == "train":
        return (
            [_one(steps.FULL, config, surveyed, records, base, pseudo=accepted)] if student else []
        )
    others = [name for name in steps.model_names(config, surveyed.names) if name != steps.FULL]
    return [
        _one(
            name,
            config,
            surveyed,
            records,
            base,
            pseudo=accepted if student and outcome.student else None,
        )
        for name in others
    ]


def _one(
    name: str,
    config: RunConfig,
    surveyed: Survey,
    records: int,
    base: Path | None,
    *,
    pseudo: float | None,
) -> Training:
    names = (name.removeprefix("only-"),) if name.startswith("only-") else surveyed.names
    rows = surveyed.learnable(names, labelled=True) * records
    if pseudo is not None:
        _, reads_all = built(config.losses, len(names), base)
        rest = surveyed.learnable(names, labelled=False) * records
        rows += rest if reads_all and len(names) > 1 else pseudo * rest
    training = config.training
    epochs = training.teacher_epochs if pseudo is None else training.epochs
    return Training(model=name, rows=round(rows), epochs=epochs, batch_size=training.batch_size)


def checkpoints(config: RunConfig, training: Training) -> int:
    """Checkpoints that a training writes: after epochs, on a cluster also after steps, and one at the end."""
    often = (
        config.trainer.checkpoint_steps if isinstance(config.trainer, KubernetesTrainer) else None
    )
    return sizes.checkpoint_count(
        training.epochs, training.steps_per_epoch, config.training.checkpoint_every, often
    )
