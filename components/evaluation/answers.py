"""Calibrated model outputs on validation and test records for each subset of modalities."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.core.refs import digest_file
from components.features.store import Features
from components.model import network as models
from components.model.committee import SparseView
from components.model.inference import Inference, infer
from components.model.subsets import REST, measured, subset_key
from components.parts.network import ViewNetwork

Rows = NDArray[np.int64]
_BATCH = 512


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


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Validation and test records, in data set order.

    Attributes:
        features: the encoded data set.
        rows: ``(n,)`` their rows in it.
        labels: coded labels ``(n, …)``.
        test: ``(n,)`` whether a record is of the test split, else of the validation split.
        present: ``(n, modalities)``.
        majority: coded answers ``(n, …)`` made from the visible training labels alone.
    """

    features: Features
    rows: Rows
    labels: NDArray[Any]
    test: NDArray[np.bool_]
    present: NDArray[np.bool_]
    majority: NDArray[Any]

    @classmethod
    def of(cls, features: Features) -> "HeldOut":
        """The held-out records of a data set that have any modality at all."""
        held_out = np.isin(features.splits, ["val", "test"]) & features.present.any(axis=1)
        rows = np.flatnonzero(held_out)
        visible = features.labels[features.rows("train", labelled=True)]
        return cls(
            features=features,
            rows=rows,
            labels=features.labels[rows],
            test=features.splits[rows] == "test",
            present=features.present[rows],
            majority=features.target.baseline(visible, len(rows)),
        )

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Labelled test records ``(n,)``: every figure is taken on these."""
        return self.test & self.features.target.labelled(self.labels)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A model whose encoders have already run on the held-out rows, once for all subsets.

    Attributes:
        model: the model, with encoders that return their inputs.
        arrays: view name to features ``(n, out_dim)``, followed by what the committee makes of the
            view, where it counts; absent rows are zeros.
        present: ``(n, modalities of the model)``.
    """

    model: models.Model
    arrays: dict[str, NDArray[np.float32]]
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, model: models.Model, held_out: HeldOut) -> "Encoded":
        """Run the encoders of a model, perhaps one of fewer modalities."""
        columns = [held_out.features.names.index(name) for name in model.names]
        present = held_out.present[:, columns]
        arrays = {
            view: _encode(
                _Whole(model, view),
                held_out.features.arrays[view],
                held_out.rows,
                present[:, column],
            )
            for column, name in enumerate(model.names)
            for view in model.views[name]
        }
        for name in model.names if model.mix.committee else []:
            for view in model.sparse[name]:
                linear = cast(SparseView, model.committee.views[view])
                arrays[view] = linear.logits(held_out.features.arrays[view][held_out.rows])
        # A shallow copy: projectors, fusion and heads are shared, only the table of modules is new.
        shell = copy.copy(model)
        shell.__dict__["_modules"] = dict(model._modules)
        fronts = {view: _Front(_out_dim(model.encoders[view])) for view in model.encoders}
        shell.encoders = nn.ModuleDict(fronts)
        shell.committee = copy.copy(model.committee)
        shell.committee.__dict__["_modules"] = {
            "views": nn.ModuleDict({view: nn.Identity() for view in model.committee.views})
        }
        return cls(model=shell, arrays=arrays, present=present)

    def infer(self, at: Rows | None = None, subset: Sequence[str] | None = None) -> Inference:
        """Model outputs for held-out rows ``at (k,)`` from a subset of modalities.

        Both default to all.
        """
        return infer(
            self.model, self.arrays, self.present, at, None if subset is None else tuple(subset)
        )


class _Whole(nn.Module):
    """The features of a view, followed by what the committee makes of it, where it counts."""

    def __init__(self, model: models.Model, view: str) -> None:
        super().__init__()
        self.encoder = model.encoders[view]
        counts = model.mix.committee and view in model.committee.views
        self.linear = model.committee.views[view] if counts else None

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.encoder(inputs)
        if self.linear is None:
            return features
        light = cast(ViewNetwork, self.encoder).light(inputs)
        return torch.cat([features.float(), self.linear(light)], dim=1)


class _Front(ViewNetwork):
    """Divides what ``_Whole`` has put together."""

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim

    def light(self, inputs: Tensor) -> Tensor:
        return inputs[:, self.out_dim :]

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, : self.out_dim]


def _out_dim(encoder: nn.Module) -> int:
    return cast(ViewNetwork, encoder).out_dim


def _encode(
    encoder: nn.Module, inputs: NDArray[Any], rows: Rows, has: NDArray[np.bool_]
) -> NDArray[np.float32]:
    result: NDArray[np.float32] | None = None
    at = np.flatnonzero(has)
    with torch.inference_mode():
        for start in range(0, max(1, len(at)), _BATCH):
            batch = at[start : start + _BATCH]
            found = encoder(torch.from_numpy(np.asarray(inputs[rows[batch]]))).float().numpy()
            if result is None:
                result = np.zeros((len(rows), found.shape[1]), dtype=np.float32)
            result[batch] = found
    assert result is not None
    return result


def infer_rows(model: models.Model, features: Features, rows: Rows) -> Inference:
    """Model outputs for rows ``(k,)`` of a data set from all modalities that they have.

    The model may know fewer modalities than the data set.
    """
    columns = [features.names.index(name) for name in model.names]
    return infer(
        model,
        features.arrays,
        features.present[:, columns],
        rows,
    )


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


class Predictions:
    """Answers ``(n, …)`` of models on all held-out records; equal weights are run once.

    Args:
        held_out: the records.
        known: model folder to its answers ``(n, …)``, where they are already known.
    """

    def __init__(self, held_out: HeldOut, known: Mapping[Path, NDArray[Any]]) -> None:
        self._held_out = held_out
        self._known = {_weights(folder): predicted for folder, predicted in known.items()}

    def of(self, folder: Path) -> NDArray[Any]:
        """Answers ``(n, …)``; the baseline's without any of the model's modalities."""
        key = _weights(folder)
        if key not in self._known:
            model = models.load(folder)
            logits = infer_rows(model, self._held_out.features, self._held_out.rows).logits
            target, blank = self._held_out.features.target, np.isnan(logits).any(axis=1)
            found = target.answers(target.probabilities(logits))
            found[blank] = self._held_out.majority[blank]
            self._known[key] = found
        return self._known[key]


def _weights(folder: Path) -> str:
    return digest_file(folder / "weights.safetensors") + digest_file(folder / "model.json")
