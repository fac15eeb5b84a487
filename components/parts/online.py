"""What passes between the training loop and the families ``ssl/`` and ``balance/``."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor, nn

from components.parts.contracts import Target
from components.parts.network import Disturbance, Likeness, ModelOutput


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a part trains in, told once before the first step.

    Attributes:
        modalities: of the model, sorted by name.
        target: what is predicted.
        records: training records without a visible label.
    """

    modalities: tuple[str, ...]
    target: Target
    records: int


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What student and teacher answer about the same records of one step.

    On several devices these are the records of all of them, so that a part computes the same
    everywhere.

    Attributes:
        student: answers about the strong view; gradients flow through them.
        teacher: answers about the weak view, without gradients.
        present: ``(batch, modalities)`` bool, modalities sorted by name.
        numbers: ``(batch,)`` position of each record among the ``Setting.records``; -1 for one
            with a visible label.
        likeness: which of the records are alike.
        target: what is predicted.
    """

    student: ModelOutput
    teacher: ModelOutput
    present: Tensor
    numbers: Tensor
    likeness: Likeness
    target: Target


class Ssl(nn.Module, ABC):
    """Learns from what a teacher answers about records, in every step.

    A file in ``ssl/`` exports ``Config``, ``build(config, *, setting) -> Ssl`` and
    ``refuses(config, setting) -> str | None``: why it cannot serve a data set, as half a sentence.
    What it remembers between steps stands in buffers, so that an interrupted training resumes
    exactly. Whatever is a tensor stays on the device: a step waits for no value.

    Attributes:
        records: ``unlabelled`` draws records without a visible label beside each batch (those
            with a pseudo-label too); ``batch`` takes the records of the batch, whose student
            answers are those that the losses read.
        weak: how the teacher's view is disturbed.
        strong: how the student's view is disturbed; not read for ``batch``, whose student sees
            what the losses see.
        decay: of the running mean of the weights that is the teacher; None: the student itself.
        kept: share of the losses that stays beside this.
        terms: names of the losses that ``forward`` returns; a name of a loss is unique.
        figures: names of what else it returns, to be shown beside them.
    """

    records: Literal["unlabelled", "batch"] = "unlabelled"
    weak: Disturbance = Disturbance()
    strong: Disturbance = Disturbance()
    decay: float | None = None
    kept: float = 1.0
    terms: tuple[str, ...]
    figures: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, answered: Answered) -> dict[str, Tensor]:
        """Scalars by name: the terms, with gradients, and the figures, without."""


class Balance(nn.Module):
    """Watches how fast each modality learns, and holds back the one that is ahead.

    A file in ``balance/`` exports ``Config`` and ``build(config, *, modalities) -> Balance``, and
    may declare ``MIN_MODALITIES = 2``. A model of one modality goes without. State stands in
    buffers. Both hooks do nothing by default.
    """

    def on_batch(self) -> Tensor | None:
        """Probability ``(modalities,)`` that each is hidden from the fusion in the next batch.

        It comes on top of modality dropout; None hides nothing more.
        """
        return None

    def after_backward(
        self, scores: Tensor, gradients: Mapping[str, Sequence[Tensor]], done: float
    ) -> Tensor | None:
        """Factor ``(modalities,)`` of the step of each modality's encoders and projector.

        Args:
            scores: ``(modalities,)`` mean probability that each modality alone gives to the right
                answer, over the batch's records with a label that have it; 0 without any.
            gradients: of the parameters that belong to each modality; they may be changed.
            done: share of the training that is done.

        Returns:
            The factors; None steps as ever.
        """
        del scores, gradients, done
        return None


class SslFile(Protocol):
    """What a file in ``ssl/`` exports beside ``Config``."""

    def build(self, config: object, *, setting: Setting) -> Ssl:
        """The part for a model and its records."""
        ...

    def refuses(self, config: object, setting: Setting) -> str | None:
        """Why a data set cannot be served; None if it can."""
        ...
