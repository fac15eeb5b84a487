"""``concord classify --data``: the champion predicts all records of a data set into one file."""

import pyarrow.parquet as pq
import pytest

from components.config.home import Home
from components.core.errors import UsageError
from components.prediction.predictor import Predictor
from components.registry.promotion import Promotion
from flows.commands.batch import classify_all, one_of_both
from tests import synthetic


@pytest.fixture
def home(first, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(first[1]))
    return Home(root=first[1])


def test_the_champion_answers_every_record(first, home, tmp_path):
    out = tmp_path / "answers.parquet"
    said = classify_all(
        str(first[0].parent / "data"), out=out, model=None, version="champion", config=None
    )
    assert said.value == {
        "model": "tiny",
        "version": 1,
        "records": 240,
        "answered": 240,
        "out": str(out),
    }
    found = pq.read_table(out).to_pylist()
    source = synthetic.records()
    assert [row["id"] for row in found] == source.ids[:240]
    champion = Promotion(home, "tiny").champion()
    (wanted,) = Predictor.load(champion.package).predict([source.raw(7)])
    assert found[7]["label"] == wanted.label
    assert found[7]["confidence"] == pytest.approx(wanted.confidence, abs=1e-6)


def test_a_configuration_names_model_manifest_and_place(first, home, tmp_path):  # noqa: ARG001
    out = tmp_path / "answers.parquet"
    data = str(first[0].parent / "data")
    assert (
        classify_all(data, out=out, model=None, version="1", config=first[0]).value["records"]
        == 240
    )


def test_an_unknown_version_is_told_with_those_that_are(first, home, tmp_path):  # noqa: ARG001
    with pytest.raises(ValueError, match="there are: 1, challenger, champion"):
        classify_all(str(tmp_path), out=tmp_path / "a", model=None, version="9", config=None)


def test_one_record_and_a_whole_data_set_are_two_uses():
    assert one_of_both("data", one=False, all_=True)
    assert not one_of_both(None, one=True, all_=False)
    with pytest.raises(UsageError, match="give either"):
        one_of_both("data", one=True, all_=False)
    with pytest.raises(UsageError, match="belong to --data"):
        one_of_both(None, one=True, all_=True)
    with pytest.raises(UsageError, match="wants --out"):
        classify_all("data", out=None, model=None, version="champion", config=None)
