"""Learning from what a teacher answers about unlabelled records, in every step.

Which records: those of the training split without a visible label. One that has an accepted
pseudo-label is among them: it keeps what the labeller said as a label to learn, in its batch, and
what the teacher says now comes beside it. Another reading, to leave such records out, would leave
nothing with a labeller that accepts all of them, as ``soft`` does.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from components.config.run import Part, SslPart
from components.model.network import Model
from components.parts import loading as parts
from components.parts import returned
from components.parts.network import Disturbance, Inputs, ModelOutput, ViewNetwork
from components.parts.online import Answered, Balance, Setting, Ssl
from components.training.data import Batch, TrainingData
from components.training.distributed import World


@dataclass(frozen=True, kw_only=True)
class Online:
    """What shapes the steps of a training beside its losses; by default nothing.

    Attributes:
        ssl: learns from unlabelled records.
        name: of ``ssl`` in the history.
        weight: of its terms.
        ratio: unlabelled records in a step, as a multiple of the batch size.
        balance: holds back the modality that is ahead.
        balance_name: its name in the history.
    """

    ssl: Ssl | None = None
    name: str = ""
    weight: float = 1.0
    ratio: float = 1.0
    balance: Balance | None = None
    balance_name: str = ""


NOTHING = Online()


def online(
    ssl: SslPart | None,
    balance: Part | None,
    model: Model,
    data: TrainingData,
    base: Path | None,
) -> Online:
    """The parts of a configuration for a model and its records.

    A part that cannot serve this model is left out, as a loss that needs more modalities is; one
    that cannot serve the whole data set has been refused before (``components.training.suited``).

    Args:
        ssl: as configured.
        balance: as configured.
        model: what is trained.
        data: its records.
        base: folder that a user's own files are relative to.
    """
    setting = Setting(modalities=tuple(model.names), target=model.target, records=len(data.hidden))
    found = NOTHING
    if ssl is not None:
        module = parts.load("ssl", ssl.name, base)
        config = parts.configure("ssl", ssl.name, ssl.options, base)
        if module.refuses(config, setting) is None:
            part = module.build(config, setting=setting)
            found = Online(ssl=part, name=ssl.name, weight=ssl.weight, ratio=ssl.ratio)
    if balance is None or len(model.names) == 1 or not model.target.width:
        return found
    config = parts.configure("balance", balance.name, balance.options, base)
    part = parts.load("balance", balance.name, base).build(config, modalities=setting.modalities)
    return Online(**{**vars(found), "balance": part, "balance_name": balance.name})


def averaged(model: Model, part: Ssl) -> AveragedModel | None:
    """The teacher with running means of a model's weights, where a part asks for one.

    It stays apart from what is learned. The number of its updates stays on the processor, since
    each update asks for it.
    """
    if part.decay is None:
        return None
    mean = get_ema_multi_avg_fn(part.decay)  # type: ignore[no-untyped-call]
    teacher = AveragedModel(model, multi_avg_fn=mean)
    teacher.eval().requires_grad_(requires_grad=False)
    return teacher


@dataclass(frozen=True)
class Learner:
    """Asks student and teacher, and lets the part compare their answers.

    Attributes:
        model: the student.
        teacher: the running mean of its weights; None: the student itself.
        part: compares.
        world: the processes that share a batch.
    """

    model: Model
    teacher: nn.Module | None
    part: Ssl
    world: World

    def terms(
        self,
        batch: Batch,
        hidden: Tensor,
        given: ModelOutput | None,
        drawn: AbstractContextManager[None],
    ) -> list[Tensor]:
        """Terms and figures, in the part's order.

        Args:
            batch: its inputs are this rank's rows, all else that of all ranks.
            hidden: ``(batch, modalities)`` what the strong view lacks.
            given: what the student answers already; None: it is asked about the strong view.
            drawn: within it this rank draws for its own rows.
        """
        total = len(batch.present)
        start, stop = self.world.bounds(total)
        present = batch.present[start:stop]
        with drawn:
            weak = disturbed(self.model, batch.inputs, present, self.part.weak)
            with torch.no_grad():
                asked = self.model if self.teacher is None else self.teacher
                teacher = asked(weak, present)
            student = given
            if student is None:
                strong = disturbed(self.model, batch.inputs, present, self.part.strong)
                student = self.model(strong, present, hidden[start:stop])
        if given is None:
            student = self.world.gathered(student, total)
        assert batch.numbers is not None
        answer: object = self.part(
            Answered(
                student=student,
                teacher=self.world.gathered(teacher, total),
                present=batch.present,
                numbers=batch.numbers,
                likeness=batch.likeness,
                target=self.model.target,
            )
        )
        terms, figures = self.part.terms, self.part.figures
        found = returned.scalars("ssl", answer, (*terms, *figures))
        return [*found[: len(terms)], *(figure.detach() for figure in found[len(terms) :])]


def disturbed(model: Model, inputs: Inputs, present: Tensor, how: Disturbance) -> Inputs:
    """Inputs ``(batch, *shape)`` by view name, disturbed by the network of each view."""
    found = {}
    for view, column in model.columns.items():
        if view in model.encoders:  # others are sparse, and no network reads them
            network = cast(ViewNetwork, model.encoders[view])
            found[view] = network.disturb(inputs[view], present[:, column], how)
    return found
