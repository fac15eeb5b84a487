"""A user's own part that raises is named in one sentence, with the file and the line."""

from types import SimpleNamespace

import pytest

from components.core.errors import UserError
from components.parts import loading as parts
from components.parts import own
from flows.steps import step as steps
from flows.steps.step import Step
from flows.steps.store import StepStore

PART = """
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Config:
    pass


def build(config):
    return work


def work(how):
    if how == "own":
        raise KeyError("colour")
    if how == "library":
        return np.zeros(2) @ np.zeros(3)
    return how()
"""


@pytest.fixture
def part(tmp_path):
    (tmp_path / "mine.py").write_text(PART)
    return parts.load("losses", "./mine.py", tmp_path).build(None)


def does(work, tmp_path):
    row = Step(
        name="train", version=1, inputs={}, config={}, libraries=(), work=lambda _call: work()
    )
    job = SimpleNamespace(base=tmp_path, store=StepStore(tmp_path / "steps"), say=print)
    steps.execute(row, {}, job)


@pytest.mark.parametrize(
    ("how", "line", "said"),
    [("own", 18, "KeyError: 'colour'"), ("library", 20, "ValueError: matmul")],
)
def test_a_part_that_raises_is_named_with_its_line(how, line, said, part, tmp_path):
    with pytest.raises(UserError) as caught:
        does(lambda: part(how), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.py'}:{line}: {said}")
    assert "\n" not in str(caught.value)


def test_a_fault_of_the_program_itself_keeps_its_traceback(tmp_path):
    def ours():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        does(ours, tmp_path)


def test_the_deepest_code_that_is_no_librarys_decides(part):
    with pytest.raises(UserError) as ours:
        part(lambda: parts.source("losses", "./none.py", None))
    with pytest.raises(ValueError, match="matmul") as librarys:
        part("library")
    assert own.blamed(ours.value) is None
    assert own.blamed(librarys.value) is not None
