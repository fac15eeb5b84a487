"""Imports a small table in this process and looks at what came out."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from components.data.importing.dataset import import_dataset
from components.data.importing.report import Report
from components.data.manifest import Manifest, load_manifest


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import wrote and said."""

    columns: dict[str, list]
    """Cells of the records by column."""
    manifest: Manifest
    report: Report
    text: str
    """The manifest as it is written."""

    @property
    def fields(self) -> dict[str, str]:
        """Type of each field that a modality reads."""
        return {
            name: column.type
            for modality in self.manifest.modalities.values()
            for name, column in (modality.columns or {}).items()
        }

    @property
    def modalities(self) -> dict[str, str]:
        """Column to the kind that reads it, for modalities of one column."""
        return {m.column: m.kind for m in self.manifest.modalities.values() if m.column}


def imported(source: Path, **options: object) -> Imported:
    """Import ``source`` into a new folder beside it."""
    target = Path(tempfile.mkdtemp(dir=source.parent)) / "set"
    report = import_dataset(source, target, **options)  # type: ignore[arg-type]
    return Imported(
        columns=pq.read_table(target / "records.parquet").to_pydict(),
        manifest=load_manifest(str(target)),
        report=report,
        text=(target / "dataset.yaml").read_text(encoding="utf-8"),
    )


def csv(
    path: Path, header: str, row: Callable[[int], str], rows: int = 60, encoding: str = "utf-8"
) -> Path:
    """Write a CSV; ``row`` makes a line of the row's number."""
    lines = [header, *map(row, range(rows))]
    path.write_bytes("".join(line + "\n" for line in lines).encode(encoding))
    return path
