"""What stands in a user's table comes out again: import, check, and the answers of a batch."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.progress import silent
from components.data.importing.dataset import import_dataset
from components.data.manifest import Manifest, load_manifest
from components.data.reader import Dataset
from components.prediction.batch import predict
from components.prediction.predictor import Predictor
from components.validation.examine import build_checks, read
from tests.packaged import packed

# Values that some reader somewhere takes for a number, a truth value, a date or nothing.
_TRAPS = [
    *("NA", "nan", "NaN", "None", "null", "NULL", "N/A", "#N/A", "-", "?", "inf", "true", "False"),
    *("no", "on", "0x1F", "1e5", "12e3", "01067", "007", "1.0", "-0", "+49", "1_000", "1,5"),
    *("12:30", "2024-01-01", "10:00:00", "é", "e\u0301", "日本", "ﬁ", "a b", "#1", "=1+1", "'x'"),
    *('"quoted"', "a,b", "a;b", "a\tb", "a|b", "\\n", " lead", "trail ", "😀"),
    *("9007199254740993", "123456789012345678901234567890", "00", "0", "1"),
]
_WORDS = ["a", "small", "red", "box", "大きな箱", "большой", "ящик", "กล่อง", "ärger", "naïve"]

_letters = st.characters(exclude_categories=("C", "Z"))
_codes = st.one_of(
    st.sampled_from(_TRAPS),
    st.integers(0, 10**19).map(lambda n: f"{n:05}"),
    st.text(_letters, min_size=1, max_size=8),
)
_numbers = st.one_of(
    st.integers(-(2**53), 2**53),
    st.floats(-1e30, 1e30, allow_nan=False, allow_subnormal=False),
    st.none(),
)


@dataclass(frozen=True)
class Table:
    """Columns as the user means them; None is an empty cell."""

    ids: list[str]
    labels: list[str | None]
    groups: list[str]
    words: list[str]
    name: str
    numbers: list[float | None]

    def columns(self) -> dict[str, list[str | None] | list[str] | list[float | None]]:
        return {
            "id": self.ids,
            "label": self.labels,
            "group": self.groups,
            "words": self.words,
            self.name: self.numbers,
        }


@st.composite
def tables(draw: st.DrawFn) -> Table:
    ids = draw(st.lists(_codes, min_size=4, max_size=12, unique=True))
    n = len(ids)
    classes = draw(st.lists(_codes, min_size=2, max_size=4, unique=True))
    labels = draw(st.lists(st.one_of(st.sampled_from(classes), st.none()), min_size=n, max_size=n))
    labels[0], labels[1] = classes[0], classes[1]
    groups = draw(st.lists(_codes, min_size=n, max_size=n))
    words = [
        " ".join(draw(st.lists(st.sampled_from(_WORDS), min_size=5, max_size=9))) + f" {row}"
        for row in range(n)
    ]
    taken = {"id", "label", "group", "words", "split", "class", "target", "y", "key", "uid"}
    name = draw(
        st.one_of(
            st.sampled_from(["weight", "title 😀", "a: b", "#", "null", "true", "'", '"', "x\ny"]),
            st.text(_letters, min_size=1, max_size=6),
        ).filter(lambda name: name.lower() not in taken)
    )
    numbers = draw(st.lists(_numbers, min_size=n, max_size=n))
    return Table(ids, labels, groups, words, name, numbers)


def _frame(table: Table) -> pd.DataFrame:
    texts = {c: pd.Series(v, dtype=object) for c, v in table.columns().items() if c != table.name}
    return pd.DataFrame(texts | {table.name: pd.Series(table.numbers, dtype="float64")})


def _polars(table: Table) -> pl.DataFrame:
    texts = {c: pl.Series(c, v, dtype=pl.String) for c, v in table.columns().items()
             if c != table.name}  # fmt: skip
    numbers = pl.Series(table.name, [None if v is None else float(v) for v in table.numbers],
                        dtype=pl.Float64)  # fmt: skip
    return pl.DataFrame([*texts.values(), numbers])


def _arrow(table: Table) -> pa.Table:
    texts = {c: pa.array(v, pa.string()) for c, v in table.columns().items() if c != table.name}
    return pa.table(texts | {table.name: pa.array(table.numbers, pa.float64())})


def _by_hand(encoding: str, quoting: int, separator: str) -> Callable[[Table, Path], None]:
    def write(table: Table, to: Path) -> None:
        with to.open("w", newline="", encoding=encoding) as file:
            writer = csv.writer(file, quoting=quoting, delimiter=separator)  # type: ignore[arg-type]
            writer.writerow(table.columns())
            writer.writerows(zip(*table.columns().values(), strict=True))

    return write


def _duckdb(table: Table, to: Path) -> None:
    frame = _arrow(table)  # noqa: F841 - DuckDB reads it by its name
    how = "(FORMAT csv, HEADER)" if to.suffix == ".csv" else "(FORMAT parquet)"
    with duckdb.connect() as connection:
        connection.sql(f"COPY (SELECT * FROM frame) TO '{to}' {how}")  # noqa: S608 - a path of the test


_WRITERS: dict[str, tuple[str, Callable[[Table, Path], None]]] = {
    "csv": (".csv", _by_hand("utf-8", csv.QUOTE_MINIMAL, ",")),
    "csv, quoted, with mark": (".csv", _by_hand("utf-8-sig", csv.QUOTE_ALL, ",")),
    "csv, UTF-16": (".csv", _by_hand("utf-16", csv.QUOTE_MINIMAL, ",")),
    "tsv": (".tsv", _by_hand("utf-8", csv.QUOTE_MINIMAL, "\t")),
    "pandas csv": (".csv", lambda t, to: _frame(t).to_csv(to, index=False)),
    "pandas parquet": (".parquet", lambda t, to: _frame(t).to_parquet(to)),
    "pandas categories": (
        ".parquet",
        lambda t, to: _frame(t).astype({"label": "category", "id": "category"}).to_parquet(to),
    ),
    "polars csv": (".csv", lambda t, to: _polars(t).write_csv(to)),
    "polars parquet": (".parquet", lambda t, to: _polars(t).write_parquet(to)),
    "polars categories": (
        ".parquet",
        lambda t, to: (
            _polars(t).with_columns(pl.col("label", "group").cast(pl.Categorical)).write_parquet(to)
        ),
    ),
    "arrow csv": (".csv", lambda t, to: pacsv.write_csv(_arrow(t), to)),
    "arrow parquet": (".parquet", lambda t, to: pq.write_table(_arrow(t), to)),
    "duckdb csv": (".csv", _duckdb),
    "duckdb parquet": (".parquet", _duckdb),
}


@given(table=tables(), writer=st.sampled_from(sorted(_WRITERS)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_ids_classes_groups_and_texts_come_back_as_they_were(table: Table, writer: str) -> None:
    suffix, write = _WRITERS[writer]
    with TemporaryDirectory() as folder:
        source, target = Path(folder, f"t{suffix}"), Path(folder, "ds")
        write(table, source)
        import_dataset(source, target)
        manifest = load_manifest(str(target))
        _check_records(table, target, manifest)
        out = Path(folder, "answers.parquet")
        served = _as_served(manifest)
        predict(predictor=_predictor(), data_uri=str(target), manifest=served, out=out)
        assert pq.read_table(out)["id"].to_pylist() == table.ids


@cache
def _predictor() -> Predictor:
    return Predictor.load(packed().package)


def _check_records(table: Table, folder: Path, manifest: Manifest) -> None:
    """Compare with what ``data check`` sees."""
    checks, _ = build_checks(manifest, {})
    chunks = list(read(Dataset(str(folder), manifest), checks, None, silent))
    assert [i for c in chunks for i in c.ids] == table.ids
    assert [label for c in chunks for label in c.labels] == table.labels
    assert [g for c in chunks for g in c.groups] == table.groups
    records = pq.read_table(folder / "records.parquet")
    assert records["words"].to_pylist() == table.words
    used = {c: spec for m in manifest.modalities.values() for c, spec in (m.columns or {}).items()}
    if any(n != int(n) for n in table.numbers if n is not None):  # else they may be codes
        assert used[table.name].type == "number"
        assert records[table.name].to_pylist() == table.numbers


def _as_served(manifest: Manifest) -> Manifest:
    """The text column alone, under the name that the package gives it."""
    tree = manifest.resolved()
    tree["modalities"] = {"text": {"kind": "text", "column": "words"}}
    return Manifest.model_validate(tree)
