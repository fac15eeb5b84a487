"""Requests that are refused, throttled or not answered."""

import time

import pytest

from infra import transport
from tests.infra.fake_api import write_kubeconfig
from tests.infra.runs import NAME, Run


def test_throttling_is_obeyed(api):
    api.fail(429, 2, headers={"Retry-After": "1"})
    start = time.monotonic()
    Run().submit()
    assert time.monotonic() - start >= 1.4  # two waits of a second, less the jitter


def test_an_expired_token_is_read_again_from_the_kubeconfig(api, tmp_path):
    run = Run()
    api.token = "new"  # noqa: S105
    text = (tmp_path / "kubeconfig").read_text()
    (tmp_path / "kubeconfig").write_text(text.replace("token: good", "token: new"))
    run.submit()
    assert NAME in api.objects["jobs"]


def test_an_outage_beyond_the_budget_is_told_and_the_job_lives_on(api):
    run = Run()
    run.cluster.transport._budget = 0.5
    uid, _ = run.submit()
    api.fail(500, 99)
    with pytest.raises(transport.Unreachable, match="keep running"):
        run.watch(uid)
    assert NAME in api.objects["jobs"]


@pytest.mark.usefixtures("api")
def test_the_token_is_no_part_of_any_error(tmp_path):
    write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1", "very-secret")
    run = Run()
    run.cluster.transport._budget = 0.3
    with pytest.raises(transport.Unreachable) as caught:
        run.submit()
    assert "very-secret" not in str(caught.value)
