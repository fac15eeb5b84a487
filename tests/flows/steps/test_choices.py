"""What the data choose is part of the keys of steps, as if the configuration had named it."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.home import Home
from components.config.run import RunConfig
from components.core.errors import UsageError
from components.core.yaml_file import parse_yaml
from components.data.manifest import Manifest
from components.parts.encoders import e5
from flows.steps.step import Job, key
from flows.steps.table import steps_for

MANIFEST = """\
id: id
target: {column: label, kind: single}
split: {column: split}
modalities: {text: {kind: text, column: text}}
"""
ENGLISH, CHINESE = "a red shoe", "红色的鞋子"
BOTH = {"text": {"encoders": ["e5", "ngrams"]}}


def keys(folder, texts, **modalities):
    """The keys of the steps but for what they read: their own parts of the run."""
    folder.mkdir(exist_ok=True)
    (folder / "dataset.yaml").write_text(MANIFEST)
    n = len(texts)
    columns = {"id": [str(i) for i in range(n)], "label": ["a"] * n, "split": ["train"] * n}
    pq.write_table(pa.table({**columns, "text": texts}), folder / "records.parquet")
    config = RunConfig.model_validate(
        {"name": "x", "data": {"uri": str(folder)}, "modalities": modalities}
    )
    job = Job.opened(config, base=folder, home=Home(root=folder / "home"))
    rows = steps_for(job.config, job.manifest, job.base)
    nothing = job.data.__class__(uri="", digest="")
    return {r.name: key(r, dict.fromkeys(r.inputs, nothing), folder).digest() for r in rows}


@pytest.fixture(autouse=True)
def _runs_here(monkeypatch):
    monkeypatch.setattr(e5, "missing", lambda: None)


def test_data_that_change_the_choice_change_the_keys_and_others_do_not(tmp_path):
    english = keys(tmp_path / "a", [ENGLISH] * 3)
    assert keys(tmp_path / "b", [ENGLISH, ENGLISH, CHINESE]) == english
    chinese = keys(tmp_path / "c", [ENGLISH, CHINESE, CHINESE])
    assert {name for name in english if english[name] != chinese[name]} == set(english)


def test_a_choice_by_the_data_has_the_keys_of_the_same_choice_by_name(tmp_path):
    assert keys(tmp_path / "a", [CHINESE]) == keys(tmp_path / "b", [ENGLISH], **BOTH)


def test_a_rate_of_hiding_for_an_unknown_modality_is_refused_before_anything_runs():
    manifest = Manifest.model_validate(parse_yaml(MANIFEST, "x").tree)
    tree = {"name": "x", "data": {"uri": "x"}, "training": {"modality_dropout": {"txt": 0.5}}}
    with pytest.raises(UsageError, match=r"modality_dropout: unknown modality 'txt'.*'text'"):
        steps_for(RunConfig.model_validate(tree), manifest)
