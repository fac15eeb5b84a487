"""Which training labels a run may see."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import Labels
from components.core.errors import UserError
from components.data.labels import visible_ids


def test_true_rows_are_visible_and_empty_ones_are_not(tmp_path: Path):
    pq.write_table(
        pa.table({"id": ["a", "b", "c"], "few": [True, None, False], "n": [1, 2, 3]}),
        tmp_path / "l.parquet",
    )
    assert visible_ids(str(tmp_path), Labels(file="l.parquet", column="few")) == {"a"}
    assert visible_ids(str(tmp_path), None) is None
    with pytest.raises(UserError, match=r"unknown boolean column 'fex': did you mean 'few'"):
        visible_ids(str(tmp_path), Labels(file="l.parquet", column="fex"))
    with pytest.raises(UserError, match="boolean column 'n'"):
        visible_ids(str(tmp_path), Labels(file="l.parquet", column="n"))
    with pytest.raises(UserError, match="no label file 'other'"):
        visible_ids(str(tmp_path), Labels(file="other", column="few"))
