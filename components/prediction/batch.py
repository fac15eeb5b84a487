"""Answers for all records of a data set or a file, by the same code as serving, in little memory.

Records are answered in blocks of ``BLOCK`` rows counted from the first record. Numeric libraries
may compute the last bits of a row differently beside other rows, so data must be cut at multiples
of ``BLOCK`` to get the same numbers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.core.errors import BadInput, UserError
from components.core.progress import Progress, silent
from components.core.refs import digest_json
from components.core.values import texts
from components.data.digest import data_state
from components.data.manifest import Manifest
from components.data.media import Media
from components.data.reader import Dataset, Fault, raws
from components.features.modality import Modality
from components.parts.contracts import Raw
from components.prediction.answers_file import Counts, answer_row, regrouped, schema
from components.prediction.block import BLOCK
from components.prediction.classifier import NO_CLASSIFIER
from components.prediction.form import Form
from components.prediction.prediction import Prediction
from components.prediction.predictor import Predictor
from components.prediction.records_file import RecordsFile
from components.prediction.resumable import write_in_parts
from components.validation.stored_types import schema_problems

_PART = 8 * BLOCK
"""Rows that an interrupted run does not answer again: seconds of work."""


def classes(predictor: Predictor) -> Form[Prediction]:
    """What is written of each record: its class or classes, and their probabilities.

    Raises:
        UserError: the model has no classifier.
    """
    if not predictor.classes:
        raise UserError(NO_CLASSIFIER)
    target = predictor.target
    return Form(
        schema=schema(target),
        ask=predictor.predict,
        row=lambda record, answer, why: answer_row(record, answer, why, target),
    )


class Answers:
    """Answers records of one data set with one model.

    Args:
        predictor: the model.
        manifest: what the columns mean.
        data_uri: where the media are.
        media: opens the media.
        form: what is written of each record; by default its classes.

    Raises:
        UserError: the data set has none of the model's modalities, or one of another kind; or the
            model has no classifier.
    """

    def __init__(
        self,
        predictor: Predictor,
        manifest: Manifest,
        data_uri: str,
        media: Callable[[str], Media] = Media,
        form: Form[Any] | None = None,
    ) -> None:
        self._predictor = predictor
        self.manifest = usable(manifest, predictor.kinds)
        self._media = media(data_uri) if self.manifest.media else None
        self._form = form or classes(predictor)
        self.schema = self._form.schema

    def table(self, records: pa.Table) -> pa.Table:
        """One row for each record, in order; ``records`` begins at a multiple of ``BLOCK``."""
        blocks = [
            self._block(records.slice(start, BLOCK)) for start in range(0, len(records), BLOCK)
        ]
        return pa.concat_tables(blocks).combine_chunks()

    def _block(self, block: pa.Table) -> pa.Table:
        records, reasons = readable(block, self.manifest, self._media, self._predictor.modalities)
        found = self._answered(records)
        known = ", ".join(self.manifest.modalities)
        wanted = f"none of its modalities can be used, wanted at least one of {known}"
        rows = []
        for row, record in enumerate(texts(block[self.manifest.id].to_pylist())):
            answer = found.get(row)
            why = reasons[row] if answer else [*reasons[row], wanted]
            rows.append(self._form.row(record, answer, why))
        return pa.Table.from_pylist(rows, schema=self.schema)

    def _answered(self, records: list[dict[str, Raw]]) -> dict[int, Any]:
        """Row to answer, of the records that have a value."""
        rows = [row for row, record in enumerate(records) if record]
        return dict(zip(rows, self._form.ask([records[row] for row in rows]), strict=True))


def readable(
    block: pa.Table,
    manifest: Manifest,
    media: Media | None,
    modalities: Mapping[str, Modality],
) -> tuple[list[dict[str, Raw]], list[list[str]]]:
    """The values of each record that a model can read, and why others were left out.

    Args:
        block: records of a data set.
        manifest: what its columns mean.
        media: opens its media.
        modalities: of the model, by name.
    """
    faults: list[Fault] = []
    raw = raws(block, manifest, media, faults)
    records = [
        {n: value for n, values in raw.items() if (value := values[row]) is not None}
        for row in range(len(block))
    ]
    reasons: list[list[str]] = [[] for _ in records]
    for fault in faults:
        reasons[fault.row].append(str(fault.error))
    for name, modality in modalities.items():
        for record, why in zip(records, reasons, strict=True):
            try:
                value = modality.read(record.pop(name, None))
                if value is not None:
                    modality.kind.decode(value, modality.detail)
                    record[name] = value
            except BadInput as error:
                why.append(str(error))
    return records, reasons


def usable(manifest: Manifest, kinds: dict[str, str]) -> Manifest:
    """The manifest without the modalities that the model does not know.

    Args:
        manifest: manifest of the data set.
        kinds: name of each of the model's modalities to its kind.

    Raises:
        UserError: none is left, or one is of another kind than the model's.
    """
    kept = {name: m for name, m in sorted(manifest.modalities.items()) if name in kinds}
    if not kept:
        raise UserError(
            f"the data set has the modalities {', '.join(sorted(manifest.modalities))},"
            f" wanted at least one of the model's: {', '.join(sorted(kinds))};"
            " name them so in the manifest"
        )
    if odd := [
        f"{name} is {m.kind} there and {kinds[name]} in the model"
        for name, m in kept.items()
        if m.kind != kinds[name]
    ]:
        raise UserError(
            f"modalities of other kinds: {'; '.join(odd)}; correct the data set's manifest"
        )
    return manifest.model_copy(update={"modalities": kept})


def read_columns(manifest: Manifest) -> list[str]:
    """The columns that answering reads."""
    return list(dict.fromkeys([manifest.id, *manifest.feature_columns]))


def opened(data_uri: str, manifest: Manifest) -> Dataset:
    """The records to answer.

    Raises:
        UserError: no records, or a column that is missing or of the wrong type.
    """
    columns = read_columns(manifest)
    dataset = Dataset(data_uri, manifest, columns)
    if problems := schema_problems(dataset.schema, manifest, columns):
        raise unreadable(data_uri, problems)
    return dataset


def unreadable(place: str, problems: Sequence[str]) -> UserError:
    """The error that lists why records cannot be read."""
    return UserError("\n".join([f"{place} cannot be read:", *(f"  - {p}" for p in problems)]))


def predict(
    *,
    predictor: Predictor,
    data_uri: str,
    manifest: Manifest,
    out: Path,
    file: RecordsFile | None = None,
    form: Form[Any] | None = None,
    progress: Progress = silent,
) -> Counts:
    """Answer all records of a data set, or of a file, into one Parquet file.

    A run that was killed resumes where it stopped, as long as model and records are the same.

    Args:
        predictor: the model.
        data_uri: the data set, or where the file's media are.
        manifest: what its columns mean.
        out: the file; it appears when all records are answered.
        file: the records, unless they are those of the data set.
        form: what is written of each record; by default its classes.
        progress: called after every batch.

    Raises:
        UserError: no records, or none of the model's modalities.
    """
    answers = Answers(predictor, manifest, data_uri, form=form)
    columns = read_columns(answers.manifest)
    if file and (problems := schema_problems(file.schema, answers.manifest, columns)):
        raise unreadable(str(file.path), problems)
    records = file or opened(data_uri, answers.manifest)
    state = file.state if file else data_state(data_uri)
    made_of = [predictor.digest, answers.manifest.digest(), state, answers.schema.to_string()]

    def tables(finished: int) -> Iterator[pa.Table]:
        held = (pa.Table.from_batches([b]) for b in records.batches(_PART, columns))
        for part in islice(regrouped(held, _PART), finished, None):
            yield answers.table(part)

    return write_in_parts(
        tables, answers.schema, out, records.rows, key=digest_json(made_of), progress=progress
    )
