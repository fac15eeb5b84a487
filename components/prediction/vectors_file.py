"""The file of vectors: its columns and its rows."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from components.core.names import FUSED
from components.prediction.classifier import Record
from components.prediction.form import Form
from components.prediction.prediction import Vector
from components.prediction.predictor import Predictor


def vectors(predictor: Predictor) -> Form[dict[str, Vector]]:
    """What is written of each record: unit vectors, ``fused`` and one for each modality.

    A vector is null where the record lacks the modality; ``fused`` is null where no modality can be
    used, and ``reason`` gives the cause.
    """
    names = predictor.classifier.names
    vector = pa.list_(pa.float32())
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field(FUSED, vector),
            pa.field("modalities", pa.list_(pa.string())),
            pa.field("reason", pa.string()),
            *(pa.field(name, vector) for name in names),
        ]
    )

    def ask(records: Sequence[Record]) -> list[dict[str, Vector]]:
        places = [f"records.{i}" for i in range(len(records))]
        return [answer.embeddings for answer in predictor.classifier.answers(records, places)]

    return Form(schema=schema, ask=ask, row=_row)


def _row(record: str | None, found: dict[str, Vector] | None, reasons: list[str]) -> dict[str, Any]:
    told = {"id": record, "reason": "; ".join(reasons) or None}
    return {**told, "modalities": sorted({*(found or {})} - {FUSED}), **(found or {})}
