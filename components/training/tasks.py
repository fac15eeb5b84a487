"""The training tasks by name."""

from collections.abc import Callable
from pathlib import Path

from components.training.baselines import baselines
from components.training.student import judge, train
from components.training.suited import check
from components.training.trainer import Trainer


def perform(trainer: Trainer, place: Callable[[str], Path], out: Path) -> None:
    """Do the task of a trainer's spec.

    Args:
        trainer: fits its models.
        place: maps the name of an input to its local folder.
        out: an empty folder.

    Raises:
        UserError: a chosen part cannot serve the data set.
    """
    check(trainer.spec, trainer.features, trainer.base)
    pseudo = place("pseudo") if trainer.spec.pseudo else None
    if trainer.spec.task == "train":
        train(trainer, pseudo=pseudo, out=out)
    elif trainer.spec.task == "judge":
        judge(trainer, pseudo=pseudo, out=out)
    else:
        trained = place("trained") if trainer.spec.trained else None
        baselines(trainer, pseudo=pseudo, trained=trained, out=out)
