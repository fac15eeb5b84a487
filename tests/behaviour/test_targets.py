"""Sets of classes, and no classes at all, from the run to the answers."""

import json

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score

from components.config import run as configuration
from components.config.home import Home
from components.config.run import GateConfig
from components.core.errors import UserError
from components.data.manifest import load_manifest
from components.evaluation import standing
from components.features.store import Features
from components.prediction.batch import predict
from components.prediction.predictor import Predictor
from components.registry.gate import Rows, decide, terms
from components.registry.mlflow_pyfunc import PyfuncModel, _signature
from flows.steps import table
from flows.steps.step import Job, walk
from serving.interface.limits import Limits
from serving.live.answers import Answers
from tests import served, tiny, tiny_multi

SHORT = {"epochs: 8": "epochs: 4"}
NO_LABELS = {"  labels: {file: labelled.parquet, column: visible}\n": ""}


class Ran:
    """The outputs of every step of a run, by name."""

    def __init__(self, folder, kind):
        data = tiny_multi.make(folder / "data", 160, kind)
        path = tiny.config(folder, data, SHORT | (NO_LABELS if kind == "none" else {}))
        job = Job.opened(configuration.load(path), base=folder, home=Home(root=folder / "home"))
        rows = table.steps_for(job.config, job.manifest, job.base)
        self.at = {result.name: result.ref.path for result in walk(rows, job)}
        self.data, self.package = data, self.at["package"] / "package"
        self.features = Features.load(self.at["encode"])
        self.metrics = json.loads((self.at["evaluate"] / "metrics.json").read_text())

    def rows(self):
        """What the gate compares."""
        return standing.comparable(
            pq.read_table(self.at["evaluate"] / "comparisons.parquet"), self.features
        )

    def client(self):
        """A client of the service."""
        limits = Limits.read(self.package)
        answers = Answers(Predictor.load(self.package), limits=limits, name="tiny", version=1)
        return served.client(answers, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return Ran(tmp_path_factory.mktemp("multi"), "multi")


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    return Ran(tmp_path_factory.mktemp("none"), "none")


@pytest.fixture(params=["sets", "nothing"])
def ran(request):
    return request.getfixturevalue(request.param)


def test_the_figure_of_a_run_of_sets_is_scikit_learns(sets):
    rows = sets.rows()
    test = rows["split"] == "test"
    labels, scores = rows["label"][test], rows["chosen"][test]
    wanted = average_precision_score(labels, scores, average="macro")
    assert sets.metrics["primary"] == "macro_map"
    assert sets.metrics["macro_map"] == pytest.approx(wanted, abs=1e-6)
    assert wanted > sets.metrics["majority"]["macro_map"]
    each = {c: f["average_precision"] for c, f in sets.metrics["by_class"].items()}
    assert sorted(each) == sorted(tiny_multi.CLASSES)
    assert np.mean(list(each.values())) == pytest.approx(wanted, abs=1e-6)
    page = (sets.at["evaluate"] / "report.html").read_text()
    assert "Macro mAP" in page
    assert "Which classes does it know?" in page
    assert "macro mAP" in (sets.package / "card.md").read_text().replace("Macro mAP", "macro mAP")


def test_thresholds_of_the_package_serve_answers(sets):
    kept = json.loads((sets.package / "thresholds.json").read_text())
    found = Predictor.load(sets.package)
    assert found.target.thresholds == [kept[c] for c in found.classes]
    answer = found.predict([{"text": "round ring ball"}])[0]
    given = [c for c, p in answer.probabilities.items() if p >= kept[c]]
    assert list(answer.labels) == given
    assert answer.label is None


def test_the_service_gives_sets(sets):
    with sets.client() as client:
        response = client.post("/v1/classify", json={"records": [{"text": "round ring"}]})
        body = response.json()
        assert response.status_code == 200, body
        (answer,) = body["answers"]
        assert set(answer) == {"answer_id", "labels", "probabilities", "ood_score", "modalities"}
        assert set(answer["labels"]) <= set(tiny_multi.CLASSES)
        ask = {"query": {"text": "round ring"}, "filter": {"labels": ["even"]}, "k": 5}
        hits = client.post("/v1/search", json=ask).json()["hits"]
        assert hits
        assert all("even" in hit["label"] for hit in hits)


def test_a_table_of_answers_has_sets(sets, tmp_path):
    out = tmp_path / "answers.parquet"
    counts = predict(
        predictor=Predictor.load(sets.package), data_uri=str(sets.data),
        manifest=load_manifest(str(sets.data)), out=out,
    )  # fmt: skip
    found = pq.read_table(out)
    assert counts.answered == len(found) == 160
    assert found.column_names[:4] == ["id", "labels", "ood_score", "abstained"]
    assert any(found["labels"].to_pylist())


def test_mlflow_is_told_what_is_answered(ran):
    outputs = _signature({"text": "text"}, ran.package).outputs
    if ran.features.target.width:
        assert outputs.input_names() == ["labels", "probabilities"]
    else:
        assert outputs is None


def test_pyfunc_answers_with_sets(sets):
    import pandas as pd

    found = PyfuncModel(sets.package).predict(pd.DataFrame({"text": ["round ring"]}))
    assert isinstance(found["labels"][0], list)


@pytest.mark.parametrize("better", [True, False])
def test_the_gate_decides_by_the_targets_own_figure(ran, better):
    rows, config = ran.rows(), terms(GateConfig(resamples=200), ran.features.target.primary)
    test = rows["split"] == "test"
    mine, theirs = rows["chosen"][test], rows["majority"][test]
    mine, theirs = (mine, theirs) if better else (theirs, mine)
    decision = decide(
        Rows(labels=rows["label"][test], challenger=mine, champion=theirs),
        challenger="a", champion="b", rows_digest="c", config=config,
    )  # fmt: skip
    assert decision.verdict == ("promote" if better else "keep")
    assert config.metric in decision.reasons[0]


def test_an_earlier_version_answers_as_it_was_measured(ran):
    rows = ran.rows()
    again = standing.answers(ran.package, ran.features)
    found = np.array([again[i] for i in rows["id"]])
    np.testing.assert_allclose(found, rows["chosen"], atol=1e-5)


def test_a_metric_of_another_target_is_refused():
    with pytest.raises(UserError, match="wanted one that the data set's target has: macro_map"):
        terms(GateConfig(metric="accuracy"), "macro_map")


def test_a_model_without_classes_finds_and_says_that_it_does_not_classify(nothing):
    assert nothing.metrics["primary"] is None
    assert nothing.metrics["recall@10"] > 0
    assert "no classifier" in (nothing.at["evaluate"] / "report.html").read_text()
    with nothing.client() as client:
        refused = client.post("/v1/classify", json={"records": [{"text": "round ring"}]})
        assert refused.status_code == 422
        assert "has no classifier" in refused.json()["message"]
        found: httpx.Response = client.post(
            "/v1/search", json={"query": {"text": "round ring"}, "target": "image", "k": 3}
        )
        assert len(found.json()["hits"]) == 3
        assert client.get("/v1/model").json()["classes"] == []


def test_the_fused_vector_of_a_model_without_classes_is_the_mean_of_the_aligned(nothing):
    predictor = Predictor.load(nothing.package)
    found = predictor.classifier.embed({"text": "round ring", "facts": {"weight": 3.0}})
    mean = found["text"] + found["facts"]
    np.testing.assert_allclose(found["fused"], mean / np.linalg.norm(mean), atol=1e-5)
