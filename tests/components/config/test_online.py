"""The blocks ``ssl`` and ``balance`` of a run's YAML."""

import pytest

from components.config import run as configuration
from components.config.check_parts import check_parts
from components.core.errors import UsageError
from components.core.yaml_file import parse_yaml
from components.data.manifest import Manifest
from flows.steps.table import steps_for
from tests import tiny


def checked(folder, more):
    path = folder / "tiny.yaml"
    path.write_text(tiny.CONFIG.replace("OPTIONS", "{}").replace("URI", "data") + more)
    config = configuration.load(path)
    check_parts(config, path, {"image": "image", "text": "text"})
    return config


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("ssl: {name: fixmtch}", r"ssl: unknown ssl 'fixmtch': did you mean 'fixmatch'"),
        ("ssl: {name: fixmatch, treshold: 1.0}", r"ssl\.treshold: .* did you mean 'threshold'"),
        ("ssl: {name: fixmatch, ratio: 0}", r"ssl\.ratio: got 0, wanted: greater than 0"),
        ("balance: {name: feature_drop, a: -1.0}", r"balance\.a: got -1\.0, wanted"),
    ],
)
def test_a_mistake_is_told_with_its_path(tmp_path, more, said):
    with pytest.raises(UsageError, match=said):
        checked(tmp_path, more)


def test_one_modality_has_nothing_to_balance(tmp_path):
    checked(tmp_path, "balance: feature_drop")
    config = configuration.load(tmp_path / "tiny.yaml")
    with pytest.raises(UsageError, match=r"balance: feature_drop: got a data set of text alone"):
        check_parts(config, tmp_path / "tiny.yaml", {"text": "text"})


def test_options_of_the_loop_are_not_those_of_the_part(tmp_path):
    config = checked(tmp_path, "ssl: {name: fixmatch, weight: 0.5, ratio: 2, threshold: 0.9}")
    assert (config.ssl.weight, config.ssl.ratio) == (0.5, 2.0)
    assert config.ssl.options == {"threshold": 0.9}


def test_they_are_part_of_the_key_of_training_and_of_nothing_before(tmp_path):
    manifest = Manifest.model_validate(parse_yaml(tiny.MANIFEST, "tiny").tree)
    plain = steps_for(checked(tmp_path, ""), manifest)
    chosen = "ssl: {name: fixmatch, ratio: 2}\nbalance: feature_drop"
    changed = {
        one.name
        for one, other in zip(plain, steps_for(checked(tmp_path, chosen), manifest), strict=True)
        if (one.config, one.chosen) != (other.config, other.chosen)
    }
    assert changed == {"train", "baselines", "package"}
