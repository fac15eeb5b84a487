"""Every stored figure is recomputed from stored predictions, and those from the model."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from jsonschema import validate as check_schema
from sklearn.metrics import accuracy_score, f1_score, log_loss

from components.core.errors import UserError
from components.core.refs import digest_folder
from components.evaluation.metrics import Metrics, schema
from components.evaluation.side_by_side import model_rows
from components.model import storage
from components.model.inference import infer
from components.parts.classification import softmax
from tests.evaluated import one_thread, prepare
from tests.synthetic import CLASSES

SUBSETS = ["facts", "image", "text", "facts+image", "facts+text", "image+text", "facts+image+text"]


@pytest.fixture(scope="module", autouse=True)
def _small_tensors():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("evaluate"), n=300)


@pytest.fixture(scope="module")
def out(run):
    return run.evaluate(run.root / "out")


@pytest.fixture(scope="module")
def metrics(out):
    return json.loads((out / "metrics.json").read_text())


def _table(out, name, **keep):
    rows = pq.read_table(out / f"{name}.parquet").to_pylist()
    return [r for r in rows if all(r[k] == v for k, v in keep.items())]


def _f1(labels, said):
    return f1_score(labels, said, labels=sorted(set(labels)), average="macro", zero_division=0)


def test_metrics_follow_their_published_schema(metrics):
    check_schema(metrics, schema())
    assert list(metrics["by_subset"]) == SUBSETS
    assert set(metrics["retrieval"]) == {
        f"{a}->{b}" for a in SUBSETS[:3] for b in SUBSETS[:3] if a != b
    }
    assert set(metrics["retrieval"]["text->image"]) == {
        "recall@1",
        "recall@5",
        "recall@10",
        "mrr",
        "n",
        "gallery",
    }
    assert metrics["selection"]["kept"] == "student"
    assert metrics["label_budget"]["val"] == 0, "no validation label was used"
    assert (
        metrics["label_budget"]["total"]
        == metrics["label_budget"]["train"] + metrics["label_budget"]["val"]
    )


def test_subset_figures_are_those_of_the_stored_answers_by_scikit_learn(out, metrics):
    for key in SUBSETS:
        rows = _table(out, "predictions", split="test", subset=key)
        labels, said = [r["label"] for r in rows], [r["predicted"] for r in rows]
        found = metrics["by_subset"][key]
        assert found["n"] == len(rows)
        assert found["accuracy"] == pytest.approx(accuracy_score(labels, said))
        assert found["macro_f1"] == pytest.approx(_f1(labels, said))


def test_stored_answers_are_those_of_the_model_run_on_its_own_inputs(run, out):
    """Evaluation shares encoder outputs among subsets; here each subset runs separately."""
    model, features = storage.load(run.root / "train" / "model"), run.features
    temperatures = json.loads((out / "calibration.json").read_text())
    number = {record: row for row, record in enumerate(features.ids)}
    for key in SUBSETS:
        rows = _table(out, "predictions", subset=key)
        at = np.array([number[r["id"]] for r in rows])
        logits = infer(model, features.arrays, features.present, at, tuple(key.split("+"))).logits
        stored = np.array([r["probabilities"] for r in rows])
        assert stored == pytest.approx(softmax(logits, temperatures[key]), abs=1e-5)
        assert [r["confidence"] for r in rows] == pytest.approx(stored.max(axis=1))
        assert [r["predicted"] for r in rows] == [
            features.classes[c] for c in stored.argmax(axis=1)
        ]


def test_brier_and_likelihood_are_those_of_the_stored_answers_by_scikit_learn(out, metrics):
    for key in SUBSETS:
        rows = _table(out, "predictions", split="test", subset=key)
        p = np.array([r["probabilities"] for r in rows], dtype=np.float64)
        p /= p.sum(axis=1, keepdims=True)  # they were stored as float32
        codes = np.array([CLASSES.index(r["label"]) for r in rows])
        found = metrics["by_subset"][key]
        assert found["nll"] == pytest.approx(log_loss(codes, p, labels=range(p.shape[1])), rel=1e-4)
        wanted = np.square(p - np.eye(p.shape[1])[codes]).sum(axis=1).mean()
        assert found["brier"] == pytest.approx(wanted, rel=1e-4)


def test_sweeps_begin_with_the_headline_figure_and_show_each_pattern(metrics):
    found = metrics["missing"]
    assert set(found["patterns"]) >= {"at random", "more of common classes", "more of rare classes"}
    for curve in found["patterns"].values():
        assert len(curve["values"]) == len(found["rates"]) == 10
        assert curve["values"][0] == pytest.approx(metrics["accuracy"])
        assert curve["fall"] == pytest.approx(curve["values"][0] - curve["values"][-1])
    alone = [metrics["by_subset"][name]["accuracy"] for name in SUBSETS[:3]]
    last = found["patterns"]["at random"]["values"][-1]
    assert min(alone) - 0.1 < last < metrics["accuracy"]


def test_a_subset_has_exactly_the_records_with_all_its_modalities(run, out):
    for key in SUBSETS:
        columns = [run.features.names.index(n) for n in key.split("+")]
        keep = run.features.present[:, columns].all(axis=1) & (run.features.splits != "train")
        assert [r["id"] for r in _table(out, "predictions", subset=key)] == [
            run.features.ids[r] for r in np.flatnonzero(keep)
        ]


def test_without_pseudo_labels_no_student_is_said_to_have_learned_from_them(metrics):
    read = Metrics.model_validate(metrics)
    assert [row.note for row in model_rows(read) if row.name == "Student"] == [
        "with pseudo-labels",
        "without pseudo-labels",
    ]
    none = read.model_copy(update={"pseudo": {"accepted": 0}})
    rows = [row for row in model_rows(none) if row.name == "Student"]
    assert [row.note for row in rows] == ["visible labels alone"]


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ({"kept": "committee", "share": 0.3}, "committee"),
        ({"kept": "mix"}, "committee and student"),
        ({"kept": "mix", "share": 0.304}, "committee (70%) and student (30%)"),
    ],
)
def test_what_answers_is_named_with_the_shares_that_are_not_even(metrics, selection, said):
    found = metrics | {"selection": selection}
    assert Metrics.model_validate(found).answering == said


def test_headline_figures_are_those_of_the_compared_answers(out, metrics):
    rows = _table(out, "comparisons", split="test")
    labels = [r["label"] for r in rows]
    for column, found in [
        ("chosen", metrics),
        ("supervised_only", metrics["supervised_only"]),
        ("concat", metrics["concat"]),
    ]:
        assert found["accuracy"] == pytest.approx(accuracy_score(labels, [r[column] for r in rows]))
        assert found["macro_f1"] == pytest.approx(_f1(labels, [r[column] for r in rows]))
    assert metrics["majority"]["accuracy"] == pytest.approx(
        accuracy_score(labels, [r["majority"] for r in rows])
    )
    gain = metrics["intervals"]["fused_minus_best_single"]
    assert gain["difference"] == pytest.approx(
        metrics["accuracy"] - metrics["best_single"]["accuracy"]
    )
    assert gain["low"] <= gain["difference"] <= gain["high"]


def test_a_record_is_answered_from_all_that_it_has(run, out):
    has = {i: "+".join(n for n, p in zip(run.features.names, row, strict=True) if p) for i, row in
           zip(run.features.ids, run.features.present, strict=True)}  # fmt: skip
    full = {
        r["id"]: r["predicted"] for r in _table(out, "predictions") if r["subset"] == has[r["id"]]
    }
    assert all(r["chosen"] == full[r["id"]] for r in _table(out, "comparisons"))


def test_the_best_single_was_best_on_held_out_records_and_answers_the_majority_class_where_blind(
    run, out, metrics
):
    assert metrics["best_single"]["name"] == run.features.names[-1]  # see tests.evaluated
    visible = run.features.labels[run.features.rows("train", labelled=True)]
    majority = run.features.classes[int(np.bincount(visible).argmax())]
    number = {record: row for row, record in enumerate(run.features.ids)}
    for column, name in enumerate(run.features.names):
        rows = _table(out, "comparisons", split="test")
        blind = [r for r in rows if not run.features.present[number[r["id"]], column]]
        seeing = [r for r in rows if run.features.present[number[r["id"]], column]]
        assert blind
        assert all(r[f"only-{name}"] == majority for r in blind)
        assert metrics["singles"][name]["n"] == len(seeing)
        where = np.mean([r[f"only-{name}"] == r["label"] for r in seeing])
        assert metrics["singles"][name]["accuracy_where_present"] == pytest.approx(where)


def test_a_modality_that_no_test_record_has_is_not_the_best_single_one(tmp_path):
    run = prepare(tmp_path, n=120)
    present = np.load(tmp_path / "features" / "present.npy")
    present[run.features.splits == "test", -1] = False
    np.save(tmp_path / "features" / "present.npy", present)
    metrics = json.loads((run.evaluate(tmp_path / "out") / "metrics.json").read_text())
    assert metrics["best_single"]["name"] == run.features.names[-2]  # see tests.evaluated


def test_what_is_alike_for_all_records_is_not_the_best_single_one_by_a_tie(tmp_path):
    run = prepare(tmp_path, n=120)
    told = json.loads((tmp_path / "baselines" / "baselines.json").read_text())
    for figures in told["models"].values():
        figures.pop("held_out", None)
    (tmp_path / "baselines" / "baselines.json").write_text(json.dumps(told))
    contents = np.load(tmp_path / "features" / "contents.npy")
    contents[:, 0] = 7
    np.save(tmp_path / "features" / "contents.npy", contents)
    metrics = json.loads((run.evaluate(tmp_path / "out") / "metrics.json").read_text())
    assert metrics["best_single"]["name"] == run.features.names[1]


def test_records_of_subsets_that_are_not_measured_are_answered_together(run, out, monkeypatch):
    monkeypatch.setattr("components.model.subsets._MOST", 5)  # as if three modalities were many
    few = run.evaluate(run.root / "few")
    found = json.loads((few / "metrics.json").read_text())
    assert list(found["by_subset"]) == ["facts", "image", "text", "facts+image+text"]
    # A temperature changes no order, so the answers of all records stay what they are.
    assert _table(few, "comparisons") == _table(out, "comparisons")
    assert "4 of the 7 subsets of 3 modalities are shown" in (few / "report.html").read_text()


def test_the_same_inputs_give_the_same_bytes(run, out):
    assert digest_folder(run.evaluate(run.root / "again")) == digest_folder(out)


def test_one_modality_alone_has_no_pairs_and_no_concat(tmp_path):
    run = prepare(tmp_path, n=120, names=("text",), concat=False)
    metrics = json.loads((run.evaluate(tmp_path / "out") / "metrics.json").read_text())
    assert metrics["retrieval"] == {}
    assert metrics["concat"] is None
    assert list(metrics["by_subset"]) == ["text"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_a_test_split_without_labels_is_refused_and_nothing_is_written(tmp_path):
    run = prepare(tmp_path, n=80, names=("text",), concat=False)
    labels = np.load(tmp_path / "features" / "labels.npy")
    labels[run.features.splits == "test"] = -1
    np.save(tmp_path / "features" / "labels.npy", labels)
    with pytest.raises(UserError, match="no labelled record in the test split"):
        run.evaluate(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
