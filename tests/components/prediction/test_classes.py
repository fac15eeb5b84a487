"""A package with one class more: what it says of the new class, and of the others."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from components.config.run import DataConfig, RunConfig
from components.core.errors import UserError
from components.core.files import write_json
from components.model import storage
from components.model.description import Mix
from components.model.reference import REFERENCE
from components.model.unfamiliar import DISTANCES
from components.prediction.classes import add_class, add_class_by_name
from components.prediction.classifier import Classifier
from components.prediction.package import package
from components.prediction.predictor import Predictor
from tests import evaluated, synthetic
from tests.learned import with_committee
from tests.packaged import METRICS

NEW, *KNOWN = synthetic.CLASSES
NAMES = ("facts", "image", "text")


@dataclass(frozen=True)
class Kept:
    """A package that does not know one class, and records that it has not seen."""

    package: Path
    new: list
    known: list


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return made(tmp_path_factory.mktemp("classes"), Mix(network=0.0, committee=1.0))


def made(root, mix):
    source = synthetic.records(300, labelled=0.6, noise=0.1)
    seen = [i for i, truth in enumerate(source.truth) if truth != NEW]
    known = synthetic.Records(
        *([values[i] for i in seen] for values in (source.ids, source.splits, source.truth)),
        [source.label[i] for i in seen],
        {name: [values[i] for i in seen] for name, values in source.raws.items()},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(synthetic.OPTIONS["text"], "encoders", ["hashing", "ngrams"])
        features = synthetic.write_features(root / "features", known, NAMES, classes=KNOWN)
    model = evaluated.fit(features, NAMES, seed=0, steps=25)
    with_committee(model, features)
    model.mix = mix
    storage.save(model, root / "train" / "model")
    (root / "evaluation").mkdir()
    write_json(root / "evaluation" / "calibration.json", {})
    write_json(root / "evaluation" / "metrics.json", METRICS)
    (root / "out").mkdir()
    config = RunConfig(name="tiny", data=DataConfig(uri="data"))
    package(
        features=root / "features",
        train=root / "train",
        evaluation=root / "evaluation",
        config=config,
        out=root / "out",
    )
    asked = [(source.raw(i), source.truth[i]) for i in range(300) if source.splits[i] == "test"]
    asked = [(raw, truth) for raw, truth in asked if raw]
    new = [source.raw(i) for i in range(300) if source.truth[i] == NEW and source.raw(i)]
    return Kept(root / "out" / "package", new, [(r, t) for r, t in asked if t != NEW])


def test_records_of_the_new_class_get_it_and_others_keep_theirs(kept, tmp_path):
    added = add_class(kept.package, NEW, kept.new[:10], tmp_path / "package")
    before, after = Predictor.load(kept.package), Predictor.load(tmp_path / "package")
    assert after.digest == added.digest
    stored = load_file(tmp_path / "package" / DISTANCES)
    assert {view: len(own) for view, own in stored.items()} == {
        view: int(after.classifier.runtime.reference.present[:, column].sum())
        for view, column in after.classifier.runtime.columns.items()
        if view in stored
    }
    assert after.classes == synthetic.CLASSES
    given = [p.label for p in after.predict(kept.new[10:])]
    assert np.mean([label == NEW for label in given]) > 0.7
    asked, truth = zip(*kept.known, strict=True)
    right = [
        np.mean([p.label == t for p, t in zip(each.predict(asked), truth, strict=True)])
        for each in (before, after)
    ]
    assert right[1] > right[0] - 0.1


@pytest.mark.parametrize(
    "mix", [Mix(network=0.0, committee=1.0), Mix(network=0.5, committee=0.5), Mix()]
)
def test_known_classes_stay_in_proportion_to_each_other(kept, tmp_path, mix):
    model = storage.load(kept.package)
    model.mix = mix
    storage.save(model, tmp_path / "before")
    for name in ("calibration.json", "card.md"):
        (tmp_path / "before" / name).write_bytes((kept.package / name).read_bytes())
    add_class(tmp_path / "before", NEW, kept.new[:3], tmp_path / "after")
    asked = [record for record, _ in kept.known[:20]]
    shares = [
        np.array([[p.probabilities[c] for c in KNOWN] for p in Classifier(folder).predict(asked)])
        for folder in (tmp_path / "before", tmp_path / "after")
    ]
    shares[1] /= shares[1].sum(axis=1, keepdims=True)
    assert np.allclose(*shares, atol=1e-4)


def test_a_class_from_its_name_alone_leaves_the_others_in_proportion(kept, tmp_path):
    added = add_class_by_name(kept.package, NEW, tmp_path / "after")
    before, after = Predictor.load(kept.package), Predictor.load(tmp_path / "after")
    assert (added.exemplars, added.modalities, added.answered) == (0, ("text",), None)
    assert after.classes == synthetic.CLASSES
    assert 0 <= added.recognised <= 1
    kinds = [len(each.classifier.runtime.reference) for each in (before, after)]
    assert kinds[0] == kinds[1]
    assert "was added from its name alone" in (tmp_path / "after" / "card.md").read_text("utf-8")
    asked = [record for record, _ in kept.known[:20]]
    shares = [
        np.array([[p.probabilities[c] for c in KNOWN] for p in each.predict(asked)])
        for each in (before, after)
    ]
    shares[1] /= shares[1].sum(axis=1, keepdims=True)
    assert np.allclose(*shares, atol=1e-4)


def test_the_name_may_count_beside_exemplars(kept, tmp_path):
    both, alone = tmp_path / "both", tmp_path / "alone"
    added = add_class(kept.package, NEW, kept.new[:2], both, with_name=True)
    add_class(kept.package, NEW, kept.new[:2], alone)
    assert added.exemplars == 2
    assert "from 2 exemplars and its name" in (both / "card.md").read_text("utf-8")
    said = [Predictor.load(folder).predict(kept.new[2:6]) for folder in (both, alone)]
    assert [p.probabilities for p in said[0]] != [p.probabilities for p in said[1]]


def test_a_class_may_come_after_another(kept, tmp_path):
    add_class(kept.package, NEW, kept.new[:4], tmp_path / "one")
    text = [{"text": "zebra stripes"}, {"text": "zebra stripe"}]
    add_class(tmp_path / "one", "zebra", text, tmp_path / "two")
    found = Predictor.load(tmp_path / "two")
    assert found.classes == [*synthetic.CLASSES, "zebra"]
    (label,) = [p.label for p in found.predict([{"text": "stripes of a zebra"}])]
    assert label == "zebra"
    assert np.mean([p.label == NEW for p in found.predict(kept.new[4:])]) > 0.4


def test_records_of_a_class_that_is_added_are_familiar_from_then_on(kept, tmp_path):
    add_class(kept.package, "zebra", [{"text": f"zebra {i}"} for i in range(8)], tmp_path / "one")
    odd = {"text": "zebra 9"}
    before, after = (
        Predictor.load(folder).predict([odd, kept.known[0][0]])
        for folder in (kept.package, tmp_path / "one")
    )
    assert before[0].ood_score > 0.95
    assert after[0].ood_score < before[0].ood_score
    assert before[1].ood_score < 0.95


def test_an_answer_of_little_confidence_is_said_to_be_a_guess(kept):
    classifier = Classifier(kept.package)
    for least in (0.0, 1.1):
        classifier.least_confidence = least
        (answer,) = classifier.predict([kept.known[0][0]])
        assert answer.abstained == (least > 1)


def test_a_known_class_is_refused(kept, tmp_path):
    with pytest.raises(UserError, match="is a class of this model already"):
        add_class(kept.package, KNOWN[0], kept.new[:1], tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_model_without_records_to_compare_with_says_what_to_do(kept, tmp_path):
    model = storage.load(kept.package)
    storage.save(model, tmp_path / "model")
    (tmp_path / "model" / REFERENCE).unlink()
    (tmp_path / "model" / "calibration.json").write_text("{}")
    with pytest.raises(UserError, match="concord run CONFIG"):
        add_class(tmp_path / "model", NEW, kept.new[:1], tmp_path / "package")
