"""Categorical attributes: equal numbers for equal values, and none for what is not known."""

from components.features.categories import categories
from tests.synthetic import records, write_features


def test_records_have_equal_codes_where_their_values_are_equal(tmp_path):
    source = records(120)
    found = categories(write_features(tmp_path / "features", source))
    assert found.names == ("facts.colour", "facts.tags", "class")
    facts = [raw or {} for raw in source.raws["facts"]]
    values = [
        [cells.get("colour") for cells in facts],
        [cells.get("tags") and tuple(sorted(cells["tags"])) for cells in facts],
        source.label,
    ]
    for column, cells in zip(found.codes.T.tolist(), values, strict=True):
        assert [code == -1 for code in column] == [cell is None for cell in cells]
        known = [(code, cell) for code, cell in zip(column, cells, strict=True) if code >= 0]
        assert len(set(known)) == len({code for code, _ in known}) == len({c for _, c in known})
