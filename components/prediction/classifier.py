"""Calibrated predictions and vectors from raw records, exactly as evaluation computes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput, UserError, one_of
from components.core.files import read_json
from components.core.names import FUSED
from components.features.modality import Modality, rebuilt
from components.features.rows import Rows, placed
from components.model.abstention import fitted_threshold
from components.model.loading import load
from components.model.outputs import Inference
from components.model.runtime import Runtime
from components.model.subsets import patterns, temperature
from components.model.unfamiliar import familiarity
from components.parts.contracts import Opened, Raw, Target, decoded
from components.prediction.format import CALIBRATION, THRESHOLDS
from components.prediction.prediction import Contribution, Prediction, Vector

Record = Mapping[str, Any]
"""Modality to its value, as a data set, a request or a data frame holds it."""


NO_CLASSIFIER = (
    "this model has no classifier: its data set's target is `none`, so it aligns modalities and "
    "finds records; search with it, or learn a model from labels"
)


def with_thresholds(target: Target, package: Path) -> Target:
    """A target with the thresholds of a package, where it has some."""
    if not (package / THRESHOLDS).is_file():
        return target
    known = read_json(package / THRESHOLDS)
    return target.with_thresholds([float(str(known[name])) for name in target.classes])


class Classifier:
    """The model of one package; may be used from several threads.

    Args:
        package: a folder that was checked against its list.
        runtime: the loaded model; by default what the package's export asks for.

    Attributes:
        runtime: computes the network and its committee.
        names: sorted modality names.
        classes: sorted class names.
        target: what is predicted, with the thresholds of the package.
        modalities: name to what decodes and checks its raw values.
        temperatures: key of a subset of modalities to its temperature.
        least_confidence: an answer of one class with less is a guess.
    """

    def __init__(self, package: Path, runtime: Runtime | None = None) -> None:
        self.runtime = load(package) if runtime is None else runtime
        self._familiarity = familiarity(self.runtime, package)
        self.names: list[str] = self.runtime.names
        self.classes: list[str] = self.runtime.classes
        self.target = with_thresholds(self.runtime.target, package)
        self.modalities: dict[str, Modality] = {
            name: rebuilt(name, self.runtime.specs[name]) for name in self.names
        }
        self.temperatures = {
            key: float(str(value)) for key, value in read_json(package / CALIBRATION).items()
        }
        self.least_confidence = fitted_threshold(self.runtime, self.temperatures)

    def open(self) -> None:
        """Read now what encoders would read for their first value; may run in a thread."""
        for modality in self.modalities.values():
            for encoder in modality.encoders.values():
                if isinstance(encoder, Opened):
                    encoder.open()

    def predict(self, records: Sequence[Record]) -> list[Prediction]:
        """Classify records; each may have any non-empty subset of the modalities.

        An empty value is an absent modality, and an empty field has its column's default, as in the
        data that the model learned from.

        Raises:
            BadInput: a record without any modality, an unknown modality, or a value that breaks a
                limit; the error names record and field.
            UserError: the model has no classifier.
        """
        if not self.classes:
            raise UserError(NO_CLASSIFIER)
        return self.answers(records, [f"records.{i}" for i in range(len(records))])

    def embed(self, query: Record) -> dict[str, Vector]:
        """The unit vectors ``(dim,)`` of one record: one for each modality that it has, and fused.

        Raises:
            BadInput: as for `predict`.
        """
        (answer,) = self.answers([query], ["query"])
        return answer.embeddings

    def contributions(self, answer: Prediction) -> dict[str, Contribution]:
        """The answer of each modality of a record alone, calibrated for that modality.

        Together they need not add up to the answer, which also weighs how modalities agree.
        """
        found = {}
        for name, logits in answer.modality_logits.items():
            p, decided = self._decided(logits[None], temperature(self.temperatures, name))
            single = isinstance(decided, str)
            found[name] = Contribution(
                label=decided if single else None,
                labels=(decided,) if single else tuple(decided or ()),
                confidence=float(p.max()) if single else None,
                probabilities=dict(zip(self.classes, p.tolist(), strict=True)),
            )
        return found

    def read(self, record: Record, place: str) -> dict[str, Raw]:
        """The raw values of the modalities that a record has.

        Raises:
            BadInput: no modality, an unknown one, or a value of another type; the error names
                record (``place``) and field.
        """
        raws = {}
        for name, value in record.items():
            if name not in self.modalities:
                wanted = one_of(name, self.modalities)
                raise BadInput(f"{place}.{name}", "an unknown modality", wanted)
            try:
                raw = self.modalities[name].read(value)
            except BadInput as error:
                raise BadInput(f"{place}.{error.field}", error.got, error.wanted) from error
            if raw is not None:
                raws[name] = raw
        if not raws:
            empty = f" ({', '.join(sorted(record))} without a value)" if record else ""
            known = ", ".join(self.modalities)
            raise BadInput(place, f"no modality{empty}", f"at least one of {known}")
        return raws

    def encode(
        self, given: Sequence[Record], places: Sequence[str]
    ) -> tuple[dict[str, Rows], NDArray[np.bool_]]:
        """Inputs of each view ``(records, *shape)``, and which modalities each record has.

        Raises:
            BadInput: as for `predict`; ``places`` name the records.
        """
        records = [self.read(record, place) for record, place in zip(given, places, strict=True)]
        present = np.array([[name in record for name in self.names] for record in records])
        arrays: dict[str, Rows] = {}
        for column, name in enumerate(self.names):
            arrays |= self._encode(name, records, present[:, column], places)
        return arrays, present

    def answers(self, given: Sequence[Record], places: Sequence[str]) -> list[Prediction]:
        """Predictions for records, also from a model without a classifier.

        Raises:
            BadInput: as for `predict`; ``places`` name the records.
        """
        if not given:
            return []
        arrays, present = self.encode(given, places)
        found = self.runtime.answer(arrays, present)
        far = np.full(len(present), np.nan)
        if self._familiarity is not None:
            far = self._familiarity.scores(found.light, present)
        keys = patterns(present, self.names)
        return [
            self._prediction(found.inference, row, key, far[row]) for row, key in enumerate(keys)
        ]

    def _prediction(self, found: Inference, row: int, key: str, far: float) -> Prediction:
        p, decided = self._decided(found.logits[row : row + 1], temperature(self.temperatures, key))
        single = isinstance(decided, str)
        names = tuple(key.split("+"))
        vectors = {name: found.embeddings[name][row] for name in names}
        return Prediction(
            label=decided if single else None,
            confidence=float(p.max()) if single else None,
            labels=(decided,) if single else tuple(decided or ()),
            probabilities=dict(zip(self.classes, p.tolist(), strict=True)),
            modalities=names,
            ood_score=None if np.isnan(far) else float(far),
            abstained=bool(p.max() < self.least_confidence) if single else None,
            embeddings={**vectors, FUSED: found.fused[row]},
            modality_logits={name: found.modality_logits[name][row] for name in names},
        )

    def _decided(
        self, logits: NDArray[np.float32], warmth: float
    ) -> tuple[NDArray[np.float64], Any]:
        """Calibrated probabilities ``(classes,)`` of logits ``(1, classes)``, and the decision."""
        p = self.target.probabilities(self.runtime.tempered(logits, warmth))
        (decided,) = self.target.decode(self.target.decide(p))
        return p[0], decided

    def _encode(
        self,
        name: str,
        records: Sequence[Mapping[str, Raw]],
        has: NDArray[np.bool_],
        places: Sequence[str],
    ) -> dict[str, Rows]:
        """View name to inputs ``(records, *shape)``; zeros where ``has (records,)`` is false."""
        modality = self.modalities[name]
        at: list[int] = np.flatnonzero(has).tolist()
        values = decoded(modality.kind, [records[i][name] for i in at], modality.detail)
        for i, value in zip(at, values, strict=True):
            if isinstance(value, BadInput):
                field = value.field.removeprefix(name)
                raise BadInput(f"{places[i]}.{name}{field}", value.got, value.wanted)
        arrays: dict[str, Rows] = {}
        for view in self.runtime.views[name]:
            encoder = modality.encoders[view]
            arrays[view] = np.zeros((len(records), *encoder.shape), dtype=encoder.dtype)
            if at:
                arrays[view][at] = encoder.encode(values)
        for view in self.runtime.sparse[name] if self.runtime.reads_sparse else []:
            rows = modality.encoders[view].encode(values)
            arrays[view] = placed(rows, np.array(at, dtype=np.int64), len(records))
        return arrays
