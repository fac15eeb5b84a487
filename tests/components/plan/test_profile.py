"""A profile is kept whole, and refused where it belongs to another model."""

import json

import pytest

from components.core.errors import UsageError
from components.plan import profile as profiles
from tests.components.plan.conftest import rates


def test_what_is_saved_is_read(real, tmp_path):
    made = rates(real, gpu="a GPU that is not here")
    profiles.save(made, tmp_path / "p.json")
    assert profiles.load(tmp_path / "p.json", made.shape) == made
    assert [f.name for f in tmp_path.iterdir()] == ["p.json"]


def test_another_shape_is_refused_with_what_differs(real, tmp_path):
    made = rates(real)
    profiles.save(made, tmp_path / "p.json")
    config = real.config.model_copy(
        update={"model": real.config.model.model_copy(update={"dim": 32})}
    )
    shape = profiles.shape_of(config, real.features.specs, len(real.surveyed.classes))
    with pytest.raises(
        UsageError, match=r"another shape(.|\n)*model.dim: profile has 16, the configuration 32"
    ):
        profiles.load(tmp_path / "p.json", shape)


def test_epochs_and_seed_are_no_part_of_the_shape(real):
    training = real.config.training.model_copy(
        update={"epochs": 99, "seed": 5, "learning_rate": 1e-4}
    )
    config = real.config.model_copy(update={"training": training})
    assert profiles.shape_of(config, real.features.specs, 4) == profiles.shape_of(
        real.config, real.features.specs, 4
    )


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda tree: tree.pop("disk"), "disk: missing"),
        (lambda tree: tree.update(format=2), "format: got 2"),
        (lambda tree: tree.update(strange=1), "unknown key 'strange'"),
        (lambda tree: tree["steps"]["full"].update(slope=-1.0), "steps.full.slope"),
    ],
)
def test_a_spoilt_profile_is_one_clear_error(real, tmp_path, spoil, says):
    tree = json.loads(rates(real).model_dump_json())
    spoil(tree)
    (tmp_path / "p.json").write_text(json.dumps(tree))
    with pytest.raises(UsageError, match=says):
        profiles.load(tmp_path / "p.json", tree["shape"])


def test_no_profile_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="--save-profile"):
        profiles.load(tmp_path / "p.json", {})
