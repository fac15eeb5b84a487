"""A packaged model predicts from raw values as evaluation did, and refuses bad input."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.config.run import DataConfig, RunConfig
from components.core.errors import BadInput, UserError
from components.core.files import read_json
from components.core.refs import digest_folder
from components.parts import loading as parts
from components.prediction.package import package
from components.prediction.predictor import Predictor
from tests.evaluated import one_thread, prepare


@pytest.fixture(scope="module", autouse=True)
def _small_tensors():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    root = tmp_path_factory.mktemp("packaged")
    run = prepare(root, n=200)
    run.evaluate(root / "evaluation")
    (root / "packed").mkdir()
    config = RunConfig(name="shapes", data=DataConfig(uri="/somewhere/private/shapes"))
    package(
        features=root / "features",
        train=root / "train",
        evaluation=root / "evaluation",
        config=config,
        out=root / "packed",
    )
    return run, root / "packed" / "package"


@pytest.fixture(scope="module")
def predictor(packaged):
    return Predictor.load(packaged[1])


def test_raw_values_get_the_probabilities_that_evaluation_stored_for_every_subset(
    packaged, predictor
):
    run, folder = packaged
    rows = {record: row for row, record in enumerate(run.source.ids)}
    stored = pq.read_table(folder.parents[1] / "evaluation" / "predictions.parquet").to_pylist()
    assert {s["subset"] for s in stored} == set(predictor.classifier.temperatures)
    asked = [{m: run.source.raws[m][rows[s["id"]]] for m in s["subset"].split("+")} for s in stored]
    for start in range(0, len(asked), 50):
        for answer, s in zip(
            predictor.predict(asked[start : start + 50]), stored[start : start + 50], strict=True
        ):
            assert list(answer.probabilities.values()) == pytest.approx(
                s["probabilities"], abs=1e-4
            )
            assert answer.label == s["predicted"]
            assert answer.modalities == tuple(s["subset"].split("+"))
            assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_a_record_is_answered_alike_alone_and_among_others(packaged, predictor):
    records = [packaged[0].source.raw(row) for row in range(20)]
    for together, record in zip(predictor.predict(records), records, strict=True):
        (alone,) = predictor.predict([record])
        assert list(alone.probabilities.values()) == pytest.approx(
            list(together.probabilities.values()), abs=1e-4
        )
        for name, vector in alone.embeddings.items():
            assert vector == pytest.approx(together.embeddings[name], abs=1e-4)
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


def test_what_one_modality_says_is_the_softmax_of_its_logits_at_its_own_temperature(
    packaged, predictor
):
    (answer,) = predictor.predict([packaged[0].source.raw(0)])
    found = predictor.classifier.contributions(answer)
    assert tuple(found) == answer.modalities
    for name, said in found.items():
        logits = answer.modality_logits[name].astype(float)
        heat = predictor.classifier.temperatures.get(name, 1.0)
        wanted = np.exp(logits / heat) / np.exp(logits / heat).sum()
        assert list(said.probabilities.values()) == pytest.approx(wanted.tolist(), abs=1e-6)
        assert said.label == predictor.classes[int(np.argmax(wanted))]
        assert said.confidence == pytest.approx(float(wanted.max()))


def test_no_records_no_answers(predictor):
    assert predictor.predict([]) == []


def test_a_record_finds_itself_by_each_modality_and_fused(packaged, predictor):
    source = packaged[0].source
    for row in range(12):
        record = source.raw(row)
        for name, raw in record.items():
            best = predictor.search({name: raw}, target=name, k=3)
            assert best[0].score == pytest.approx(1, abs=1e-3)
            assert source.ids[row] in {
                h.id for h in predictor.search({name: raw}, target=name, k=40) if h.score > 0.999
            }
        hits = predictor.search(record, k=5)
        assert any(h.id == source.ids[row] for h in hits if h.score > 0.999)
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def _stored(folder, target):
    """The vectors of an index, by record id."""
    index = parts.load("index", "exact").open(folder / "index" / target)
    (found,) = index.search(np.eye(1, 16, dtype=np.float32), len(index))
    return dict(zip(found.ids, index.vectors_of(found.ids), strict=True))


def test_search_is_the_full_sort_of_cosines(packaged, predictor):
    folder = packaged[1]
    query = predictor.predict([{"text": "round ring ball"}])[0].embeddings["text"]
    scores = {i: float(vector @ query) for i, vector in _stored(folder, "image").items()}
    wanted = sorted(scores, key=lambda i: (-scores[i], i))[:10]
    hits = predictor.search({"text": "round ring ball"}, target="image", k=10)
    assert [h.id for h in hits] == wanted
    assert [h.score for h in hits] == pytest.approx([scores[i] for i in wanted], abs=1e-5)
    assert all("image" in h.modalities for h in hits)


def test_several_modalities_join_their_rankings_by_reciprocal_rank(packaged, predictor):
    run, folder = packaged
    record = next(r for row in range(200) if len(r := run.source.raw(row)) == 3)
    query = {"image": record["image"], "text": record["text"]}
    joined, stored = {}, _stored(folder, "facts")
    vectors = predictor.predict([query])[0].embeddings
    for name in query:
        scores = {i: float(v @ vectors[name]) for i, v in stored.items()}
        for rank, found in enumerate(sorted(scores, key=lambda i: (-scores[i], i))):
            joined[found] = joined.get(found, 0) + 1 / (61 + rank)
    hits = predictor.search(query, target="facts", k=8)
    assert [h.score for h in hits] == pytest.approx(
        sorted(joined.values(), reverse=True)[:8], abs=1e-9
    )
    one = predictor.search(query, by="text", target="facts", k=8)
    assert one == predictor.search({"text": record["text"]}, target="facts", k=8)


def test_a_filter_keeps_only_known_labels(packaged, predictor):
    run, known = packaged[0], {}
    known = dict(zip(run.features.ids, run.features.labels, strict=True))
    hits = predictor.search({"text": "round ring"}, k=500, labels=["circle", "line"])
    assert {h.label for h in hits} == {"circle", "line"}
    assert len(hits) == sum(
        run.features.classes[c] in ("circle", "line") for c in known.values() if c >= 0
    )


def test_previews_are_those_of_encode_and_absent_ones_are_none(packaged, predictor):
    shown = packaged[0].features.previews().to_pylist()
    for expected in shown[::17]:
        for name in ("facts", "image", "text"):
            assert predictor.preview(expected["id"], name) == expected[name]
    assert predictor.preview("nobody", "image") is None
    assert predictor.preview(shown[0]["id"], "audio") is None


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda p: p.predict([{}]), "records.0"),
        (lambda p: p.predict([{"text": "a"}, {"txt": "a"}]), "records.1.txt"),
        (lambda p: p.predict([{"text": "a"}, {"image": b"no picture"}]), "records.1.image"),
        (lambda p: p.predict([{"text": "a"}, {"text": 7}]), "records.1.text"),
        (
            lambda p: p.predict([{"facts": {"weight": 1.0}}, {"facts": {"wait": 1.0}}]),
            "records.1.facts.wait",
        ),
        (lambda p: p.search({}), "query"),
        (lambda p: p.search({"image": b"x"}), "query.image"),
        (lambda p: p.search({"text": "a"}, target="txt"), "target"),
        (lambda p: p.search({"text": "a"}, by="image"), "by"),
        (lambda p: p.search({"text": "a"}, k=0), "k"),
        (lambda p: p.search({"text": "a"}, labels=["circel"]), "labels"),
    ],
)
def test_bad_input_names_its_field(predictor, ask, field):
    with pytest.raises(BadInput) as caught:
        ask(predictor)
    assert caught.value.field == field


def test_an_unknown_name_is_told_its_neighbour(predictor):
    with pytest.raises(BadInput, match="did you mean 'text'"):
        predictor.search({"txt": "a"})


def test_the_digest_is_that_of_the_folder(packaged, predictor):
    assert (
        predictor.digest
        == digest_folder(packaged[1])
        == Predictor.load(packaged[1], verify=False).digest
    )


def _files(folder):
    return sorted(
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "files.json"
    )


def test_any_changed_or_missing_file_is_refused_by_name(packaged, tmp_path):
    for number, name in enumerate(_files(packaged[1])):
        copy = tmp_path / f"changed{number}"
        shutil.copytree(packaged[1], copy)
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(UserError, match=f"{name} was changed or damaged"):
            Predictor.load(copy)
        (copy / name).unlink()
        with pytest.raises(UserError, match=f"{name} is missing"):
            Predictor.load(copy, verify=False)


def test_no_list_or_a_damaged_list_is_refused(packaged, tmp_path):
    with pytest.raises(UserError, match="not a model package"):
        Predictor.load(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(packaged[1], copy)
    for text in ("{", "[]", '{"files": {"../x": "0"}}', '{"files": 3}'):
        (copy / "files.json").write_text(text)
        with pytest.raises(UserError, match=r"files\.json is damaged"):
            Predictor.load(copy)


def test_several_threads_get_the_same_answers(packaged, predictor):
    records = [packaged[0].source.raw(row) for row in range(30)]
    alone = [predictor.predict([r])[0].probabilities for r in records]
    with ThreadPoolExecutor(4) as pool:
        for answer, expected in zip(
            pool.map(lambda r: predictor.predict([r])[0], records), alone, strict=True
        ):
            assert answer.probabilities == pytest.approx(expected, abs=1e-4)


def test_answering_needs_no_engine_and_no_training_library(packaged):
    heavy = [
        "mlflow",
        "prefect",
        "bentoml",
        "great_expectations",
        "sklearn",
        "scipy",
        "matplotlib",
        "pandas",
        "jinja2",
    ]
    script = (
        "import sys; from pathlib import Path\n"
        f"for name in {heavy}: sys.modules[name] = None\n"
        "from components.prediction.predictor import Predictor\n"
        f"p = Predictor.load(Path({str(packaged[1])!r}))\n"
        "found = p.search({'text': 'round'}, target='image', k=3)\n"
        "print(p.predict([{'text': 'round ring'}])[0].label, len(found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "3"


def test_metrics_and_size_are_told(packaged, predictor):
    assert predictor.metrics == read_json(packaged[1] / "metrics.json")
    assert len(predictor) == 200
