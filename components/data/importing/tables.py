"""Reads a file as a table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from components.core.errors import UserError

TABLES = (".csv", ".tsv", ".parquet")


def read_table(source: Path, encoding: str | None) -> pa.Table:
    """Read a file as a table, by its suffix."""
    suffix = source.suffix.lower()
    if suffix not in TABLES:
        raise UserError(
            f"{source}: got {suffix or 'no suffix'}, wanted a table ({', '.join(TABLES)}) "
            "or a folder with a folder per class"
        )
    try:
        if suffix == ".parquet":
            return pq.read_table(source)
        separator = pacsv.ParseOptions(
            delimiter="\t" if suffix == ".tsv" else ",", newlines_in_values=True
        )
        empty = pacsv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA", "NaN", "nan"])
        return pacsv.read_csv(
            source,
            pacsv.ReadOptions(encoding=encoding or "utf8"),
            parse_options=separator,
            convert_options=empty,
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{source} is not a readable {suffix[1:]} table ({error})") from error
