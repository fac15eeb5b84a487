"""Records are read in batches, with the raw values of each modality."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import BadInput, UserError
from components.data.manifest import load_manifest
from components.data.media import Media
from components.data.reader import Dataset, Fault, raws
from tests import datasets


def _raws(folder: Path | str, faults: list[Fault] | None = None) -> dict:
    manifest = load_manifest(str(folder))
    dataset = Dataset(str(folder), manifest)
    return raws(next(dataset.batches(1000)), manifest, dataset.media(), faults)


def test_each_kind_gives_its_raw_form(tmp_path: Path):
    records = datasets.rows()
    records[1] |= {"image": None, "text": "  ", "size": float("nan"), "colour": None, "tags": None}
    values = _raws(datasets.write(tmp_path / "set", records))
    assert values["image"][0] == datasets.png(0)
    assert values["text"][0] == "a picture of number 0"
    assert values["facts"][0] == {"size": 0.0, "bonus": 0.0, "colour": "blue", "tags": ["a", "b"]}
    assert values["image"][1] is None
    assert values["text"][1] is None
    assert values["facts"][1] == {"size": None, "bonus": 0.0, "colour": None, "tags": None}


def test_a_path_to_an_empty_file_is_a_fault_and_no_absent_picture(tmp_path: Path):
    folder = datasets.write(tmp_path / "set", media={"images/3.png": b""})
    faults: list[Fault] = []
    assert _raws(folder, faults)["image"][3] is None
    (fault,) = faults
    assert (fault.row, fault.modality) == (3, "image")
    assert "empty file" in str(fault.error)


def test_fields_that_are_all_missing_are_an_absent_modality(tmp_path: Path):
    records = datasets.rows()
    records[0] |= {"size": None, "colour": None, "tags": None}
    manifest = datasets.MANIFEST.replace("null: {default: 0}", "null: missing")
    assert _raws(datasets.write(tmp_path / "set", records, manifest=manifest))["facts"][0] is None


@pytest.mark.parametrize("form", ["loose", "loose in media", "bytes", "parts"])
def test_every_layout_gives_the_same_values(tmp_path: Path, form: str):
    expected = _raws(datasets.write(tmp_path / "packed"))
    folder = datasets.write(tmp_path / "other")
    packed = pq.read_table(folder / "media" / "images-000.parquet").to_pylist()
    if form == "parts":
        table = pq.read_table(folder / "records.parquet")
        (folder / "records.parquet").unlink()
        (folder / "records").mkdir()
        pq.write_table(table.slice(0, 10), folder / "records" / "0.parquet")
        pq.write_table(table.slice(10), folder / "records" / "1.parquet")
        dataset = Dataset(str(folder), load_manifest(str(folder)))
        assert [b.num_rows for b in dataset.batches(1000)] == [10, 38]
        assert dataset.rows == 48
        return
    (folder / "media" / "images-000.parquet").unlink()
    if form == "bytes":
        by_path = {row["path"]: row["bytes"] for row in packed}
        table = pq.read_table(folder / "records.parquet")
        column = pa.array([by_path[p] for p in table["image"].to_pylist()], pa.binary())
        pq.write_table(
            table.set_column(table.column_names.index("image"), "image", column),
            folder / "records.parquet",
        )
    for row in packed if form != "bytes" else []:
        file = (folder if form == "loose" else folder / "media") / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(row["bytes"])
    assert _raws(folder) == expected


def test_a_set_in_another_store_reads_the_same(tmp_path: Path):
    folder = datasets.write(tmp_path / "set")
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/reader-test", recursive=True)
    try:
        assert _raws("memory://reader-test") == _raws(folder)
    finally:
        store.rm("/reader-test", recursive=True)


@pytest.mark.parametrize(
    "path", ["../secret.png", "/etc/passwd", "a/../../b.png", "C:\\x.png", "x\0y", "..\\secret.png"]
)
def test_a_path_never_leads_out_of_the_set(tmp_path: Path, path: str):
    (tmp_path / "secret.png").write_bytes(b"secret")
    media = Media(str(datasets.write(tmp_path / "set")))
    (found,) = media.fetch([path])
    assert isinstance(found, BadInput)
    assert "inside the data set" in found.wanted


def test_a_path_that_leads_nowhere_is_raised_or_noted(tmp_path: Path):
    records = datasets.rows()
    records[3]["image"] = "images/lost.png"
    folder = datasets.write(tmp_path / "set", records)
    pq.write_table(
        pq.read_table(folder / "media" / "images-000.parquet").slice(5),
        folder / "media" / "images-000.parquet",
    )
    with pytest.raises(BadInput, match=r"images/0.png"):
        _raws(folder)
    faults: list[Fault] = []
    values = _raws(folder, faults)
    assert [f.row for f in faults] == [0, 1, 2, 3, 4]
    assert values["image"][0] is None
    assert values["image"][5] is not None


def test_missing_columns_are_named_with_the_nearest(tmp_path: Path):
    folder = datasets.write(
        tmp_path / "set",
        change=lambda t: t.rename_columns(["sise" if c == "size" else c for c in t.column_names]),
    )
    with pytest.raises(UserError, match=r"unknown column 'size': did you mean 'sise'"):
        Dataset(str(folder), load_manifest(str(folder)))


def test_no_records_and_broken_records_are_said(tmp_path: Path):
    folder = datasets.write(tmp_path / "set")
    manifest = load_manifest(str(folder))
    (folder / "records.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(UserError, match="not readable Parquet"):
        Dataset(str(folder), manifest)
    (folder / "records.parquet").unlink()
    with pytest.raises(UserError, match="no records in"):
        Dataset(str(folder), manifest)


def test_memory_does_not_grow_with_the_set(tmp_path: Path):
    """The index of packed media needs bytes per file; batches are not kept."""
    folder = tmp_path / "set"
    (folder / "media").mkdir(parents=True)
    n = 60_000
    schema = pa.schema([("path", pa.string()), ("bytes", pa.binary())])
    with pq.ParquetWriter(folder / "media" / "m.parquet", schema) as out:
        for start in range(0, n, 2000):
            paths = [f"images/{i:08}.png" for i in range(start, start + 2000)]
            out.write_table(
                pa.table(
                    {"path": paths, "bytes": pa.array([b"x" * 100] * 2000, pa.binary())},
                    schema=schema,
                )
            )
    tracemalloc.start()
    media = Media(str(folder))
    index = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert index < 60 * n
    assert media.fetch(["images/00059999.png", None]) == [b"x" * 100, None]


def test_reading_needs_no_torch():
    code = (
        "import sys, components.data.reader, components.data.digest; "
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]
        ).returncode
        == 0
    )
