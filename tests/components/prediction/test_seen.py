"""What the fields of a package's records hold; the raw records are the oracle."""

from collections import Counter

from components.prediction.predictor import Predictor
from components.prediction.seen import Seen, seen
from tests.packaged import packed


def test_values_and_ranges_are_those_of_the_records():
    predictor = Predictor.load(packed().package)
    specs = {n: m.spec for n, m in predictor.modalities.items()}
    found = seen(predictor.collection.packaged, specs)
    facts = [f for f in packed().source.raws["facts"] if f]
    weights = [f["weight"] for f in facts if f["weight"] is not None]
    weight = found["facts", "weight"]
    assert (weight.lowest, weight.highest, weight.values) == (min(weights), max(weights), None)
    colours = Counter(f["colour"] for f in facts if f["colour"])
    assert found["facts", "colour"].counts == colours
    assert found["facts", "colour"].values == sorted(colours, key=lambda c: (-colours[c], c))
    tags = Counter(tag for f in facts for tag in f["tags"] or ())
    assert found["facts", "tags"].counts == tags


def test_too_many_values_are_none_to_choose_from():
    names = Seen()
    for n in range(50):
        names.add(f"name {n}")
    assert len(names.values) == 50
    names.add("one more")
    assert names.values is None
