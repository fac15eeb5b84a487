"""What one model makes of a record that a user writes: all that its index and its answers need."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput, one_of
from components.parts.contracts import Target
from components.prediction.classifier import Classifier
from components.prediction.journal import Label, Write
from components.prediction.prediction import Prediction

Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A model's prediction for a record of its index.

    Attributes:
        label: its label, if known.
        predicted: the model's own answer, a class or a list; None without a classifier.
        group: records of one group are about the same thing; a written record is its own group.
        confidence: how sure the model is of ``predicted``; None where nobody has measured it.
        votes: modality to what the model answers by it alone.
        modalities: those that the record has, sorted.
        time: the moment that it is from, in seconds since 1970; None if unknown.
    """

    label: Label
    predicted: Label
    group: str
    confidence: float | None
    votes: Mapping[str, Label]
    modalities: tuple[str, ...]
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class MadeRecord:
    """A written record as one model sees it.

    Attributes:
        known: the model's prediction for it.
        vectors: modality, and ``fused``, to unit vector ``(dim,)``.
        previews: modality to a small form to show: bytes of media, or text.
    """

    known: Known
    vectors: Mapping[str, Vector]
    previews: Mapping[str, bytes | str]

    def to_bytes(self) -> bytes:
        """JSON, with numbers and media in base64."""
        vectors = {
            name: _encoded(np.asarray(v, "<f4").tobytes()) for name, v in self.vectors.items()
        }
        previews = {
            name: {"bytes": _encoded(p)} if isinstance(p, bytes) else {"text": p}
            for name, p in self.previews.items()
        }
        known = asdict(self.known)
        if self.known.time is None:  # replicas of before know no times
            del known["time"]
        tree = {"known": known, "vectors": vectors, "previews": previews}
        return json.dumps(tree).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "MadeRecord":
        """Read what `to_bytes` wrote."""
        tree: dict[str, Any] = json.loads(content)
        known = {**tree["known"], "modalities": tuple(tree["known"]["modalities"])}
        return cls(
            known=Known(**known),
            vectors={
                name: np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
                for name, text in tree["vectors"].items()
            },
            previews={
                name: base64.b64decode(p["bytes"]) if "bytes" in p else str(p["text"])
                for name, p in tree["previews"].items()
            },
        )


def make(
    classifier: Classifier,
    writes: Sequence[Write],
    places: Sequence[str],
    answers: Sequence[Prediction] | None = None,
) -> list[MadeRecord]:
    """What a model makes of upserts.

    Args:
        classifier: the model.
        writes: records, none of them deleted.
        places: path of each record in the request, for errors.
        answers: what the model says of the records, where it was asked already.

    Raises:
        BadInput: a value that the model cannot read; it names record and field.
    """
    records = [
        classifier.read(write.record or {}, place)
        for write, place in zip(writes, places, strict=True)
    ]
    said = classifier.answers(records, places) if answers is None else answers
    found = []
    for write, record, answer, place in zip(writes, records, said, places, strict=True):
        if not all(np.isfinite(vector).all() for vector in answer.embeddings.values()):
            raise BadInput(place, "values without a vector", "values that the model can embed")
        previews = {}
        for name, raw in record.items():
            modality = classifier.modalities[name]
            value = modality.kind.decode(raw, modality.detail)
            previews[name] = modality.kind.preview(raw, value)
        found.append(
            MadeRecord(
                known=_known(classifier, write, answer),
                vectors=answer.embeddings,
                previews=previews,
            )
        )
    return found


def make_each(classifier: Classifier, writes: Sequence[Write]) -> list[MadeRecord | BadInput]:
    """The same, with a reason in the place of each record that the model cannot read."""
    try:
        return list(make(classifier, writes, [write.id for write in writes]))
    except BadInput as error:
        if len(writes) == 1:
            return [error]
    return [made for write in writes for made in make_each(classifier, [write])]


def check_label(write: Write, field: str, target: Target) -> None:
    """Check that a label is a class of the model, or a list of them.

    Args:
        write: the record.
        field: path of the label, for errors.
        target: what the model predicts.

    Raises:
        BadInput: it is not.
    """
    if write.label is None:
        return
    sets = target.activation == "sigmoid"
    if not target.classes:
        raise BadInput(field, repr(write.label)[:80], "no label: this model has no classifier")
    if sets != isinstance(write.label, list):
        wanted = "a list of classes" if sets else "one class"
        raise BadInput(field, repr(write.label)[:80], wanted)
    for label in [write.label] if isinstance(write.label, str) else write.label:
        if label not in target.classes:
            raise BadInput(field, repr(label)[:80], one_of(label[:80], target.classes))


def decision(label: str | None, labels: Sequence[str], target: Target) -> Label:
    """What a model decided as one value: a class, a list of them, or None without a classifier."""
    return label if target.activation != "sigmoid" else list(labels)


def sureness(probabilities: NDArray[np.floating], target: Target) -> NDArray[np.float64]:
    """How sure answers are, ``(n,)``, from calibrated probabilities ``(n, classes)``.

    Of one class it is the largest probability; of a set of classes that of the least sure decision
    for or against a class; NaN without a classifier.
    """
    if target.activation is None or not target.width:
        return np.full(len(probabilities), np.nan)
    if target.activation == "softmax":
        return np.asarray(probabilities.max(axis=1), dtype=np.float64)
    return np.asarray(np.maximum(probabilities, 1 - probabilities).min(axis=1), dtype=np.float64)


def _known(classifier: Classifier, write: Write, answer: Prediction) -> Known:
    target = classifier.target
    told = classifier.contributions(answer) if target.activation else {}
    sure = sureness(np.array([list(answer.probabilities.values())]), target)[0]
    return Known(
        label=write.label,
        predicted=decision(answer.label, answer.labels, target),
        group=write.id,
        confidence=None if np.isnan(sure) else float(sure),
        votes={n: decision(said.label, said.labels, target) for n, said in told.items()},
        modalities=answer.modalities,
        time=write.time,
    )


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
