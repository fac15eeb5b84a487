"""The measurements of a walk, on the test's own stages."""

import json
from itertools import count

import pytest

from components.plan.walk import Stage, StepClock, walk


def stage(name, work, *, training=False, inputs=("data",)):
    return Stage(name=name, inputs=inputs, training=training, divided=False, work=work)


def test_the_first_step_of_a_model_counts_as_a_mean_one():
    times = iter([0.0, 10.0, 12.0, 100.0, 104.0])
    clock = StepClock(lambda: next(times))
    for done in (1, 2, 3):
        clock("a", done, 3)
    for done in (1, 2):
        clock("b", done, 2)
    assert clock.seconds(["a", "b", "never"]) == pytest.approx((10 + 2 + 6) + (4 + 4))
    assert clock.seconds(["b"]) == pytest.approx(4 + 4)


def test_steps_are_apart_from_the_rest_of_a_stage(tmp_path):
    ticks = count()  # the clock advances by a second whenever it is read

    def fit(_outputs, _home, out, progress):
        for done in range(4):
            progress("model", done + 1, 4)
        for done in range(3):
            progress("rounds", done + 1, 3)  # no step of a network
        history = {"steps": 4, "records": 60, "epochs": [{}, {}]}
        (out / "model").mkdir()
        (out / "model" / "history.json").write_text(json.dumps(history))

    ((_, taken),) = walk(
        [stage("fit", fit, training=True)], "data", tmp_path, lambda: float(next(ticks))
    )
    assert taken.step_seconds == pytest.approx(4)
    assert taken.seconds == pytest.approx(8 - 4)
    assert (taken.fits, taken.steps) == (((2, 60),), 4)
    assert taken.step == (pytest.approx(30), pytest.approx(1))


def test_a_model_that_is_passed_on_is_not_fitted_again(tmp_path):
    def fit(_outputs, _home, out, _progress):
        (out / "history.json").write_text('{"steps": 4, "records": 60, "epochs": [{}]}')

    def keep(outputs, _home, out, _progress):
        (out / "kept").mkdir()
        text = (outputs["fit"].path / "history.json").read_text()
        (out / "kept" / "history.json").write_text(text)

    stages = [stage("fit", fit, training=True), stage("keep", keep, training=True)]
    found = dict(walk(stages, "data", tmp_path, lambda: 0.0))
    assert len(found["fit"].fits) == 1
    assert found["keep"].fits == ()


def test_bytes_of_outputs_and_checkpoints_are_those_of_the_files(tmp_path):
    def fit(_outputs, home, out, _progress):
        home.checkpoints.mkdir(parents=True, exist_ok=True)
        (home.checkpoints / f"{out.name}.safetensors").write_bytes(b"x" * 70)
        (out / "model").write_bytes(b"x" * 11)

    stages = [stage(name, fit, training=True) for name in ("a", "b")]
    for _, taken in walk(stages, "data", tmp_path, lambda: 0.0):
        assert (taken.written, taken.checkpoints) == (11, 70)
