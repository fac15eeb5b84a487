"""Records as the report shows them."""

import numpy as np
import pytest

from components.evaluation.previews import NONE, Previews
from tests import synthetic


@pytest.fixture(scope="module")
def previews(tmp_path_factory):
    folder = tmp_path_factory.mktemp("previews") / "features"
    return Previews(features=synthetic.write_features(folder, synthetic.records(60)))


def test_numbers_of_fields_are_short(previews):
    source = synthetic.records(60)
    row = next(r for r in range(60) if (source.raw(r).get("facts") or {}).get("weight"))
    weight = source.raw(row)["facts"]["weight"]
    assert f"<b>weight</b> {weight:.6g}" in previews.show(row, "facts")


def test_the_first_modalities_that_a_record_has_are_shown(previews):
    features, order = previews.features, ["image", "text", "facts"]
    columns = [features.names.index(name) for name in order]
    for row in range(20):
        has = [name for name, c in zip(order, columns, strict=True) if features.present[row, c]]
        assert previews.first(row, order, 2) == "".join(previews.show(row, n) for n in has[:2])


def test_a_record_without_any_of_them_has_a_dash(previews):
    absent = np.flatnonzero(~previews.features.present[:, previews.features.names.index("text")])
    assert NONE in previews.first(int(absent[0]), ["text"], 2)
