"""What the labellers that read more than probabilities get, and what they make of it."""

import numpy as np
import pytest
import torch

from components.config.run import Part
from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.features.served import check_labeller
from components.features.store import Features
from components.model import storage
from components.model.inference import infer
from components.parts.labelling import PseudoLabels
from components.training.data import training_data
from components.training.objective import targets
from components.training.pool import joined, taken
from components.training.pseudo_label import pseudo_label, read_pseudo
from tests import learned
from tests.synthetic import CLASSES, modalities, records, write_features

READERS = ("agreement", "graph", "voting", "prompts")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    root = tmp_path_factory.mktemp("single")
    write_features(root / "features", records(120, labelled=0.3))
    return root / "features", learned.teach(root / "features", root / "teacher")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """The same records, each with the set of its one class."""
    root = tmp_path_factory.mktemp("sets")
    codes = write_features(root / "features", records(120, labelled=0.3)).labels
    known = np.where(codes[:, None] < 0, -1, codes[:, None] == np.arange(len(CLASSES)))
    np.save(root / "features" / "labels.npy", known.astype(np.int8))
    meta = read_json(root / "features" / "features.json")
    write_json(root / "features" / "features.json", meta | {"target": "multi"})
    return root / "features", learned.teach(root / "features", root / "teacher")


@pytest.mark.parametrize(
    ("target", "name"), [*(("single", name) for name in READERS), ("sets", "graph")]
)
def test_a_run_gets_its_pseudo_labels_and_an_audit(name, target, request, tmp_path):
    features, teacher = request.getfixturevalue(target)
    out = learned.label(features, teacher, tmp_path / "out", Part(name=name))
    found, summary = read_pseudo(out), read_json(out / "summary.json")
    assert found is not None
    assert summary["labeller"] == name
    assert len(found.ids) == summary["accepted"]
    known = Features.load(features)
    visible = {known.ids[row] for row in known.rows("train", labelled=True)}
    assert not visible & set(found.ids)
    assert summary["audit"]["n"] <= len(visible)


def test_the_student_learns_each_class_of_a_set_by_its_own_probability(sets, tmp_path):
    """Unlike shares of one class they need not add up to 1."""
    features, teacher = sets
    out = learned.label(features, teacher, tmp_path / "out", Part(name="soft"))
    data, found = Features.load(features), read_pseudo(out)
    assert found is not None
    assert found.likeliest is not None
    committee = storage.load(out / "committee")
    rows = np.array([data.ids.index(record) for record in found.ids])
    told = infer(committee, data.arrays, data.present, rows, tuple(data.names)).logits
    batch = training_data(data, pseudo=found).batch(rows, torch.device("cpu"))
    wanted = targets(committee, batch, smoothing=0.0).numpy()
    assert np.corrcoef(wanted.ravel(), (1 / (1 + np.exp(-told))).ravel())[0, 1] > 0.9
    assert np.ptp(wanted.sum(axis=1)) > 0.01


def test_the_audit_judges_each_labelled_record_beside_those_of_other_folds(single, tmp_path):
    """A labeller that repeats the labels it is shown could not know those of a record's fold."""
    features, teacher = single
    own = tmp_path / "repeats.py"
    own.write_text(REPEATS)
    out = tmp_path / "out"
    out.mkdir()
    pseudo_label(
        features=features,
        teacher=teacher,
        labeller=Part(name="./repeats.py"),
        base=tmp_path,
        out=out,
    )
    assert read_json(out / "summary.json")["audit"]["n"] == 0


REPEATS = """
from dataclasses import dataclass
import numpy as np
from components.parts.labelling import PseudoLabels
READS_RECORDS = True
@dataclass(frozen=True, kw_only=True)
class Config:
    pass
def build(config):
    def label(pool, held_out, labels, prior):
        own = pool.records.features()["facts/fields"]
        known = held_out.records.features()["facts/fields"]
        same = [np.flatnonzero((known == row).all(axis=1) & row.any()) for row in own]
        answer = np.array([labels[at[0]] if len(at) else 0 for at in same])
        n = len(answer)
        return PseudoLabels(
            labels=answer, confidence=np.ones(n), accepted=np.array([len(at) > 0 for at in same]),
            sources=[[] for _ in range(n)], reasons=["" for _ in range(n)],
            thresholds=np.zeros(pool.fused.shape[1]),
        )
    return label
"""


def labels_of(count):
    return PseudoLabels(
        labels=np.arange(count),
        confidence=np.linspace(0, 1, count),
        accepted=np.arange(count) % 2 == 0,
        sources=[[str(i)] for i in range(count)],
        reasons=[str(i) for i in range(count)],
        thresholds=np.zeros(3),
        soft=np.eye(count, 3),
    )


def test_answers_of_several_pools_are_taken_and_joined_record_by_record():
    whole = labels_of(5)
    found = joined([taken(whole, np.array([3, 4])), taken(whole, np.array([0, 1, 2]))])
    back = taken(found, np.array([2, 3, 4, 0, 1]))
    assert back.labels.tolist() == whole.labels.tolist()
    assert (back.sources, back.reasons) == (whole.sources, whole.reasons)
    assert np.array_equal(back.soft, whole.soft)


def test_a_labeller_refuses_a_data_set_that_it_cannot_serve_before_anything_trains():
    built = modalities(("image",))
    with pytest.raises(UserError, match="agreement: got the modalities image, wanted at least 2"):
        check_labeller(Part(name="agreement"), ["image"], lambda: built, None)
    with pytest.raises(UserError, match=r"prompts: got the views image/.*, wanted one that reads"):
        check_labeller(Part(name="prompts"), ["image"], lambda: built, None)
    check_labeller(Part(name="graph"), ["image"], lambda: built, None)
    check_labeller(Part(name="prompts"), ["text"], lambda: modalities(("text",)), None)
