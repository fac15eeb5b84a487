"""A short series of seeded faults; ``python -m tests.cluster.faults`` runs a long one."""

import json

import pytest

from tests.cluster.faults import campaign

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.usefixtures("own_cluster"),
]


def test_ten_runs_that_are_hurt_lose_nothing_double_nothing_and_end_as_they_should(
    kubeconfig, tmp_path, capsys
):
    found = campaign(10, seed=0, kubeconfig=str(kubeconfig), folder=tmp_path)
    with capsys.disabled():
        print(json.dumps(found))  # noqa: T201 - a row of docs/results.md
    assert found["runs"] == 10
    assert len(found["by_fault"]) == 10
    assert found["wrong"] == []
