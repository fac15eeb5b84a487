"""The manifest is parsed strictly and all mistakes are reported at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.core.errors import UsageError
from components.core.yaml_file import parse_yaml
from components.data.manifest import FILE, load_manifest, parse
from tests.datasets import MANIFEST


def _tree() -> dict:
    return parse_yaml(MANIFEST, FILE).tree


def test_a_resolved_manifest_reads_back_the_same():
    manifest = parse(_tree())
    assert parse(manifest.resolved()) == manifest
    assert manifest.feature_columns == ["size", "bonus", "colour", "tags", "image", "text"]


def test_the_bare_key_null_means_the_word():
    text = MANIFEST.replace("size: {type: number", "size: {null: {default: 3}, type: number")
    tree = parse_yaml(text, FILE).tree
    assert parse(tree).modalities["facts"].columns["size"].null == {"default": 3}


def test_all_mistakes_are_said_at_once_with_the_nearest_name():
    tree = _tree()
    tree["idd"] = tree.pop("id")
    tree["target"]["kind"] = "mulit"
    tree["split"] = {"colum": "split"}
    tree["modalities"]["image"]["kind"] = "imagee"
    tree["modalities"]["facts"]["columns"]["size"]["type"] = "nunber"
    with pytest.raises(UsageError) as caught:
        parse(tree)
    said = str(caught.value)
    assert said.startswith("5 mistakes in dataset.yaml")
    for part in (
        "did you mean 'id'",
        "did you mean 'multi'",
        "did you mean 'column'",
        "did you mean 'image'",
        "facts.columns.size.type",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("target", "kind"), "none", "no labels, so no column"),
        (("target", "separator"), "|", "only a target of kind multi"),
        (("target", "column"), None, "kind: none"),
        (("modalities", "image", "kind"), "audios", "did you mean 'audio'"),
        (("modalities", "image", "column"), "label", "is the target"),
        (("modalities", "image", "column"), None, "exactly one"),
        (("modalities", "text"), {"kind": "tabular", "column": "text"}, "wants `columns"),
        (
            ("modalities", "text"),
            {"kind": "text", "columns": {"text": {"type": "category"}}},
            "is in one `column`",
        ),
        (("modalities", "facts", "columns", "size", "separator"), ";", "only a column of type set"),
        (("modalities", "facts", "columns", "size", "null"), "zero", "wanted `missing`"),
        (
            ("modalities", "facts", "columns", "size", "null"),
            {"default": "much"},
            "wanted a finite number",
        ),
        (("split",), {"validation": 0.5, "test": 0.5}, "leave no training records"),
        (("target", "classes"), ["cat", "cat"], "named twice"),
        (("target", "column"), "species", "column 'label'"),
        (("modalities",), {}, "modalities"),
        (("slices",), ["label", "split"], None),
    ],
)
def test_a_single_mistake_is_said_in_one_sentence(path, value, said):
    tree = _tree()
    at = tree
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    if path == ("target", "column"):
        tree["slices"] = ["label"]
    if said is None:
        assert parse(tree).slices == value
        return
    with pytest.raises(UsageError, match=said) as caught:
        parse(tree)
    assert str(caught.value).count("\n  - ") == 1


def test_a_missing_manifest_says_what_to_do(tmp_path: Path):
    with pytest.raises(UsageError, match=r"concord data import"):
        load_manifest(str(tmp_path))
    with pytest.raises(UsageError, match="no such folder"):
        load_manifest(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="no manifest at"):
        load_manifest(str(tmp_path), tmp_path / "other.yaml")


def test_reading_a_manifest_needs_nothing_heavy():
    heavy = "torch pandas sklearn great_expectations pyarrow numpy matplotlib fsspec"
    code = (
        "import sys, components.data.manifest; "
        f"sys.exit(bool([m for m in '{heavy}'.split() if m in sys.modules]))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]
        ).returncode
        == 0
    )


def test_declared_classes_may_be_whole_numbers_and_truth_values():
    target = {"column": "label", "classes": [1, True, "x"]}
    assert parse(_tree() | {"target": target}).target.classes == ["1", "true", "x"]


def test_a_column_of_times_is_named_and_a_manifest_without_one_keeps_its_digest():
    plain = parse(_tree())
    assert "time" not in plain.resolved()
    assert parse(_tree() | {"time": None}).digest() == plain.digest()  # as earlier versions had it
    timed = parse(_tree() | {"time": "seen"})
    assert (timed.used[2], timed.accepted().time) == ("group", "time")
    assert "seen" in timed.used
    assert "seen" not in timed.feature_columns
    assert parse(timed.resolved()) == timed


def test_the_name_time_is_kept_only_where_there_are_times():
    tree = _tree()
    tree["modalities"]["text"]["column"] = "time"
    assert parse(tree).time is None
    with pytest.raises(UsageError, match=r"column 'time'.*reserved for the record's time"):
        parse(tree | {"time": "seen"})
