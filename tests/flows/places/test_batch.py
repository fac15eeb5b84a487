"""``concord classify`` and ``embed``: the champion answers one record, a file or a data set."""

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.home import Home
from components.core.errors import UsageError, UserError
from components.parts.filters import In
from components.prediction.asking import Ask, Example
from components.prediction.predictor import Predictor
from components.registry.promotion import Promotion
from flows.cli.endpoint import is_batch
from flows.commands import asking
from flows.commands.batch import Batch, classify_all, embed_all
from serving.client import Client, NoEndpoint
from tests import synthetic


@pytest.fixture
def home(first, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(first[1]))
    return Home(root=first[1])


@pytest.fixture
def predictor(home):
    return Predictor.load(Promotion(home, "tiny").champion().package)


def test_the_champion_answers_every_record(first, predictor, tmp_path):
    out = tmp_path / "answers.parquet"
    said = classify_all(Batch(source=str(first[0].parent / "data"), out=out))
    assert said.value == {
        "model": "tiny",
        "version": 1,
        "records": 240,
        "answered": 240,
        "partly": 0,
        "out": str(out),
    }
    found = pq.read_table(out).to_pylist()
    source = synthetic.records()
    assert [row["id"] for row in found] == source.ids[:240]
    (wanted,) = predictor.predict([source.raw(7)])
    assert found[7]["label"] == wanted.label
    assert found[7]["confidence"] == pytest.approx(wanted.confidence, abs=1e-6)


def test_a_file_of_records_is_answered_and_embedded(home, predictor, tmp_path):  # noqa: ARG001
    pq.write_table(pa.table({"text": ["ring", None]}), tmp_path / "records.parquet")
    batch = Batch(source=str(tmp_path / "records.parquet"), out=tmp_path / "out.parquet")
    assert classify_all(batch).value["answered"] == 1
    assert embed_all(batch).value["answered"] == 1
    vectors = pq.read_table(batch.out).to_pylist()
    wanted = predictor.classifier.embed({"text": "ring"})["fused"]
    assert vectors[0]["fused"] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert vectors[1]["fused"] is None


@pytest.mark.parametrize("column", ["number", "id"])
def test_that_records_of_a_file_are_named_by_number_is_told(home, tmp_path, capsys, column):  # noqa: ARG001
    (tmp_path / "r.csv").write_text(f"{column},text\nr1,ring\n")
    classify_all(Batch(source=str(tmp_path / "r.csv"), out=tmp_path / "out.parquet"))
    assert ("has no column `id`" in capsys.readouterr().err) == (column != "id")
    named = {"number": "0", "id": "r1"}[column]
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == [named]


def test_a_configuration_names_model_manifest_and_place(first, home, tmp_path):  # noqa: ARG001
    data = str(first[0].parent / "data")
    batch = Batch(source=data, out=tmp_path / "answers.parquet", version="1", config=first[0])
    assert classify_all(batch).value["records"] == 240


def test_an_unknown_version_is_told_with_those_that_are(home, tmp_path):  # noqa: ARG001
    with pytest.raises(ValueError, match="there are: 1, challenger, champion"):
        classify_all(Batch(source=str(tmp_path), out=tmp_path / "a", version="9"))


def test_one_record_and_a_batch_are_two_uses(tmp_path):
    nothing = {"url": None, "out": None, "config": None}
    out = tmp_path / "a.parquet"
    assert is_batch("data", one=False, **{**nothing, "out": out})
    assert not is_batch(None, one=True, **nothing)
    with pytest.raises(UsageError, match="give either"):
        is_batch("data", one=True, **{**nothing, "out": out})
    with pytest.raises(UsageError, match="belong to FILE or DATASET"):
        is_batch(None, one=True, **{**nothing, "out": out})
    with pytest.raises(UsageError, match="needs --out"):
        is_batch("data", one=False, **nothing)


RING = ([], ["text=ring"], [])
"""The options of one record."""


@pytest.fixture
def nobody(monkeypatch):
    """No endpoint on the usual port."""
    monkeypatch.setattr(asking, "URL", "http://127.0.0.1:9")


def test_where_no_endpoint_runs_the_champion_answers_here(home, predictor, nobody):  # noqa: ARG001
    said = asking.classify(RING, None, None, None)
    (wanted,) = predictor.predict([{"text": "ring"}])
    assert said.value["answers"][0]["probabilities"] == pytest.approx(wanted.probabilities)
    assert said.value["model"]["version"] == 1
    assert "tiny version 1, loaded here" in said.text
    ring = asking.Search(given=RING, target="image", k=3)
    found = asking.search(ring, None, None, "champion")
    hits = predictor.search({"text": "ring"}, target="image", k=3)
    assert [hit["id"] for hit in found.value["hits"]] == [hit.id for hit in hits]
    assert len(asking.embed(RING, None, "tiny", None).value["embeddings"][0]["fused"]) == len(
        predictor.classifier.embed({"text": "ring"})["fused"]
    )


def test_a_search_takes_records_of_the_index_and_a_filter(home, predictor, nobody):  # noqa: ARG001
    one, other = (hit.id for hit in predictor.search({"text": "ring"}, k=2))
    where = '{"field": "has", "in": ["image"]}'
    wanted = asking.Search(like=[one], unlike=[other], where=where, k=5)
    found = asking.search(wanted, None, None, "champion").value["hits"]
    ask = Ask(like=[Example(id=one)], unlike=[Example(id=other)], where=In("has", ("image",)), k=5)
    assert [hit["id"] for hit in found] == [hit.id for hit in predictor.searcher.search(ask).hits]
    assert not {one, other} & {hit["id"] for hit in found}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "give at least one modality"),
        ({"like": ["nobody"]}, "'nobody', wanted the id of a record of the index"),
        ({"given": RING, "where": "{"}, "--filter: got '{', wanted the JSON of a filter"),
        ({"given": RING, "where": '{"field": "size", "in": [1]}'}, "size"),
    ],
)
def test_a_search_that_cannot_be_asked_names_what_is_wrong(home, nobody, wanted, said):  # noqa: ARG001
    with pytest.raises(UserError, match=said):
        asking.search(asking.Search(**wanted), None, None, "champion")


def test_an_endpoint_that_is_named_must_answer(home, nobody, tmp_path, monkeypatch):  # noqa: ARG001
    with pytest.raises(NoEndpoint):
        asking.classify(RING, "http://127.0.0.1:9", None, None)
    with pytest.raises(UsageError, match="give one"):
        asking.classify(RING, "http://127.0.0.1:9", "tiny", None)
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "none"))
    with pytest.raises(NoEndpoint):
        asking.classify(RING, None, None, None)


def test_an_endpoint_that_answers_is_asked(home, monkeypatch):  # noqa: ARG001
    body = {"answers": [{"probabilities": {"cross": 1.0}, "label": "cross"}]}
    there = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    monkeypatch.setattr(asking, "Client", lambda url: Client(url, transport=there))
    assert "answered by http://127.0.0.1:3000" in asking.classify(RING, None, None, None).text
