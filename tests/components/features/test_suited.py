"""Encoders by the script of the training texts, where the configuration names none."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import RunConfig
from components.core.yaml_file import parse_yaml
from components.data.manifest import parse
from components.features import suited
from components.features.suited import with_suited
from components.parts.encoders import e5

MANIFEST = """\
id: id
target: {column: label, kind: single}
split: {column: split}
modalities:
  title: {kind: text, column: title}
  note: {kind: text, column: note}
"""
CHINESE, ENGLISH = "红色的鞋子", "a red shoe"
CHOSEN = {"encoders": ["e5", "ngrams"]}


@pytest.fixture(autouse=True)
def _runs_here(monkeypatch):
    monkeypatch.setattr(e5, "missing", lambda: None)


def chosen(folder, titles, *, split="train", **options):
    """Options and words for a set of these titles, with English notes."""
    n = len(titles)
    columns = {
        "id": [str(i) for i in range(n)],
        "label": ["a", None] * (n // 2) + ["a"] * (n % 2),
        "split": [split] * n if isinstance(split, str) else split,
        "title": titles,
        "note": [ENGLISH] * n,
    }
    pq.write_table(pa.table(columns), folder / "records.parquet")
    config = RunConfig.model_validate(
        {"name": "x", "data": {"uri": str(folder)}, "modalities": options}
    )
    manifest = parse(parse_yaml(MANIFEST, "dataset.yaml").tree)
    found, told = with_suited(config, manifest)
    return found.modalities, told


def test_texts_in_another_script_get_the_multilingual_encoder_and_others_do_not(tmp_path):
    options, told = chosen(tmp_path, [CHINESE, CHINESE, ENGLISH, None])
    assert options == {"title": CHOSEN}
    assert told == ("title: texts are mostly not in Latin script: e5 and ngrams",)


def test_a_data_set_in_latin_script_keeps_its_configuration(tmp_path):
    options = {"title": {"max_tokens": 64}}
    assert chosen(tmp_path, [ENGLISH, ENGLISH, CHINESE], **options) == (options, ())


def test_only_training_records_decide(tmp_path):
    titles = [ENGLISH, CHINESE, CHINESE, CHINESE]
    assert chosen(tmp_path, titles, split=["train", "test", "val", "test"]) == ({}, ())


def test_named_encoders_are_never_overruled(tmp_path):
    options = {"title": {"encoders": ["minilm"]}}
    assert chosen(tmp_path, [CHINESE] * 3, **options) == (options, ())


def test_options_of_the_default_encoder_go_to_the_one_in_its_place(tmp_path):
    given = {"max_tokens": 64, "max_characters": 100}
    options, _ = chosen(tmp_path, [CHINESE] * 3, title=given)
    assert options["title"] == {
        "max_characters": 100,
        "encoders": [{"name": "e5", "max_tokens": 64}, "ngrams"],
    }


def test_where_the_encoder_does_not_run_the_default_stays_and_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(e5, "missing", lambda: "the text encoder 'e5' runs on Linux")
    options, told = chosen(tmp_path, [CHINESE] * 3)
    assert options == {}
    assert "but the text encoder 'e5' runs on Linux: minilm and ngrams" in told[0]


@pytest.mark.parametrize("last", range(2))
def test_of_many_records_evenly_spaced_ones_decide(tmp_path, monkeypatch, last):
    monkeypatch.setattr(suited, "_LOOKED_AT", 4)
    titles = [CHINESE if i % 3 == 0 else ENGLISH for i in range(12)]  # every third is looked at
    titles[-1] = (ENGLISH, CHINESE)[last]
    assert chosen(tmp_path, titles)[0] == {"title": CHOSEN}


def test_without_a_text_nothing_is_chosen(tmp_path):
    assert chosen(tmp_path, [None, None, None]) == ({}, ())
