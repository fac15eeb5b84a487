"""Parts found by name, options checked, and a user's own files."""

import shutil

import pytest

from components.core.errors import UsageError, UserError
from components.parts import loading as parts
from components.parts.loading import source_digest

OWN = """
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator


@dataclass(frozen=True, kw_only=True)
class Config:
    share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    sizes: tuple[int, ...] = (1, 2)
    least: int = 0

    @model_validator(mode="after")
    def _possible(self):
        if self.least > len(self.sizes):
            raise ValueError(f"got least {self.least}, wanted at most {len(self.sizes)}")
        return self


def build(config):
    return config
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    return tmp_path


def configure(base, **options):
    return parts.configure("losses", "./mine.py", options, base, "losses.mine")


def refusal(base, **options):
    with pytest.raises(UsageError) as caught:
        configure(base, **options)
    return str(caught.value).splitlines()


def test_an_unknown_name_lists_the_nearest_and_all_others():
    with pytest.raises(UsageError, match=r"'gatd': did you mean 'gated'\? .*concat.*my_fusion.py"):
        parts.source("fusion", "gatd")


def test_yaml_lists_become_tuples_and_whole_numbers_pass_for_floats(own):
    config = configure(own, share=0, sizes=[3])
    assert (config.share, config.sizes) == (0.0, (3,))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"share": 1}, "losses.mine.share: got 1, wanted: less than 1"),
        ({"share": float("nan")}, "losses.mine.share: got nan, wanted: less than 1"),
        ({"share": True}, "losses.mine.share: got True, wanted: a valid number"),
        ({"share": "0.2"}, "losses.mine.share: got '0.2', wanted: a valid number"),
        ({"sizes": ["a"]}, "losses.mine.sizes.0: got 'a', wanted: a valid integer"),
        ({"least": 3}, "losses.mine: got least 3, wanted at most 2"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_value_is_named_with_its_path(own, options, line):
    assert refusal(own, **options) == [line]


def test_all_mistakes_come_at_once_and_unknown_options_with_the_nearest(own):
    lines = refusal(own, shares=0.1, share=-1, least="x")
    assert [line.split(":")[0] for line in lines] == [
        "losses.mine.shares",
        "losses.mine.share",
        "losses.mine.least",
    ]
    assert "did you mean 'share'?" in lines[0]


def test_an_own_file_is_loaded_once_and_again_after_an_edit_of_the_same_size(own):
    first = parts.load("losses", "./mine.py", own)
    assert parts.load("losses", "mine.py", own).Config is first.Config
    (own / "mine.py").write_text(OWN.replace("0.5", "0.7"))
    assert configure(own).share == 0.7
    assert [p.name for p in own.iterdir()] == ["mine.py"]


@pytest.mark.parametrize("name", ["../mine.py", "/tmp/mine.py", "a/../../mine.py"])  # noqa: S108
def test_an_own_file_outside_the_folder_is_never_opened(own, name):
    (own / "conf").mkdir()
    with pytest.raises(UsageError, match="leaves the folder"):
        parts.source("losses", name, own / "conf")


def test_a_missing_own_file_is_named_with_its_place(own):
    with pytest.raises(UsageError, match=f"'./other.py': no file at {own}/other.py"):
        parts.load("losses", "./other.py", own)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (\n\ndef f(): pass\n", r"mine\.py:\d: cannot be imported: SyntaxError: "),
        ("\n\nimport nothing_of_that_name\n", r"mine\.py:3: cannot be imported: ModuleNotFound"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", r"mine\.py:2: cannot be imported: ZeroDivision"),
        ("x = 1\n\0\n", r"mine\.py.*cannot be imported: SyntaxError: "),
        (OWN.replace("def build", "def built"), "build is missing"),
        (OWN.replace("class Config", "class Konfig"), "Config is missing"),
        ("class Config: pass\ndef build(config): pass\n", "`Config` must be a dataclass"),
        (OWN.replace("least: int", "least: open"), "`Config`: "),
        ("\nimport beside\n", r"mine\.py:2: imports a file beside it"),
        ("from beside import x\n", r"mine\.py:1: imports a file beside it"),
        ("from . import beside\n", r"mine\.py:1: imports a file beside it"),
    ],
)
def test_a_mistake_in_an_own_file_is_told_with_its_line(own, text, message):
    (own / "beside.py").write_text("x = 1\n")
    (own / "mine.py").write_text(text)
    with pytest.raises(UserError, match=message):
        configure(own)
    (own / "mine.py").write_text(OWN)
    assert configure(own).least == 0


IMPORTS = {
    "completion": ("losses", "losses/info_nce.py"),
    "agreement": ("labellers", "labellers/fixed.py"),
    "prompts": ("labellers", "labellers/_sets.py"),  # through `_single`
    "proxy": ("fusion", "fusion/concat.py"),  # through `_completing`
    "melcnn": ("encoders", "encoders/_cnn.py"),
    "fields": ("encoders", "kinds/tabular.py"),
}


@pytest.fixture
def source_tree(tmp_path, monkeypatch):
    """A copy of all parts, which may be edited."""
    shutil.copytree(parts._ROOT, tmp_path / "parts")
    monkeypatch.setattr(parts, "_ROOT", tmp_path / "parts")
    return tmp_path / "parts"


@pytest.mark.parametrize("name", IMPORTS)
def test_the_digest_of_a_part_follows_the_files_that_it_imports(source_tree, name):
    family, imported = IMPORTS[name]
    before = source_digest(family, name)
    with (source_tree / imported).open("a") as file:
        file.write("# edited\n")
    assert source_digest(family, name) != before


def test_the_digest_of_an_own_file_follows_the_parts_that_it_imports(source_tree, tmp_path):
    (tmp_path / "mine.py").write_text("import components.parts.losses.info_nce\n")
    before = source_digest("losses", "mine.py", tmp_path)
    with (source_tree / "losses" / "info_nce.py").open("a") as file:
        file.write("# edited\n")
    assert source_digest("losses", "mine.py", tmp_path) != before


def test_the_digest_of_a_part_follows_no_file_that_it_does_not_import(source_tree):
    before = source_digest("losses", "completion")
    for path in ("losses/focal.py", "labellers/fixed.py", "encoders/_cnn.py"):
        with (source_tree / path).open("a") as file:
            file.write("# edited\n")
    assert source_digest("losses", "completion") == before
