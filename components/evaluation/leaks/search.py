"""Copies in accepted records: every raw value is read once, in batches."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import BadInput
from components.core.progress import Progress, silent
from components.data.media import Media
from components.data.reader import raws
from components.evaluation.duplicates import Leaks, Prints, leaks, telling
from components.evaluation.leaks.pictures import SIDE
from components.features.encode import Accepted
from components.parts.contracts import decoded
from components.validation.examine import build_checks

FILE = "copies.parquet"
_DECODED = 64
"""Media held in memory."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found: the ids and splits of the accepted records, and their copies."""

    ids: list[str]
    splits: list[str]
    leaks: Leaks

    @property
    def groups(self) -> list[str]:
        """Each record's group, copies joined: the id of its first member."""
        first: dict[int, str] = {}
        return [first.setdefault(n, i) for n, i in zip(self.leaks.copies, self.ids, strict=True)]

    def write(self, path: Path) -> None:
        """A table with ``id`` and ``group``, as a manifest can name it."""
        pq.write_table(pa.table({"id": self.ids, "group": self.groups}), path)


def search(
    accepted: Path,
    data_uri: str,
    *,
    modalities: Mapping[str, Mapping[str, Any]] | None = None,
    base: Path | None = None,
    progress: Progress = silent,
) -> Found:
    """Find the copies of a data set.

    Args:
        accepted: output of validate.
        data_uri: where the media are.
        modalities: options of each modality.
        base: folder that a user's own kinds are relative to.
        progress: called after every batch, and while copies are compared.
    """
    records = Accepted.open(accepted)
    checks, _ = build_checks(records.manifest, modalities or {}, base)
    kinds = {name: check.kind for name, check in checks.items()}  # type: ignore[attr-defined]
    media = Media(data_uri) if records.manifest.media else None
    told = telling({name: spec.kind for name, spec in records.manifest.modalities.items()})
    prints = {name: Prints(modality=name) for name in told}
    ids, splits, groups = list[str](), list[str](), list[str]()
    with ThreadPoolExecutor() as pool:
        for batch in records.batches():
            for name, values in raws(batch, records.manifest, media, []).items():
                if name not in prints:
                    continue
                map_ = pool.map if name in records.manifest.media else map
                for row, content, value in _values(kinds[name], values, map_):
                    prints[name].add(len(ids) + row, content, value)
            ids += batch.column("id").to_pylist()
            splits += batch.column("split").to_pylist()
            groups += batch.column("group").to_pylist()
            progress("reading copies", len(ids), records.count)
    links = []
    for done, name in enumerate(sorted(prints)):
        progress("comparing copies", done, len(prints))
        links += list(prints[name].links())
    progress("comparing copies", len(prints), len(prints))
    return Found(ids=ids, splits=splits, leaks=leaks(links, splits, groups))


def _values(kind: Any, values: list[Any], map_: Any) -> Iterator[tuple[int, bytes, Any]]:  # noqa: ANN401
    """Row, content and decoded form of the values that can be decoded."""
    at = [row for row, value in enumerate(values) if value is not None]
    for start in range(0, len(at), _DECODED):
        rows = at[start : start + _DECODED]
        given = [values[row] for row in rows]
        for row, raw, value in zip(rows, given, decoded(kind, given, SIDE, map_), strict=True):
            if not isinstance(value, BadInput):
                yield row, kind.content(raw), value
