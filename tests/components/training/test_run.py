import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import Part
from components.core.errors import UserError
from components.core.files import read_json
from components.core.refs import Ref, digest_folder
from components.features.store import Features
from components.model import storage
from components.model.description import Mix
from components.model.inference import infer
from components.training.held_out import HELD_OUT, HeldOut
from components.training.run import run
from components.training.spec import TrainSpec
from tests import learned
from tests.synthetic import CLASSES, records, write_features


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Features, a committee, its pseudo-labels, and what train made of them."""
    home = tmp_path_factory.mktemp("run")
    write_features(home / "features", records(300, labelled=0.3))
    return learned.learn(home / "features", home)


def spec(home, task="train", **training):
    return learned.spec(home / "features", task, home / "pseudo", **training)


def test_a_spec_survives_json_and_its_digest_knows_contents_not_places(places):
    given = spec(places)
    assert TrainSpec.model_validate_json(given.model_dump_json()) == given
    moved = given.model_copy(
        update={"features": Ref(uri="/elsewhere", digest=given.features.digest)}
    )
    assert moved.digest() == given.digest()
    other = given.model_copy(update={"features": Ref(uri=given.features.uri, digest="0" * 64)})
    assert other.digest() != given.digest()


def accuracy(model, data):
    rows = data.rows("test", labelled=True)
    rows = rows[data.present[rows].any(axis=1)]
    logits = infer(model, data.arrays, data.present, rows).logits
    return np.mean(logits.argmax(axis=1) == data.labels[rows])


def test_the_committee_answers_better_than_chance(places):
    data = Features.load(places / "features")
    assert accuracy(storage.load(places / "teacher"), data) > 0.5
    assert accuracy(storage.load(places / "pseudo" / "committee"), data) > 0.5


def test_the_same_inputs_give_the_same_bytes(places, tmp_path):
    learned.learn(places / "features", tmp_path)
    for name in ("teacher", "pseudo", "train"):
        assert digest_folder(tmp_path / name) == digest_folder(places / name)


def test_pseudo_labels_are_of_unlabelled_training_records_that_have_a_fixed_view(places):
    table = pq.read_table(places / "pseudo" / "pseudo.parquet")
    source = records(300, labelled=0.3)
    truth = dict(zip(source.ids, source.truth, strict=True))
    pool = [
        i
        for n, (i, s, v) in enumerate(zip(source.ids, source.splits, source.label, strict=True))
        if s == "train" and v is None and source.raw(n).keys() & {"facts", "text"}
    ]
    assert table["id"].to_pylist() == pool
    names = [CLASSES[code] for code in table["label"].to_pylist()]
    right = [truth[i] == v for i, v in zip(pool, names, strict=True)]
    accepted = np.array(table["accepted"].to_pylist())
    assert np.mean(np.array(right)[accepted]) > np.mean(right)
    summary = read_json(places / "pseudo" / "summary.json")
    assert summary["accepted"] == accepted.sum() == sum(summary["by_class"].values())
    assert summary["accepted"] + summary["refused"] == len(pool)


def test_soft_shares_of_the_likeliest_classes_add_up_to_one(places):
    table = pq.read_table(places / "pseudo" / "pseudo.parquet")
    for classes, shares, label in zip(
        *(table[name].to_pylist() for name in ("classes", "shares", "label")), strict=True
    ):
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert classes[0] == label
        assert shares == sorted(shares, reverse=True)


def test_a_rehearsal_knows_no_label_of_the_fold_that_judges_it(places):
    """Its table holds records of that fold as records without a label."""
    data = Features.load(places / "features")
    known = {data.ids[row] for row in data.rows("train", labelled=True)}
    rehearsal = set(pq.read_table(places / "pseudo" / "rehearsal.parquet")["id"].to_pylist())
    final = set(pq.read_table(places / "pseudo" / "pseudo.parquet")["id"].to_pylist())
    hidden = rehearsal - final
    assert final <= rehearsal
    assert hidden
    assert hidden < known


def test_few_labels_judge_no_network_which_answers_with_the_committee_it_learned_from(places):
    assert read_json(places / "train" / "selection.json") == {
        "kept": "mix",
        "records": 0,
        "losses": {},
        "by": "folds",
        "left_out": [],
    }
    assert storage.load(places / "train" / "model").mix == Mix(network=0.5, committee=0.5)
    assert storage.load(places / "train" / "student").mix == Mix()
    # The committee's held-out answers, of all folds, tell how sure both may be.
    assert read_json(places / "train" / "calibration.json")
    assert len(HeldOut.read(places / "train" / "held_out.json").ids) > 30


def test_a_network_that_learned_classes_as_facts_does_not_answer_unjudged(places, tmp_path):
    """It is surer than the committee, whose temperature is all that is known."""
    pseudo = learned.label(
        places / "features", places / "teacher", tmp_path / "pseudo", Part(name="fixed")
    )
    assert read_json(pseudo / "summary.json")["accepted"] > 0
    out = learned.train(places / "features", pseudo, tmp_path / "train")
    assert read_json(out / "selection.json")["kept"] == "committee"


def test_with_enough_labels_a_rehearsal_tells_how_good_the_network_is_and_needs_no_student(
    tmp_path,
):
    write_features(tmp_path / "features", records(700, labelled=0.8))
    found = read_json(learned.learn(tmp_path / "features", tmp_path) / "train" / "selection.json")
    assert found["records"] > 25
    assert found["losses"].keys() == {"committee", "mix", "student"}
    out = learned.train(tmp_path / "features", tmp_path / "pseudo", tmp_path / "judge", "judge")
    for name in (HELD_OUT, "selection.json", "rehearsal/history.json"):
        assert (out / name).read_bytes() == (tmp_path / "train" / name).read_bytes()
    assert sorted(path.name for path in out.iterdir()) == [
        HELD_OUT,
        "rehearsal",
        "selection.json",
    ]


def test_the_only_record_of_a_class_neither_chooses_nor_calibrates(tmp_path):
    """No fit without it has seen its class, so that nothing it says is about the answers."""
    source = records(700, labelled=0.8, noise=0.0)
    only, *others = [
        row
        for row, (split, label) in enumerate(zip(source.splits, source.label, strict=True))
        if split == "train" and label == CLASSES[0]
    ]
    for row in others:
        source.label[row] = None
    found, home = {}, tmp_path / "without"
    for name, label in (("with", CLASSES[0]), ("without", None)):
        source.label[only], home = label, tmp_path / name
        home.mkdir()
        write_features(home / "features", source)
        found[name] = learned.learn(home / "features", home) / "train"
    kept = {name: read_json(place / "selection.json")["kept"] for name, place in found.items()}
    assert kept["with"] == kept["without"]
    warm = {name: read_json(place / "calibration.json")["*"] for name, place in found.items()}
    assert max(warm.values()) < 2


def test_validation_records_choose_where_the_run_says_so(places, tmp_path):
    out = learned.train(
        places / "features", places / "pseudo", tmp_path / "train", selection="validation"
    )
    found = read_json(out / "selection.json")
    data = Features.load(places / "features")
    assert found["by"] == "validation"
    assert 0 < found["records"] <= -(-len(data.rows("val", labelled=True)) // 2)


def test_few_validation_records_judge_no_network(places, tmp_path):
    """Of one record the standard error is 0, so that any gain would be more than chance."""
    shutil.copytree(places / "features", tmp_path / "features")
    splits = Features.load(places / "features").splits.copy()
    splits[np.flatnonzero(splits == "val")[2:]] = "train"
    table = pq.read_table(tmp_path / "features" / "records.parquet")
    column = table.column_names.index("split")
    table = table.set_column(column, "split", pa.array(splits.tolist()))
    pq.write_table(table, tmp_path / "features" / "records.parquet")
    out = learned.train(
        tmp_path / "features", places / "pseudo", tmp_path / "train", selection="validation"
    )
    found = read_json(out / "selection.json")
    assert (found["kept"], found["losses"], found["by"]) == ("mix", {}, "folds")
    assert storage.load(out / "model").mix == Mix(network=0.5, committee=0.5)
    # Nor do two records say how sure answers may be: those of the folds do.
    by_folds = read_json(places / "train" / "calibration.json")
    assert read_json(out / "calibration.json") == pytest.approx(by_folds)


def test_without_a_labeller_the_committee_is_that_of_the_labels(places, tmp_path):
    pseudo = learned.label(places / "features", places / "teacher", tmp_path / "pseudo", None)
    assert read_json(pseudo / "summary.json")["reason"] == "no labeller is chosen"
    out = learned.train(places / "features", pseudo, tmp_path / "train")
    data, rows = Features.load(places / "features"), None
    answers = [
        infer(storage.load(folder), data.arrays, data.present, rows).logits
        for folder in (out / "model", places / "teacher")
    ]
    assert np.array_equal(*answers, equal_nan=True)


def test_baselines_are_each_modality_alone_no_pseudo_labels_and_concat(places, tmp_path):
    out = learned.train(
        places / "features", places / "pseudo", tmp_path / "baselines", task="baselines"
    )
    found = read_json(out / "baselines.json")["models"]
    assert sorted(found) == ["concat", "only-facts", "only-image", "only-text", "supervised"]
    assert storage.load(out / "only-image").names == ["image"]
    assert storage.load(out / "concat").config.fusion.name == "concat"
    assert 0 < found["only-text"]["held_out"] < 1


def test_a_modality_alone_is_a_network_where_no_view_of_it_is_fixed(places, tmp_path):
    out = learned.train(
        places / "features", places / "pseudo", tmp_path / "baselines", task="baselines"
    )
    mixes = {name: storage.load(out / f"only-{name}").mix for name in ("image", "text")}
    assert mixes == {"image": Mix(), "text": Mix(network=0.0, committee=1.0)}
    # It is judged too, or it could never be the best single one.
    assert 0 < read_json(out / "baselines.json")["models"]["only-image"]["held_out"] <= 1
    assert (out / "rehearsal-image" / "history.json").is_file()  # by this a plan counts it


def test_a_modality_that_few_records_have_is_not_judged_by_these_alone(places, tmp_path):
    shutil.copytree(places / "features", tmp_path / "features")
    present = np.load(tmp_path / "features" / "present.npy")
    data = Features.load(places / "features")
    text = data.names.index("text")
    rare = np.flatnonzero(present[:, text] & (present.sum(axis=1) > 1))
    present[rare[np.arange(len(rare)) % 4 > 0], text] = False
    np.save(tmp_path / "features" / "present.npy", present)
    out = learned.train(
        tmp_path / "features", places / "pseudo", tmp_path / "baselines", task="baselines"
    )
    found = read_json(out / "baselines.json")["models"]["only-text"]["held_out"]
    rows = data.rows("train", labelled=True)
    codes, has = data.labels[rows], present[rows, text]
    common = codes == np.bincount(codes).argmax()
    assert has.mean() < 0.4
    assert found <= (has | common).mean()


def test_refused_pseudo_labels_leave_a_student_of_the_labels(places, tmp_path):
    strict = Part.model_validate({"name": "soft", "floor": 1.0})
    pseudo = learned.label(places / "features", places / "teacher", tmp_path / "pseudo", strict)
    assert read_json(pseudo / "summary.json")["accepted"] == 0
    out = learned.train(places / "features", pseudo, tmp_path / "train")
    assert (out / "model" / "model.json").is_file()


def test_without_a_fixed_view_the_network_answers(tmp_path):
    features = write_features(tmp_path / "features", records(200), names=("image",))
    root = learned.learn(features.path, tmp_path)
    assert "no view is fixed" in read_json(root / "pseudo" / "summary.json")["reason"]
    assert read_json(root / "train" / "selection.json")["kept"] == "student"


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


def test_classes_and_labels_that_leave_no_room_for_rounds_are_told(places, tmp_path, monkeypatch):
    monkeypatch.setattr("components.training.pseudo_label._CELLS", 100)
    pseudo = learned.label(places / "features", places / "teacher", tmp_path / "pseudo")
    assert "leave no room for rounds" in read_json(pseudo / "summary.json")["reason"]
    assert storage.load(pseudo / "committee").mix.committee == 1.0


def test_of_very_many_records_an_evenly_spaced_part_is_labelled(places, tmp_path, monkeypatch):
    monkeypatch.setattr("components.training.pseudo_label._LEAST", 10)
    monkeypatch.setattr("components.training.pseudo_label._room", lambda *_: 90)
    pseudo = learned.label(places / "features", places / "teacher", tmp_path / "pseudo")
    few = pq.read_table(pseudo / "pseudo.parquet")["id"].to_pylist()
    every = pq.read_table(places / "pseudo" / "pseudo.parquet")["id"].to_pylist()
    assert few == every[:: -(-len(every) // len(few))]


def test_without_unlabelled_records_there_are_no_rounds(tmp_path):
    write_features(tmp_path / "features", records(200, labelled=1.0))
    root = learned.learn(tmp_path / "features", tmp_path)
    assert "no unlabelled training record" in read_json(root / "pseudo" / "summary.json")["reason"]
