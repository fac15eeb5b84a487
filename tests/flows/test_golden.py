"""A step whose output changes must raise its version; else stale outputs would be reused."""

import json

import pytest

from tests import golden


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return golden.run_all(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("step", golden.rows().values(), ids=list(golden.rows()))
def test_a_step_that_changes_its_output_raises_its_version(outputs, step):
    kept = json.loads(golden.FILE.read_text())[step.name]
    found = golden.summary(outputs[step.name], (*step.volatile, "bento"))
    advice = (
        f"step {step.name!r}: raise its version in flows/steps/table.py, "
        "then `python -m tests.golden`"
    )
    if step.version != kept["version"]:
        pytest.fail(f"{advice}: the stored outputs are of version {kept['version']}")
    assert found.keys() == kept["files"].keys(), advice
    for name, numbers in found.items():
        assert numbers == pytest.approx(kept["files"][name], rel=0.05, abs=0.02), (
            f"{advice} ({name})"
        )
