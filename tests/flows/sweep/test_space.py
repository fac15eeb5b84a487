"""What a sweep may change, and the YAML that comes of it."""

from pathlib import Path

import pytest

from components.config.run import RunConfig
from components.data.manifest import load_manifest
from components.features.modality import build_modality
from flows.sweep.space import changed, changes, default, space
from tests import tiny


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return load_manifest(str(tiny.make(tmp_path_factory.mktemp("data") / "tiny", 10)), None, None)


def config(**more):
    return RunConfig.model_validate({"name": "tiny", "data": {"uri": "data"}, **more})


USED = {"image": ["cnn", "lite"], "text": ["minilm", "ngrams"], "facts": ["fields"]}


def found(manifest, *, network=True, used=None, **more):
    given = space(config(**more), manifest, Path(), used=USED | (used or {}), network=network)
    return {s.name: s for s in given}


def test_every_set_of_fixed_encoders_that_builds_is_a_choice(manifest):
    views = found(manifest)["modalities.text"]
    assert views.own == "minilm+ngrams"
    assert {"minilm", "hashing", "hashing+minilm", "hashing+ngrams"} <= views.choices.keys()
    assert "ngrams" not in views.choices  # the network reads no sparse view
    for options in views.choices.values():
        build_modality("text", "text", options, {"kind": "text", "column": "text"})


def test_a_trained_encoder_and_options_stay_as_they_are(manifest):
    own = {"encoders": [{"name": "cnn", "size": [8, 8]}], "max_bytes": 1000}
    views = found(manifest, used={"image": ["cnn"]}, modalities={"image": own})["modalities.image"]
    assert views.choices == {
        "as it is": own,
        "lite": {"max_bytes": 1000, "encoders": [{"name": "cnn", "size": [8, 8]}, "lite"]},
    }


def test_encoders_that_suit_the_values_are_the_configurations_own(manifest):
    views = found(manifest, used={"text": ["e5", "ngrams"]})["modalities.text"]
    assert views.own == "e5+ngrams"
    assert views.choices["minilm+ngrams"] == {"encoders": ["ngrams", "minilm"]}


def test_what_shapes_the_network_alone_is_searched_only_where_it_can_be_judged(manifest):
    few = found(manifest, network=False)
    assert few.keys() == {"modalities.facts", "modalities.text", "labeller"}
    assert [*few["labeller"].choices] == ["soft", "none"]
    many = found(manifest)
    assert {"model.fusion", "model.dim", "training.epochs"} <= many.keys()
    assert {"soft", "fixed", "agreement", "none"} <= many["labeller"].choices.keys()
    assert "prompts" not in many["labeller"].choices, "not every choice of views reads names"


def test_the_configurations_own_values_come_first(manifest):
    own = found(manifest, model={"dim": 48, "fusion": "gated"}, labeller=None)
    assert own["model.dim"].own == "48"
    assert own["model.fusion"].own == "gated"
    assert own["labeller"].own == "none"


def test_only_what_is_chosen_otherwise_changes_in_the_yaml(manifest):
    settings = tuple(found(manifest).values())
    tree = {"name": "tiny", "data": {"uri": "data"}, "training": {"seed": 3}}
    chosen = default(settings)
    assert changed(tree, settings, chosen) == tree
    chosen |= {"training.epochs": "20", "labeller": "none", "modalities.text": "minilm"}
    assert changes(settings, chosen).keys() == {"training.epochs", "labeller", "modalities.text"}
    assert changed(tree, settings, chosen) == {
        **tree,
        "training": {"seed": 3, "epochs": 20},
        "labeller": None,
        "modalities": {"text": {"encoders": ["minilm"]}},
    }


def test_views_of_one_encoder_are_chosen_apart(manifest):
    few = {"name": "hashing", "view": "few", "buckets": 8}
    own = {"encoders": [few, "hashing"]}
    used = {"text": ["few", "hashing"]}
    views = found(manifest, used=used, modalities={"text": own})["modalities.text"]
    assert views.choices["few+hashing"] == own
    assert views.choices["few"] == {"encoders": [few]}
    assert views.choices["few+minilm"] == {"encoders": [few, "minilm"]}
