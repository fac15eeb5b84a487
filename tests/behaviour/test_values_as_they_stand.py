"""An import keeps ids, classes, groups, codes and words as they stand in the table."""

from pathlib import Path

import pytest

from tests.behaviour.imports import csv, imported

HEADER = "id,label,title,extra"
CODES = {
    "zeros in front": ["01067", "1067", "80331"],
    "telephone": ["00493012", "+49301234", "0049"],
    "hexadecimal": ["0x1F", "0x20", "1F"],
    "exponents of no program": ["1e5", "2e5", "3e5"],
    "truth": ["true", "false", "True"],
    "dates": ["2024-01-05", "2024-02-05", "05/01/24"],
    "beyond 2^53": ["9007199254740993", "9007199254740992", "12345678901234567890"],
    "beyond floats": ["1e+400", "1e+05", "1"],
    "words for missing": ["NA", "nan", "None"],
    "more words for missing": ["NULL", "null", "#N/A"],
    "signs": ["-", "?", "+1"],
    "other digits": ["\u0661", "\u0662", "\u0663"],
    "blanks": [" a", "a", "a "],
}


@pytest.mark.parametrize("role", ["id", "label", "group", "extra"])
@pytest.mark.parametrize("values", CODES.values(), ids=CODES)
def test_a_code_stays_as_it_stands_in_every_role(tmp_path: Path, role: str, values: list[str]):
    rows = 30
    cells = {
        "id": [f"a{i}" for i in range(rows)],
        "label": ["cat", "dog", "eel"] * 10,
        "title": [f"a small thing number {i}" for i in range(rows)],
        "group": [f"g{i // 2}" for i in range(rows)],
        "extra": ["x", "y", "z"] * 10,
    }
    cells[role] = [v + f"-{i}" * (role == "id") for i, v in enumerate(values * 10)]
    lines = [",".join(cells), *(",".join(row) for row in zip(*cells.values(), strict=True))]
    source = tmp_path / "t.csv"
    source.write_text("\n".join(lines), encoding="utf-8")
    found = imported(source)
    assert found.columns[role] == cells[role]
    assert found.fields == {"extra": "category"}


def test_long_ids_and_ids_that_differ_in_zeros_only_stay_ids(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv",
        "id,label,title",
        lambda i: f"{'0' * (1 - i % 2)}{i // 2},{i % 3},a b {i}",
    )
    found = imported(source)
    assert found.manifest.id == "id"
    assert found.columns["id"] == [f"{'0' * (1 - i % 2)}{i // 2}" for i in range(60)]


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        (["1", "2", "", "2"], [1, 2, None, 2]),
        (["1.5", "1e-05", "2.5E+3", "-.5"], [1.5, 1e-05, 2500.0, -0.5]),
        (["1", "NA", "1", " 2 "], [1, None, 1, 2]),
        (["0.1", "-", "?", "0.30000000000000004"], [0.1, None, None, 0.30000000000000004]),
        (["9007199254740992", "0", "0", "-1"], [9007199254740992, 0, 0, -1]),
    ],
)
def test_a_column_of_nothing_but_numbers_is_numbers(tmp_path: Path, cells: list, kept: list):
    rows = "".join(f'a{i},{"xy"[i % 2]},"{c}"\n' for i, c in enumerate(cells))
    (tmp_path / "t.csv").write_text("id,label,size\n" + rows)
    found = imported(tmp_path / "t.csv")
    assert found.columns["size"] == kept
    assert found.fields == {"size": "number"}
    told = [note for note in found.report.notes if "as empty" in note]
    assert len(told) == any(c in ("NA", "-", "?") for c in cells)


def test_the_last_cell_decides_the_type_as_the_first_does(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv",
        HEADER,
        lambda i: f"a{i},{i % 2},a b {i},{i % 9 if i < 4999 else 'x'}",
        5000,
    )
    found = imported(source)
    assert found.columns["extra"][:2] == ["0", "1"]
    assert found.columns["extra"][-1] == "x"
    said = "column 'extra': text, for 1 of its 5,000 cells is not a number: 'x' in row 5,000"
    assert said in found.report.notes


def test_an_unused_column_of_numbers_names_its_odd_cells(tmp_path: Path):
    def row(i: int) -> str:
        return f"a{i},{i % 2},a b {i},{'12 kg' if i in (20, 90) else i / 7}"

    found = imported(csv(tmp_path / "t.csv", HEADER, row, 200))
    assert found.report.columns["extra"] == (
        "text, for 2 of its 200 cells are not numbers: '12 kg' in row 21, '12 kg' in row 91; "
        "correct or empty them, and import again"
    )
    assert not any("extra" in note for note in found.report.notes)


def test_a_class_that_looks_like_a_missing_value_is_told(tmp_path: Path):
    found = imported(
        csv(tmp_path / "t.csv", "id,label,title", lambda i: f"a{i},{['NA', 'DE'][i % 2]},a b {i}")
    )
    assert set(found.columns["label"]) == {"NA", "DE"}
    assert any("'NA' is a class of 30 records" in note for note in found.report.notes)
    assert "# label: 'NA' is a class" in found.text
