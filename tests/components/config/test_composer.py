"""The block ``composer`` of a run's YAML, and what it needs of a data set."""

import pytest

from components.config import run as configuration
from components.core.errors import UsageError, UserError
from components.core.yaml_file import parse_yaml
from components.data.manifest import Manifest
from components.training.composer import METHOD
from flows.check import check
from flows.steps.table import steps_for
from tests import tiny


def loaded(folder, more):
    path = folder / "tiny.yaml"
    path.write_text(tiny.CONFIG.replace("OPTIONS", "{}").replace("URI", "data") + more)
    return configuration.load(path), path


def manifest(text=tiny.MANIFEST):
    return Manifest.model_validate(parse_yaml(text, "tiny").tree)


def test_the_line_of_the_catalogue_switches_it_on(tmp_path):
    config, path = loaded(tmp_path, METHOD["use"])
    check(config, path, manifest())
    names = [step.name for step in steps_for(config, manifest())]
    assert names.index("triplets") < names.index("teach")
    assert names.index("train") < names.index("compose") < names.index("evaluate")


def test_without_it_the_steps_are_those_of_before_and_with_it_only_what_reads_it_changes(tmp_path):
    plain = {s.name: s for s in steps_for(loaded(tmp_path, "")[0], manifest())}
    composed = {s.name: s for s in steps_for(loaded(tmp_path, METHOD["use"])[0], manifest())}
    assert set(composed) - set(plain) == {"triplets", "compose"}
    changed = {
        name for name, step in plain.items()
        if (step.inputs, step.config) != (composed[name].inputs, composed[name].config)
    }  # fmt: skip
    assert changed == {"evaluate", "package"}
    assert "composer" not in str((plain["package"].config, plain["evaluate"].inputs))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("composer: {reference: image, text: image}", "for both .* wanted two modalities"),
        ("composer: {reference: image}", r"composer\.text"),
        ("composer: {reference: image, text: text, hidden: 0}", r"composer\.hidden: got 0"),
    ],
)
def test_a_mistake_is_told_with_its_path(tmp_path, more, said):
    with pytest.raises(UsageError, match=said):
        loaded(tmp_path, more)


WITHOUT_CATEGORIES = """\
id: id
target: {kind: none}
split: {column: split}
modalities:
  image: {kind: image, column: image}
  text: {kind: text, column: text}
  facts: {kind: tabular, columns: {weight: {type: number}}}
"""
ONE = """\
id: id
target: {column: label, kind: single}
split: {column: split}
modalities:
  image: {kind: image, column: image}
"""


@pytest.mark.parametrize(
    ("text", "used", "said"),
    [
        (ONE, METHOD["use"], "^composer: got a data set of image alone, wanted two modalities"),
        (
            WITHOUT_CATEGORIES,
            METHOD["use"],
            "^composer: .* without a column of type category or set",
        ),
        (
            tiny.MANIFEST,
            "composer: {reference: image, text: txt}",
            r"^composer\.text: unknown modality 'txt': did you mean 'text'",
        ),
    ],
)
def test_a_data_set_that_gives_no_triplets_is_refused_before_anything_runs(
    tmp_path, text, used, said
):
    config, path = loaded(tmp_path, used)
    with pytest.raises(UserError, match=said):
        check(config, path, manifest(text))
