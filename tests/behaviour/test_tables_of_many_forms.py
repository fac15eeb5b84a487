"""Tables of many encodings, separators, formats and types are read, or refused in words."""

import decimal
import gzip
import json
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, ipc

from components.core.errors import UsageError, UserError
from tests.behaviour.imports import csv, imported
from tests.datasets import png

ROWS = range(30)
CLASSES = ["cat", "d\u00f6g", "eel"]
PLAIN = {
    "id": [f"{i:03}" for i in ROWS],
    "label": [CLASSES[i % 3] for i in ROWS],
    "title": [f"a sm\u00e4ll thing {i}" for i in ROWS],
    "size": [i % 7 for i in ROWS],
}


def _text(separator: str = ",", end: str = "\n") -> str:
    rows = [PLAIN.keys(), *zip(*PLAIN.values(), strict=True)]
    return "".join(separator.join(map(str, row)) + end for row in rows)


ENCODED = {
    "utf-8": (_text().encode(), None),
    "utf-8 with mark": (_text().encode("utf-8-sig"), None),
    "utf-8 with mark, named": (_text().encode("utf-8-sig"), "utf-8"),
    "utf-16 little": (b"\xff\xfe" + _text().encode("utf-16-le"), None),
    "utf-16 big": (b"\xfe\xff" + _text().encode("utf-16-be"), "UTF-16"),
    "utf-16 without mark, named": (_text().encode("utf-16-be"), "utf-16-be"),
    "cp1252, named": (_text().encode("cp1252"), "cp1252"),
    "latin-1, named": (_text().encode("latin-1"), "latin-1"),
    "windows line ends": (_text(end="\r\n").encode(), None),
    "old line ends": (_text(end="\r").encode(), None),
    "semicolons": (_text(";").encode(), None),
    "tabs": (_text("\t").encode(), None),
    "bars": (_text("|").encode(), None),
}


@pytest.mark.parametrize(("content", "encoding"), ENCODED.values(), ids=ENCODED)
def test_text_of_many_encodings_is_the_same_table(
    tmp_path: Path, content: bytes, encoding: str | None
):
    (tmp_path / "t.csv").write_bytes(content)
    found = imported(tmp_path / "t.csv", encoding=encoding)
    assert found.columns == PLAIN
    assert found.fields == {"size": "number"}
    assert found.modalities == {"title": "text"}


def _parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)


def _stream(path: Path, table: pa.Table) -> None:
    with ipc.new_stream(path, table.schema) as file:
        file.write_table(table)


def _lines(path: Path, table: pa.Table) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


WRITERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "t.parquet": _parquet,
    "t.feather": lambda path, table: feather.write_feather(table, str(path)),
    "t.arrow": _stream,
    "t.jsonl": _lines,
    "t.csv.gz": lambda path, _: path.write_bytes(gzip.compress(_text().encode())) and None,
    "t.tsv": lambda path, _: path.write_text(_text("\t"), encoding="utf-8") and None,
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_many_formats_are_the_same_table(tmp_path: Path, name: str):
    WRITERS[name](tmp_path / name, pa.table(PLAIN))
    assert imported(tmp_path / name).columns == PLAIN


REFUSED = {
    "a byte of another encoding": (
        b"id,label,title\na,b,c\nd,e,caf\xe9\n",
        "line 3, column 8: byte 0xe9",
    ),
    "utf-16 without mark": (_text().encode("utf-16-le"), "utf-16-le"),
    "a NUL byte": (b"id,label,title\na,b,c\0d\n", "line 2, cell 3: a NUL byte"),
    "rows of different lengths": (
        b"id,label,title\na,b\nc,d,e\nf,g,h,i\n",
        "line 2 has 2 cells, line 4 has 4 cells; wanted 3",
    ),
    "an open quote": (b'id,label,title\na,b,"c\nd,e,f\n', "the row at line 2"),
    "names that occur twice": (b"id,label,x,title,x,title\n", "'title', 'x' are the names of two"),
    "nothing": (b"", "is empty"),
    "a spreadsheet": (b"PK\x03\x04\xff", "a zip archive or a spreadsheet"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_named_with_its_place(tmp_path: Path, content: bytes, said: str):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError) as error:
        imported(tmp_path / "t.csv")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["latin1252", "hex", "rot13", "a b", ""])
def test_an_encoding_that_does_not_exist_is_one_line(tmp_path: Path, name: str):
    (tmp_path / "t.csv").write_text(_text())
    with pytest.raises(UsageError, match=r"^--encoding: unknown encoding .*latin-1[^\n]*$"):
        imported(tmp_path / "t.csv", encoding=name)


def test_an_encoding_is_for_text_only_and_never_contradicts_a_mark(tmp_path: Path):
    _parquet(tmp_path / "t.parquet", pa.table(PLAIN))
    with pytest.raises(UsageError, match="files of text"):
        imported(tmp_path / "t.parquet", encoding="utf-8")
    (tmp_path / "t.csv").write_bytes(_text().encode("utf-8-sig"))
    with pytest.raises(UsageError, match="begins with the byte order mark of utf-8"):
        imported(tmp_path / "t.csv", encoding="cp1252")


def test_one_wrong_byte_in_a_million_is_found_where_it_is(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv", "id,label,title", lambda i: f"a{i},{i % 2},some words {i}", 3000
    )
    source.write_bytes(source.read_bytes() + "z,1,\u00e4\u00f6".encode() + b"\xff\n")
    with pytest.raises(UserError, match="line 3002, column 7: byte 0xff is not UTF-8"):
        imported(source)


def test_decimal_commas_are_numbers_where_semicolons_separate(tmp_path: Path):
    source = csv(tmp_path / "t.csv", "id;label;price", lambda i: f"a{i};{i % 2};-{i // 2},5")
    found = imported(source)
    assert found.columns["price"][3] == -1.5
    assert any("decimal point" in note for note in found.report.notes)


HALF = [decimal.Decimal(f"{i // 2}.50") for i in ROWS]
IMAGES = [png(i) for i in ROWS]
WORDS = ["red", "blue", "green"] * 10
TYPES: dict[str, tuple[pa.Array, str | None, list | None]] = {
    "category": (pa.array(WORDS).dictionary_encode(), "category", WORDS),
    "category of numbers": (pa.array([1, 2, 3] * 10).dictionary_encode(), "number", [1, 2, 3] * 10),
    "category of views": (
        pa.DictionaryArray.from_arrays(
            pa.array([0, 1] * 15), pa.array(["r", "b"], pa.string_view())
        ),
        "category",
        ["r", "b"] * 15,
    ),
    "string view": (pa.array(WORDS, pa.string_view()), "category", WORDS),
    "large string": (pa.array(WORDS, pa.large_string()), "category", WORDS),
    "bytes": (pa.array(IMAGES), "image", IMAGES),
    "byte view": (pa.array(IMAGES, pa.binary_view()), "image", IMAGES),
    "picture of Hugging Face": (
        pa.array([{"bytes": b, "path": f"{i}.png"} for i, b in enumerate(IMAGES)]),
        "image",
        IMAGES,
    ),
    "bytes of another sort": (pa.array([b"\0\1\2"] * 30), None, None),
    "list of texts": (pa.array([["a", "b"][: i % 3] for i in ROWS]), "set", None),
    "large list": (pa.array([["a"]] * 30, pa.large_list(pa.large_string())), "set", [["a"]] * 30),
    "list of categories": (
        pa.array([["a"]] * 30, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        "set",
        [["a"]] * 30,
    ),
    "list of numbers": (pa.array([[1, 2]] * 30), None, None),
    "list of lists": (pa.array([[["a"]]] * 30), None, None),
    "struct": (pa.array([{"a": 1}] * 30), None, None),
    "empty struct": (pa.array([{}] * 30, pa.struct([])), None, None),
    "map": (pa.array([[("k", 1)]] * 30, pa.map_(pa.string(), pa.int64())), None, None),
    "date": (pa.array([date(2024, 1, 1 + i % 9) for i in ROWS]), None, None),
    "time": (pa.array([time(i % 24) for i in ROWS]), None, None),
    "timestamp": (pa.array([datetime(2024, 1, 1, i % 9, tzinfo=UTC) for i in ROWS]), None, None),
    "duration": (pa.array([timedelta(days=i % 9) for i in ROWS]), None, None),
    "decimal": (pa.array(HALF), "number", [float(h) for h in HALF]),
    "whole decimal": (
        pa.array([decimal.Decimal(i % 7) for i in ROWS], pa.decimal128(38, 0)),
        "number",
        [i % 7 for i in ROWS],
    ),
    "half float": (
        pa.array([i / 4 for i in ROWS], pa.float32()).cast(pa.float16()),
        "number",
        None,
    ),
    "beyond 2^53": (
        pa.array([2**53 + 1 + i % 4 for i in ROWS]),
        "category",
        [str(2**53 + 1 + i % 4) for i in ROWS],
    ),
    "unsigned": (pa.array([2**63 + i % 3 for i in ROWS], pa.uint64()), "category", None),
    "truth": (pa.array([i % 2 == 0 for i in ROWS]), "number", None),
    "uuid": (
        pa.array([uuid.UUID(int=i).bytes for i in ROWS], pa.uuid()),
        None,
        [str(uuid.UUID(int=i)) for i in ROWS],
    ),
    "null": (pa.nulls(30), None, None),
    "not a number": (pa.array([float("nan")] * 30), None, None),
    "blank": (pa.array(["", " ", None] * 10), None, None),
    "running numbers": (pa.array([*ROWS]), None, None),
    "running floats": (pa.array([float(i) if i != 3 else None for i in ROWS]), None, None),
    "different floats": (pa.array([i / 7 for i in ROWS]), "number", None),
}


@pytest.mark.parametrize(("array", "use", "kept"), TYPES.values(), ids=TYPES)
def test_a_column_of_any_type_is_used_or_told(
    tmp_path: Path, array: pa.Array, use: str | None, kept: list | None
):
    table = pa.table({**PLAIN, "extra": array})
    with ipc.new_file(tmp_path / "t.arrow", table.schema) as file:
        file.write_table(table)
    found = imported(tmp_path / "t.arrow")
    assert ({**found.fields, **found.modalities}).get("extra") == use
    assert ("extra" in found.report.columns) == (use is None)
    assert ("# not used: 'extra': " in found.text) == (use is None)
    if kept is not None:
        assert found.columns["extra"] == kept


ROLES = {
    "category": (pa.array(CLASSES * 10).dictionary_encode(), CLASSES * 10),
    "view": (pa.array(CLASSES * 10, pa.string_view()), CLASSES * 10),
    "floats of whole numbers": (pa.array([1.0, None, 2.0] * 10), ["1", None, "2"] * 10),
    "truth": (pa.array([True, False] * 15), ["true", "false"] * 15),
    "dates": (
        pa.array([date(2024, 1, 5), date(2024, 2, 5)] * 15),
        ["2024-01-05", "2024-02-05"] * 15,
    ),
    "bytes of text": (pa.array([b"a", b"b"] * 15), ["a", "b"] * 15),
    "decimals": (
        pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.00")] * 15),
        ["1.50", "2.00"] * 15,
    ),
    "not a number": (pa.array([1.0, float("nan")] * 15), ["1", None] * 15),
}


@pytest.mark.parametrize("role", ["label", "group"])
@pytest.mark.parametrize(("array", "texts"), ROLES.values(), ids=ROLES)
def test_a_role_of_any_type_is_its_text(tmp_path: Path, role: str, array: pa.Array, texts: list):
    _parquet(tmp_path / "t.parquet", pa.table({**PLAIN, role: array}))
    assert imported(tmp_path / "t.parquet").columns[role] == texts


@pytest.mark.parametrize("role", ["id", "group", "split"])
def test_a_role_of_lists_is_refused_in_one_line(tmp_path: Path, role: str):
    _parquet(tmp_path / "t.parquet", pa.table({**PLAIN, role: [["a"]] * 30}))
    with pytest.raises(UserError, match=rf"^[^\n]*column '{role}': got list[^\n]*$"):
        imported(tmp_path / "t.parquet")


def test_class_names_are_read_from_the_metadata_of_hugging_face(tmp_path: Path):
    names = {"names": ["cat", "dog", "eel"], "_type": "ClassLabel"}
    info = {"info": {"features": {"label": names, "tags": {"_type": "Sequence", "feature": names}}}}
    table = pa.table({**PLAIN, "label": [0, 1, -1] * 10, "tags": [[0, 2]] * 30})
    _parquet(
        tmp_path / "t.parquet", table.replace_schema_metadata({"huggingface": json.dumps(info)})
    )
    found = imported(tmp_path / "t.parquet")
    assert found.columns["label"] == ["cat", "dog", None] * 10
    assert found.columns["tags"] == [["cat", "eel"]] * 30
    assert found.fields["tags"] == "set"
