import numpy as np
import pyarrow.parquet as pq
import pytest

from components.config.run import Part
from components.core.errors import UsageError, UserError
from components.core.files import read_json
from components.core.refs import Ref, digest_folder
from components.model import network as models
from components.training.pseudo_label import pseudo_label
from components.training.run import run
from components.training.spec import TrainSpec
from tests.components.pods.pods import ref, teach_spec
from tests.synthetic import CLASSES, records, write_features


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Features, a teacher and its pseudo-labels."""
    home = tmp_path_factory.mktemp("run")
    write_features(home / "features", records(300, labelled=0.3))
    (home / "teacher").mkdir()
    run(spec(home), out=home / "teacher")
    (home / "pseudo").mkdir()
    labeller = Part.model_validate({"name": "fixed", "threshold": 0.6})
    pseudo_label(
        features=home / "features",
        teacher=home / "teacher",
        labeller=labeller,
        base=None,
        out=home / "pseudo",
    )
    return home


def spec(home, task="teach", **more):
    return teach_spec(home / "features", task=task, **more)


def student_spec(home, **more):
    return spec(home, "train", teacher=ref(home / "teacher"), pseudo=ref(home / "pseudo"), **more)


def network(folder):
    """The weights of a model without its committee."""
    weights = models.load(folder).state_dict()
    return {name: w for name, w in weights.items() if not name.startswith("committee.")}


def same_network(one, other):
    one, other = network(one), network(other)
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def done(out, given, **more):
    out.mkdir()
    run(given, out=out, **more)
    return out


def test_a_spec_survives_json_and_its_digest_knows_contents_not_places(places):
    given = student_spec(places)
    assert TrainSpec.model_validate_json(given.model_dump_json()) == given
    moved = given.model_copy(
        update={"features": Ref(uri="/elsewhere", digest=given.features.digest)}
    )
    assert moved.digest() == given.digest()
    other = given.model_copy(update={"features": Ref(uri=given.features.uri, digest="0" * 64)})
    assert other.digest() != given.digest()


def test_teach_writes_a_model_that_answers_better_than_chance(places):
    history = read_json(places / "teacher" / "history.json")
    assert history["val_accuracy"] > 0.5
    assert len(history["epochs"]) == 6
    assert models.load(places / "teacher").names == ["facts", "image", "text"]


def test_the_same_spec_gives_the_same_bytes(places, tmp_path):
    done(tmp_path / "again", spec(places))
    assert digest_folder(tmp_path / "again") == digest_folder(places / "teacher")


def test_pseudo_labels_are_of_unlabelled_training_records(places):
    table = pq.read_table(places / "pseudo" / "pseudo.parquet")
    source = records(300, labelled=0.3)
    truth = dict(zip(source.ids, source.truth, strict=True))
    pool = [
        i
        for i, s, v in zip(source.ids, source.splits, source.label, strict=True)
        if s == "train" and v is None
    ]
    assert table["id"].to_pylist() == pool
    names = [CLASSES[code] for code in table["label"].to_pylist()]
    right = [truth[i] == v for i, v in zip(pool, names, strict=True)]
    accepted = np.array(table["accepted"].to_pylist())
    assert np.mean(np.array(right)[accepted]) > np.mean(right)
    summary = read_json(places / "pseudo" / "summary.json")
    assert summary["accepted"] == accepted.sum() == sum(summary["by_class"].values())
    assert summary["accepted"] + summary["refused"] == len(pool)


def test_the_student_is_kept_only_if_it_beats_the_teacher(places, tmp_path):
    out = done(tmp_path / "train", student_spec(places))
    found = read_json(out / "selection.json")
    better = found["student"]["val_accuracy"] > found["teacher"]["val_accuracy"]
    assert found["kept"] == ("student" if better else "teacher")
    chosen = out / "student" if better else places / "teacher"
    assert same_network(out / "model", chosen)


def test_a_tie_keeps_the_teacher(places, tmp_path, monkeypatch):
    monkeypatch.setattr("components.training.tasks.Trainer.figure", lambda *_: 0.5)
    out = done(tmp_path / "train", student_spec(places))
    assert read_json(out / "selection.json")["kept"] == "teacher"
    assert same_network(out / "model", places / "teacher")


def test_without_a_labeller_the_teacher_is_the_model(places, tmp_path):
    (tmp_path / "pseudo").mkdir()
    pseudo_label(
        features=places / "features",
        teacher=places / "teacher",
        labeller=None,
        base=None,
        out=tmp_path / "pseudo",
    )
    given = spec(places, "train", teacher=ref(places / "teacher"), pseudo=ref(tmp_path / "pseudo"))
    out = done(tmp_path / "train", given)
    assert read_json(out / "selection.json")["kept"] == "teacher"
    assert not (out / "student").exists()
    assert same_network(out / "model", places / "teacher")


def test_baselines_are_each_modality_alone_and_concat(places, tmp_path):
    student = done(tmp_path / "train", student_spec(places))
    given = spec(places, "baselines", student=ref(student), pseudo=ref(places / "pseudo"))
    out = done(tmp_path / "baselines", given)
    found = read_json(out / "baselines.json")
    assert sorted(found["models"]) == ["concat", "only-facts", "only-image", "only-text"]
    assert found["targets"] == read_json(student / "selection.json")["kept"]
    assert models.load(out / "only-image").names == ["image"]
    assert models.load(out / "concat").config.fusion.name == "concat"


def test_other_content_than_the_digest_says_is_refused(places, tmp_path):
    wrong = spec(places).model_copy(
        update={"features": Ref(uri=str(places / "features"), digest="0" * 64)}
    )
    with pytest.raises(UserError, match="other content"):
        run(wrong, out=tmp_path)
    gone = spec(places).model_copy(
        update={"features": Ref(uri=str(tmp_path / "gone"), digest="0" * 64)}
    )
    with pytest.raises(UserError, match="no folder"):
        run(gone, out=tmp_path)


def test_a_missing_input_is_named(places, tmp_path):
    with pytest.raises(UsageError, match="`teacher`"):
        run(spec(places, "train"), out=tmp_path)
