"""The records of one unit: those of its package, and what users have written since.

A unit is one model with its index. Its collection is derived: it reads the journal with its own
model, and may do so beside another unit that does the same with another model.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput
from components.core.names import FUSED
from components.features.fields import fields_of
from components.parts.indexing import Index
from components.prediction import attributes
from components.prediction.classifier import Classifier
from components.prediction.format import INDEX
from components.prediction.indexes import open_indexes
from components.prediction.journal import Entry, Journal, Made, Write
from components.prediction.made import Known, MadeRecord, check_label, make, make_each
from components.prediction.packaged import Packaged, packaged_attributes
from components.prediction.prediction import Prediction

_ENTRIES = 100_000
"""Rows of the journal that are read together, so that what was replaced later is not applied."""
_AT_A_TIME = 1000
"""Writes that are read and applied together."""
_BATCH = 64
"""Records that the model reads together."""


class Collection:
    """Searchable records; may be used from several threads. Searches never wait for the model.

    Args:
        package: a folder that was checked against its list.
        digest: SHA-256 of the package.
        classifier: its model.
        journal: the writes of users; None where nobody writes.

    Attributes:
        applied: the number of the last write of the journal that was applied.
        skipped: how many writes the model could not read; another version had taken them.
        upserted: how many records were written or replaced.
        deleted: how many deletions were applied.
        indexes: modality, and ``fused``, to its index.
        declared: the attributes that a filter may name, with their types.
    """

    def __init__(
        self, package: Path, digest: str, classifier: Classifier, journal: Journal | None = None
    ) -> None:
        self.digest, self.packaged = digest, Packaged(package, classifier.names)
        self._classifier, self._journal = classifier, journal
        specs = {name: modality.spec for name, modality in classifier.modalities.items()}
        self._of_fields = [name for name, spec in specs.items() if spec.raw == "fields"]
        sets = classifier.target.activation == "sigmoid"
        self.declared = attributes.declared(specs, sets=sets, timed=self.packaged.timed)
        self.indexes: Mapping[str, Index] = open_indexes(
            package / INDEX,
            classifier.names,
            self.packaged.ids,
            self.packaged.present,
            self.declared,
            lambda: packaged_attributes(self.packaged, specs, self.declared),
        )
        self._written: dict[str, tuple[int, Known] | None] = {}
        self._writing = threading.RLock()
        self.applied = self.skipped = self.upserted = self.deleted = 0

    def __len__(self) -> int:
        """Number of records."""
        return len(self.indexes[FUSED])

    def __contains__(self, record: str) -> bool:
        return self.known(record) is not None

    def known(self, record: str) -> Known | None:
        """The model's prediction for a record; None if no record has this id."""
        if record in self._written:
            found = self._written[record]
            return None if found is None else found[1]
        row = self.packaged.row_of.get(record)
        return None if row is None else self.packaged.known(row)

    def written(self) -> dict[str, Known | None]:
        """What users wrote, by id; None where they deleted a record."""
        # One step of the interpreter, beside a thread that writes.
        return {record: found and found[1] for record, found in self._written.copy().items()}

    def vectors(self, target: str, records: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The vectors ``(dim,)`` of those records that a target's index has, by id."""
        index = self.indexes[target]
        try:
            return dict(zip(records, index.vectors_of(records), strict=True))
        except BadInput:  # one of them is not there, or is not any more
            found = {}
            for record in records:
                with suppress(BadInput):
                    found[record] = index.vectors_of([record])[0]
            return found

    def preview(self, record: str, modality: str) -> bytes | str | None:
        """The small form of one modality of a record; None if the record or modality is unknown.

        A picture is bytes, a text is itself, fields are JSON.
        """
        known = self.known(record)
        if known is None or modality not in known.modalities:
            return None
        if (found := self._written.get(record)) is not None:
            made = self._made([found[0]]).get(found[0])
            return made.previews.get(modality) if made else None
        return self.packaged.preview(self.packaged.row_of[record], modality)

    def fields(self, record: str) -> dict[str, dict[str, Any]]:
        """The fields of a record, by modality of fields and column."""
        found = {name: fields_of(self.preview(record, name)) for name in self._of_fields}
        return {name: cells for name, cells in found.items() if cells}

    def write(
        self,
        writes: Sequence[Write],
        places: Sequence[str],
        answers: Sequence[Prediction] | None = None,
    ) -> int:
        """Check, embed and commit writes, apply them, and return the number of the last one.

        Args:
            writes: records of distinct ids.
            places: path of each record in the request, for errors.
            answers: the model's prediction for each record that is not deleted, where requested.

        Raises:
            BadInput: a value that the model cannot read, or an unknown label; nothing is written.
            UserError: the journal cannot be written.
        """
        assert self._journal is not None, "nobody writes where there is no journal"
        upserts = [i for i, write in enumerate(writes) if write.record is not None]
        for i in upserts:
            check_label(writes[i], f"{places[i]}.label", self._classifier.target)
        made: dict[int, MadeRecord] = {}
        for start in range(0, len(upserts), _BATCH):
            part = upserts[start : start + _BATCH]
            found = make(
                self._classifier,
                [writes[i] for i in part],
                [places[i] for i in part],
                None if answers is None else answers[start : start + _BATCH],
            )
            made |= dict(zip(part, found, strict=True))
        contents = [made[i].to_bytes() if i in made else None for i in range(len(writes))]
        last = self._journal.append(writes, Made(digest=self.digest, contents=contents))
        first = last - len(writes) + 1
        self.apply(last, {first + i: record for i, record in made.items()})
        return last

    def apply(
        self, up_to: int | None = None, at_hand: Mapping[int, MadeRecord] | None = None
    ) -> int:
        """Apply writes of the journal that came since, and return the number of the last one.

        Args:
            up_to: stop as soon as this number is applied; None applies all that there are.
            at_hand: what is made already of some of them.
        """
        if self._journal is None:
            return self.applied
        with self._writing:
            while up_to is None or self.applied < up_to:
                entries = self._journal.after(self.applied, _ENTRIES)
                if not entries:
                    break
                last = list({entry.id: entry for entry in entries}.values())  # later writes win
                for start in range(0, len(last), _AT_A_TIME):
                    self._apply(last[start : start + _AT_A_TIME], at_hand or {})
                self.applied = entries[-1].number
        return self.applied

    def _apply(self, entries: Sequence[Entry], at_hand: Mapping[int, MadeRecord]) -> None:
        """Apply writes of distinct records."""
        wanted = [e.number for e in entries if not e.deleted]
        seen: dict[int, MadeRecord | None] = {n: at_hand[n] for n in wanted if n in at_hand}
        seen |= self._made([n for n in wanted if n not in seen])
        made = {number: record for number, record in seen.items() if record is not None}
        upserts = {e.id: e.number for e in entries if e.number in made}
        # A write that the model cannot read replaces what was there before as well. One that was
        # compacted away is not in `seen`: a later write of the record follows.
        gone = [e.id for e in entries if e.deleted or (e.number in seen and e.id not in upserts)]
        for index in self.indexes.values():
            index.delete(gone)
        for record in gone:
            self._written[record] = None
        self._upsert(upserts, made)
        self.upserted += len(upserts)
        self.deleted += sum(entry.deleted for entry in entries)

    def _upsert(self, upserts: Mapping[str, int], made: Mapping[int, MadeRecord]) -> None:
        for record, number in upserts.items():
            self._written[record] = (number, made[number].known)
        for target, index in self.indexes.items():
            has = [r for r, number in upserts.items() if target in made[number].vectors]
            index.delete([r for r in upserts if target not in made[upserts[r]].vectors])
            if not has:
                continue
            of = [made[upserts[r]] for r in has]
            fields = [
                {name: fields_of(m.previews.get(name)) for name in self._of_fields} for m in of
            ]
            values = attributes.values([m.known for m in of], fields, self.declared)
            index.upsert(has, np.stack([m.vectors[target] for m in of]), values)

    def _made(self, numbers: Sequence[int]) -> dict[int, MadeRecord | None]:
        """What the model makes of writes, kept from before, or made and kept now.

        None stands for one that it cannot read; those that were compacted away are left out.
        """
        if not numbers:
            return {}
        assert self._journal is not None
        kept = self._journal.made(self.digest, numbers)
        found: dict[int, MadeRecord | None] = {
            number: MadeRecord.from_bytes(content) for number, content in kept.items()
        }
        missing = [number for number in numbers if number not in found]
        for start in range(0, len(missing), _BATCH):
            raw = self._journal.written(missing[start : start + _BATCH])
            each = make_each(self._classifier, list(raw.values()))
            new = {
                n: m if isinstance(m, MadeRecord) else None for n, m in zip(raw, each, strict=True)
            }
            self.skipped += sum(record is None for record in new.values())
            good = {n: record.to_bytes() for n, record in new.items() if record is not None}
            if good:
                self._journal.keep(self.digest, good)
            found |= new
        return found
