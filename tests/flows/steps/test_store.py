"""The step store: an output is made once, found again, and never partial."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.steps.store import StepKey, StepStore

KEY = StepKey(
    step="teach",
    version=1,
    inputs={"encode": "a"},
    config={"lr": 0.1},
    sources={"fusion gated": "s"},
    libraries={},
)


def write(text):
    def work(out):
        (out / "value.txt").write_text(text)

    return work


def test_a_finished_step_is_skipped_and_keeps_its_digest(tmp_path):
    store = StepStore(tmp_path)
    first = store.run(KEY, write("one"))
    again = StepStore(tmp_path).run(KEY, write("never written"))
    assert (first.status, again.status) == ("ran", "skipped")
    assert again.ref == first.ref
    assert (again.ref.path / "value.txt").read_text() == "one"


def test_a_failed_step_leaves_nothing_behind(tmp_path):
    store = StepStore(tmp_path)

    def fail(out):
        (out / "half.txt").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.run(KEY, fail)
    assert store.find(KEY) is None
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_output_without_its_record_is_made_again(tmp_path):
    """A kill between rename and record leaves a folder that no record confirms."""
    store = StepStore(tmp_path)
    store.run(KEY, write("one"))
    next((tmp_path / "teach").glob("*.json")).unlink()
    assert store.run(KEY, write("two")).status == "ran"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": {"lr": 0.2}}, "config lr: 0.1 -> 0.2"),
        ({"inputs": {"encode": "b"}}, "inputs encode changed"),
        ({"version": 2}, "version: 1 -> 2"),
        ({"sources": {"fusion gated": "t"}}, "sources fusion gated changed"),
        (
            {"sources": {"fusion concat": "s"}},
            "sources fusion concat added; sources fusion gated left out",
        ),
    ],
)
def test_the_reason_names_what_changed(tmp_path, change, said):
    store = StepStore(tmp_path)
    assert store.run(KEY, write("one")).reason == "never ran"
    assert store.run(replace(KEY, **change), write("two")).reason == said


def test_volatile_outputs_do_not_shape_the_digest(tmp_path):
    store = StepStore(tmp_path)

    def with_docs(text):
        def work(out):
            (out / "value.txt").write_text("same")
            (out / "docs").mkdir()
            (out / "docs" / "time.html").write_text(text)

        return work

    first = store.run(KEY, with_docs("1 o'clock"), volatile=("docs",))
    second = store.run(replace(KEY, version=2), with_docs("2 o'clock"), volatile=("docs",))
    assert first.ref.digest == second.ref.digest


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_the_key_depends_on_content_not_on_order(config):
    backwards = dict(reversed(config.items()))
    assert replace(KEY, config=config).digest() == replace(KEY, config=backwards).digest()
    assert replace(KEY, config=config | {"new": 1}).digest() != replace(KEY, config=config).digest()
