"""What labellers receive and return: evidence and pseudo-labels, no model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError

Vectors = NDArray[np.float32]
_ROUNDED = 1e-6
"""What a sum of shares may be above 1."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """What a labeller may ask of ``n`` records themselves; it is made when asked for.

    Attributes:
        classes: names of the classes.
        folds: fold of each labelled record ``(n,)``, records that belong together in one; -1 of
            records without a label.
        features: view name, as ``title/minilm``, to rows ``(n, dim)`` of about unit length, zeros
            where a record lacks it.
        told: the unit vectors of texts ``(texts, dim)`` in each view that reads names, beside those
            of the records ``(n, dim)``, zeros where a record lacks it.
    """

    classes: Sequence[str]
    folds: NDArray[np.int64]
    features: Callable[[], Mapping[str, Vectors]]
    told: Callable[[Sequence[str]], Mapping[str, tuple[Vectors, Vectors]]]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of ``n`` records.

    Attributes:
        fused: calibrated probabilities ``(n, classes)`` from all modalities of the record.
        by_modality: modality name to ``(n, classes)`` from it alone; rows where it is absent have
            no meaning.
        present: ``(n, modalities)``, modalities sorted by name.
        shift: what was added to the logits of all answers ``(classes,)``, because classes are
            shared otherwise among these records than among labels; None: nothing.
        records: what more may be asked; None where probabilities are all there is.
    """

    fused: NDArray[np.float64]
    by_modality: dict[str, NDArray[np.float64]]
    present: NDArray[np.bool_]
    shift: NDArray[np.float64] | None = None
    records: Records | None = None

    def asked(self, labeller: str) -> Records:
        """The records, for a labeller that cannot do without.

        Raises:
            UserError: there are probabilities alone.
        """
        if self.records is None:
            raise UserError(
                f"labeller {labeller}: got probabilities alone, wanted the records' features; give"
                " `Evidence.records`, or use a labeller that reads probabilities, such as 'soft'"
            )
        return self.records


@dataclass(frozen=True, kw_only=True)
class PseudoLabels:
    """One answer for each record.

    Attributes:
        labels: class number ``(n,)``; of sets ``(n, classes)`` with 1, 0, and -1 for a class that
            is neither given nor denied.
        confidence: ``(n,)``, 0 to 1; the weight that an accepted one gets in training.
        accepted: ``(n,)`` bool.
        sources: for each record what supports its label: ``fused`` and names of modalities.
        reasons: for each record why it was accepted or refused.
        thresholds: ``(classes,)`` least confidence that is accepted; NaN for a class without one.
        soft: distributions ``(n, classes)`` to learn in place of the labels; None: the labels.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    sources: list[list[str]]
    reasons: list[str]
    thresholds: NDArray[np.float64]
    soft: NDArray[np.float64] | None = None


class Labeller(Protocol):
    """Gives pseudo-labels; ``build(config)`` of a file in ``labellers/`` returns one.

    The file may declare

    - ``READS_RECORDS = True``: it reads ``Evidence.records``, so that a record is only ever judged
      beside labelled ones of other folds,
    - ``READS_NAMES = True``: it needs a view that reads names of classes,
    - ``MIN_MODALITIES``: modalities without which it has nothing to say.
    """

    def __call__(
        self,
        pool: Evidence,
        held_out: Evidence,
        labels: NDArray[np.int64],
        prior: NDArray[np.float64],
    ) -> PseudoLabels:
        """Label a pool of records.

        Args:
            pool: the records without a visible label.
            held_out: labelled records, each judged without its own label, on which a labeller may
                tune itself; others than those that will choose between committee and student.
            labels: their coded labels ``(n, …)``.
            prior: ``(classes,)`` share of each class among the labels that the committee
                learned from.
        """
        ...


def checked(name: str, labeller: Labeller) -> Labeller:
    """A labeller whose answers fit the pool: a user's own may return anything.

    Raises:
        UserError: when it is called: what it returned, and what was wanted.
    """

    def label(
        pool: Evidence,
        held_out: Evidence,
        labels: NDArray[np.int64],
        prior: NDArray[np.float64],
    ) -> PseudoLabels:
        found: object = labeller(pool, held_out, labels, prior)
        if not isinstance(found, PseudoLabels):
            raise UserError(
                f"labeller {name} returned a {type(found).__name__}, wanted `PseudoLabels`"
            )
        (n, classes), sets = pool.fused.shape, labels.ndim > 1
        why = _misshapen(found, n, classes, sets=sets) or _beyond(found, classes, sets=sets)
        if why:
            raise UserError(f"labeller {name} returned {why}")
        return found

    return label


def _misshapen(found: PseudoLabels, n: int, classes: int, *, sets: bool) -> str | None:
    """What does not fit a pool of ``n`` records; None if all does."""
    shapes: dict[str, tuple[int, ...]] = {
        "labels": (n, classes) if sets else (n,),
        **dict.fromkeys(("confidence", "accepted", "sources", "reasons"), (n,)),
        "thresholds": (classes,),
        **({"soft": (n, classes)} if found.soft is not None else {}),
    }
    for name, shape in shapes.items():
        value = getattr(found, name)
        got = (len(value),) if isinstance(value, list) else np.shape(value)
        if got != shape:
            return f"{name} of the shape {got}, wanted {shape}"
    types = found.labels.dtype, found.accepted.dtype
    if not np.issubdtype(types[0], np.integer) or types[1] != np.bool_:
        return f"labels of {types[0]} and accepted of {types[1]}, wanted integers and bool"
    return None


def _beyond(found: PseudoLabels, classes: int, *, sets: bool) -> str | None:
    """Which number of an accepted record is none that may stand there; None if all may."""
    limits = {
        "labels": (-1, 1) if sets else (0, classes - 1),
        "confidence": (0, 1),
        "soft": (0, 1),
    }
    for name, (least, most) in limits.items():
        if (value := getattr(found, name)) is None:
            continue
        own = value[found.accepted]
        wrong = own[~((own >= least - _ROUNDED) & (own <= most + _ROUNDED))]
        if wrong.size:
            return f"{name} with {wrong[0]} for an accepted record, wanted {least} to {most}"
    return None
