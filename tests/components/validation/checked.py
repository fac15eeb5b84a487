"""The ``validate`` step on a folder, and what it wrote."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.config.run import DataConfig
from components.validation.accept import validate


def checked(folder: Path, out: Path, **more: Any) -> dict[str, Any]:
    """The summary; every record is accepted or quarantined."""
    out.mkdir(parents=True)
    modalities = more.pop("modalities", {})
    validate(data=DataConfig(uri=str(folder), **more), modalities=modalities, out=out)
    summary = json.loads((out / "summary.json").read_text())
    accepted, quarantined = (
        ids(out / "records.parquet"),
        ids(out / "quarantine" / "records.parquet"),
    )
    assert (
        summary["records_in"]
        == summary["accepted"] + summary["quarantined"]
        == len(accepted) + len(quarantined)
    )
    assert summary["accepted"] == len(accepted)
    return summary


def ids(path: Path) -> list[str]:
    """Ids of the records in a file."""
    return pq.read_table(path)["id"].to_pylist()


def failed(summary: dict[str, Any]) -> dict[str, int]:
    """Rules that records broke, and how many."""
    return {r["name"]: r["failed"] for r in summary["rules"] if r["failed"]}


def forget(folder: Path, path: str) -> None:
    """Remove a picture from a data set."""
    file = folder / "media" / "images-000.parquet"
    rows = [r for r in pq.read_table(file).to_pylist() if r["path"] != path]
    pq.write_table(pa.Table.from_pylist(rows), file)
