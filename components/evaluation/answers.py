"""Calibrated answers on the held-out records from each subset of modalities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.evaluation.encoded import Encoded
from components.evaluation.held_out import HeldOut, Rows
from components.model.subsets import REST, measured, subset_key


@dataclass(frozen=True, kw_only=True)
class SubsetAnswers:
    """The answers of one model that sees only the modalities of one subset.

    Attributes:
        subset: the modalities.
        at: ``(n,)`` which held-out rows have all of them.
        temperature: of the subset, as the train step fitted it.
        probabilities: ``(n, classes)`` calibrated, float32.
    """

    subset: tuple[str, ...]
    at: Rows
    temperature: float
    probabilities: NDArray[np.float32]

    @property
    def key(self) -> str:
        """Name of the subset in results."""
        return subset_key(self.subset)


def subset_answers(
    encoded: Encoded, held_out: HeldOut, temperatures: Mapping[str, float]
) -> list[SubsetAnswers]:
    """Calibrated answers for the subsets of the model's modalities that are measured.

    Args:
        encoded: the model.
        held_out: the records.
        temperatures: by key of the subset; 1 where it is missing.
    """
    answers = []
    for subset in measured(encoded.model.names):
        columns = [held_out.features.names.index(name) for name in subset]
        at = np.flatnonzero(held_out.present[:, columns].all(axis=1))
        temperature = temperatures.get(subset_key(subset), 1.0)
        answers.append(_calibrated(encoded, held_out, at, subset, temperature))
    return answers


def rest_answers(
    encoded: Encoded,
    held_out: HeldOut,
    answers: Sequence[SubsetAnswers],
    temperatures: Mapping[str, float],
) -> SubsetAnswers | None:
    """Calibrated answers, with one temperature, for records that fit no measured subset exactly.

    None where there is no such record.
    """
    exact = np.zeros(len(held_out.rows), dtype=np.bool_)
    for answer in answers:
        exact[answer.at[_exactly(answer, held_out)]] = True
    at = np.flatnonzero(~exact)
    if not len(at):
        return None
    names = tuple(encoded.model.names)
    return _calibrated(encoded, held_out, at, names, temperatures.get(REST, 1.0))


def with_all_present(
    answers: Sequence[SubsetAnswers], held_out: HeldOut, rest: SubsetAnswers | None = None
) -> NDArray[np.float32]:
    """Probabilities ``(n, classes)`` of each record from all modalities that it has."""
    result = np.zeros((len(held_out.rows), answers[0].probabilities.shape[1]), dtype=np.float32)
    if rest is not None:
        result[rest.at] = rest.probabilities
    for answer in answers:
        exactly = _exactly(answer, held_out)
        result[answer.at[exactly]] = answer.probabilities[exactly]
    return result


def _calibrated(
    encoded: Encoded, held_out: HeldOut, at: Rows, subset: tuple[str, ...], temperature: float
) -> SubsetAnswers:
    logits = encoded.infer(at, subset).logits
    tempered = encoded.model.tempered(logits, temperature)
    probabilities = held_out.features.target.probabilities(tempered).astype(np.float32)
    return SubsetAnswers(subset=subset, at=at, temperature=temperature, probabilities=probabilities)


def _exactly(answer: SubsetAnswers, held_out: HeldOut) -> NDArray[np.bool_]:
    """Which of a subset's records ``(n,)`` have no other modality."""
    pattern = np.array([name in answer.subset for name in held_out.features.names])
    exactly: NDArray[np.bool_] = (held_out.present[answer.at] == pattern).all(axis=1)
    return exactly
