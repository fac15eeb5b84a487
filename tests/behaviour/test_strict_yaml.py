"""Strict YAML: what is written is what is read, and every mistake is one line before anything runs.

The oracle for plain scalars is the core schema of YAML 1.2 (section 10.3.2), written out by hand.
"""

import re
from pathlib import Path

import pytest
import yaml

from components.config.run import load
from components.core.errors import UsageError
from components.core.yaml_file import parse_yaml, read_yaml, written_yaml
from components.data.manifest import load_manifest
from components.glyphs.recipe import read_recipe
from components.parts.reading import Reading

RUN = "name: t\ndata: {uri: ds}\n"
MANIFEST = """
target: {column: label}
modalities:
  facts:
    kind: tabular
    columns:
      n: {type: number, null: {default: NUMBER}}
      c: {type: category, null: {default: CATEGORY}}
      s: {type: set, null: {default: SET}}
"""
DEFAULTS = {"NUMBER": "0", "CATEGORY": "x", "SET": "[]"}


def mistakes_in_run(text: str, folder: Path) -> list[str]:
    path = folder / "run.yaml"
    path.write_text(RUN + text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load(path)
    return str(caught.value).splitlines()[1:]


def columns(folder: Path, **defaults: str) -> dict:
    text = MANIFEST
    for name, value in (DEFAULTS | defaults).items():
        text = text.replace(name, value)
    (folder / "dataset.yaml").write_text(text, encoding="utf-8")
    return load_manifest(str(folder)).modalities["facts"].columns


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[("1e-3", 0.001), ("1.0e-3", 0.001), (".5", 0.5), ("5.", 5.0), ("-2E+2", -200.0)],
        *[("12", 12), ("+5", 5), ("0x1f", 31), ("0o17", 15), ("0", 0)],
        *[("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None)],
        # Of YAML 1.1 only: text since 1.2.
        *[(word, word) for word in ("yes", "no", "NO", "on", "Off", "y", "N")],
        *[(word, word) for word in ("12:30", "1:2:3", "1_000", "0b11", "=")],
        # Numbers of the core schema, kept as the text that they are in codes and class names.
        *[(word, word) for word in ("010", "01067", "-007", "00.5")],
        *[("'12'", "12"), ('"true"', "true"), ("!!str 12", "12")],
    ],
)
def test_a_plain_scalar_is_what_yaml_1_2_says(written, value):
    read = parse_yaml(f"a: {written}\nb: [{written}]\n", "x.yaml")
    assert read.tree == {"a": value, "b": [value]}
    assert type(read.tree["a"]) is type(value)
    assert read.mistakes == []


@pytest.mark.parametrize(
    "key", ["2020", "1.50", "no", "null", "010", "2024-01-01", "true", "12:30"]
)
def test_a_key_is_the_text_that_is_written(key):
    assert parse_yaml(f"{key}: 1\n", "x.yaml").tree == {key: 1}


@pytest.mark.parametrize(
    "text",
    [
        "1e3",
        "0o7",
        "no",
        "010",
        "2024-01-01",
        "",
        "null",
        "12:30",
        "a: b",
        "<<",
        "\x85",
        ".inf",
        "é",
    ],
)
def test_text_that_is_written_is_read_back_by_every_reader(text):
    written = written_yaml({text: [text]})
    assert parse_yaml(written, "x.yaml").tree == {text: [text]}
    assert yaml.safe_load(written) == {text: [text]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "a: is given twice (lines 1 and 3)"),
        ("m:\n  a: 1\n  a: 1\n", "m.a: is given twice (lines 2 and 3)"),
        ("l: [{a: 1, 'a': 2}]\n", "l.0.a: is given twice"),
        ("a: 2024-01-01\n", "a: got a date without quotes; write '2024-01-01' for text (line 1)"),
        ("a: 2024-01-01 10:00:00\n", "a: got a date without quotes"),
        ("a: .inf\n", "a: got .inf, wanted a finite number"),
        ("a: .NaN\n", "a: got .NaN"),
        ("a: 1e999\n", "a: got 1e999"),
        ("a: 18446744073709551616\n", "at most 64 bits"),
        ('a: "\\ud800"\n', "half surrogates"),
        ('a: "\\0"\n', "a: got '\\x00'"),
        ("a: !!int '3'\n", "a: got the tag !!int; drop it"),
        ("a: !!python/object:os.system x\n", "python/object:os.system; drop it"),
        ("? [1]\n: 2\n", "as a key, wanted text"),
        ("a: {<<: 3}\n", "after `<<`, wanted a mapping"),
    ],
)
def test_a_mistake_in_the_text_is_one_line_with_its_place(text, said):
    (line,) = parse_yaml(text, "x.yaml").mistakes
    assert said in line


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "got nothing, wanted a mapping"),
        (b"# only a comment\n", "got nothing"),
        (b"- 1\n", "got a list"),
        (b"word\n", "got a str"),
        (b"a: 1\n---\nb: 2\n", "line 2, column 1: expected a single document"),
        (b"a:\n\tb: 2\n", "line 2, column 1: while scanning for the next token.*spaces"),
        (b"a: [1, 2\n", "line 2, column 1"),
        (b"a: *b\n", "undefined alias"),
        (b"a: &a [*a]\n", "an alias counts as all that it repeats"),
        (BOMB.encode(), "an alias counts as all that it repeats"),
        (b"a: " + b"[" * 900, "nested too deeply"),
        (b'a: "\\UFFFFFFFF"\n', "not readable YAML"),
        ("x: 1\na: é\n".encode("latin-1"), r"line 2 is not utf-8 \(byte 0xe9\)"),
        (b"a: \x00", "not readable YAML"),
    ],
    ids=range(14),
)
def test_a_file_that_is_no_mapping_is_refused_in_one_line(data, said):
    with pytest.raises(UsageError, match=said) as caught:
        parse_yaml(data, "x.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("x.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_in_unicode_is_read(encoding):
    assert parse_yaml("größe: é\n".encode(encoding), "x.yaml").tree == {"größe": "é"}


def test_a_path_that_cannot_be_read_is_named_for_what_it_is(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, why in {
        tmp_path: "Is a directory",
        tmp_path / ("n" * 300): "File name too long",
        tmp_path / "file" / "x": "Not a directory",
        tmp_path / "loop": "Too many levels of symbolic links",
        tmp_path / "none": "no such thing",
        Path("a\0b"): "null byte",
    }.items():
        with pytest.raises(UsageError, match=re.escape(why)):
            read_yaml(path, "no such thing")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training: {seed: -1}", "training.seed: got -1"),
        ("training: {seed: 4294967296}", "training.seed: got 4294967296"),
        ("evaluation: {seed: -1}", "evaluation.seed: got -1"),
        ("gate: {seed: -1}", "gate.seed: got -1"),
        ("losses: {cross_entropy: {weight: heavy}}", "losses.cross_entropy.weight: got 'heavy'"),
        ("losses: {cross_entropy: {weight: -1}}", "losses.cross_entropy.weight: got -1"),
        ("losses: {cross_entropy: {weight: true}}", "losses.cross_entropy.weight: got True"),
        ("losses: {cross_entropy: {weight: 1e300}}", "losses.cross_entropy.weight: got 1e+300"),
        ("losses: {cross_entropy: {weight: 0}}", "losses: wanted at least one loss"),
        ("losses: {}", "losses: wanted at least one loss"),
        ("training: {augment: yes}", "training.augment: got 'yes', wanted: true or false"),
        ("training: {learning_rate: 010}", "training.learning_rate: got '010'"),
        ("training: {learning_rate: 1e300}", "training.learning_rate: got 1e+300"),
        ("training: {modality_dropout: 1}", "training.modality_dropout: got 1, wanted a number"),
        ("training: {modality_dropout: {a: x}}", "training.modality_dropout.a: got 'x', wanted"),
        ("training: {epochs: 1e1}", "training.epochs: got 10.0"),
        ("training: {batch_size: 9223372036854775807}", "training.batch_size"),
        ("serving: {max_batch: 9223372036854775807}", "serving.max_batch"),
        ("labeller: 3", "labeller: got 3"),
        ("labeller: [soft, graph]", "labeller: got ['soft', 'graph'], wanted one name"),
        ("composer: yes", "composer: got 'yes', wanted: a dictionary with keys of epochs, "),
        ("training: 3", "training: got 3, wanted: a dictionary with keys of augment, batch_size, "),
        ("ssl: false", "ssl: got False, wanted one name, or a name with options"),
        ("losses: {info_nce: }", "losses.info_nce: got None, wanted: a dictionary, such as"),
        ("model: {fusion: [concat]}", "model.fusion: got ['concat']"),
        ("model: {heads: []}", "model.heads: got [], wanted: at least 1 item"),
        ("trainer: {where: kubernetes, image: i, exchange: {uri: s3://a}, cpu: 1e300}", "cpu"),
    ],
)
def test_a_wrong_setting_is_one_line_before_anything_runs(text, said, tmp_path):
    (line,) = mistakes_in_run(text, tmp_path)
    assert said in line


def test_all_mistakes_of_a_file_are_said_at_once(tmp_path):
    text = "training: {epochs: 3}\ntraining: {epochs: 4}\ngate: {seed: -1, alpha: .nan}\nx: y\n"
    said = "\n".join(mistakes_in_run(text, tmp_path))
    for part in ("training: is given twice (lines 3 and 4)", "gate.seed", "gate.alpha", "x"):
        assert f"- {part}" in said


def test_a_power_of_ten_is_a_number_in_a_run(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(f"{RUN}training: {{learning_rate: 1e-3}}\n")
    assert load(path).training.learning_rate == 0.001


def test_classes_are_text_as_they_are_written(tmp_path):
    (tmp_path / "dataset.yaml").write_text(
        MANIFEST.replace("label}", "label, classes: [no, NO, on, 010, 12:30]}")
        .replace("NUMBER", "0").replace("CATEGORY", "x").replace("SET", "x")
    )  # fmt: skip
    assert load_manifest(str(tmp_path)).target.classes == ["no", "NO", "on", "010", "12:30"]


@pytest.mark.parametrize(
    ("kind", "written", "cell"),
    [
        *[("NUMBER", "1e-3", 0.001), ("NUMBER", "-2", -2.0)],
        *[("CATEGORY", text, text) for text in ("no", "007", "7")],
        ("CATEGORY", "'2024-01-01'", "2024-01-01"),
        *[("SET", "[box]", ["box"]), ("SET", "[]", []), ("SET", "''", [])],
        *[("SET", "'b, a'", ["a", "b"]), ("SET", "[on, 007, 7]", ["007", "7", "on"])],
    ],
)
def test_a_default_is_read_as_its_column_holds_it(kind, written, cell, tmp_path):
    name = {"NUMBER": "n", "CATEGORY": "c", "SET": "s"}[kind]
    column = columns(tmp_path, **{kind: written})[name]
    assert Reading("facts", "fields", {name: column.model_dump()}).cell(name, None) == cell


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        *[("NUMBER", wrong) for wrong in ("null", "[1]", "{a: 1}", "x", "'5'", "true")],
        *[("NUMBER", wrong) for wrong in ("1e300", "010")],
        *[("CATEGORY", wrong) for wrong in ("null", "[x]", "{a: 1}", "2024-01-01", "''", "' '")],
        *[("SET", wrong) for wrong in ("null", "[[x]]", "[null]", "{a: 1}", "[2024-01-01]")],
    ],
)
def test_a_default_of_a_wrong_type_is_one_line(kind, written, tmp_path):
    with pytest.raises(UsageError) as caught:
        columns(tmp_path, **{kind: written})
    lines = str(caught.value).splitlines()
    assert len(lines) == 2, lines
    assert "null.default" in lines[1]


def test_a_column_that_is_given_twice_is_a_mistake(tmp_path):
    text = MANIFEST.replace("CATEGORY", "x").replace("NUMBER", "0").replace("SET", "x")
    (tmp_path / "dataset.yaml").write_text(f"{text}      n: {{type: set}}\n")
    with pytest.raises(UsageError, match=r"modalities.facts.columns.n: is given twice"):
        load_manifest(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("glyphs: {seed: -1}", "glyphs.seed: got -1"),
        ("glyphs: {noise: loud}", "glyphs.noise: got 'loud'"),
        ("glyphs: {faces: most}", "glyphs.faces: got 'most'"),
        ("glyphs: {labels: 4}", "glyphs.labels: got 4"),
        ("glyphs: {draws: 1, draws: 2}", "glyphs.draws: is given twice"),
        ("glyphs: [1]", "glyphs: got [1], wanted a mapping"),
        ("glyphs: {sed: 1}", "did you mean 'seed'"),
    ],
)
def test_the_recipe_of_the_glyphs_is_checked_alike(text, said, tmp_path):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_recipe(tmp_path / "params.yaml")
    assert said in str(caught.value)
