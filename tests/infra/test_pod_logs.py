"""Lines of pods, each once."""

from tests.infra.fake_api import until
from tests.infra.runs import NAME, Run, add_pod, complete, ended


def test_lines_come_once_even_if_their_stream_breaks(api, background):
    run = Run()
    uid, _ = run.submit()
    stamps = [f"2026-01-01T00:00:0{i // 3}.00000000{i}Z line {i}" for i in range(8)]
    api.logs["p-1"] = [*stamps[:5], None, *stamps[5:]]
    add_pod(api, uid)
    future = background.submit(run.watch, uid)
    until(lambda: "line 7" in run.lines)
    complete(api, uid)
    future.result(10)
    assert run.lines == [f"line {i}" for i in range(8)]


def test_lines_of_indexed_pods_say_whose_they_are(api):
    run = Run()
    uid, _ = run.submit()
    api.logs["p-1"] = ["2026-01-01T00:00:00.000000001Z hello"]
    add_pod(api, uid, "Succeeded", state=ended(0), index=3)
    api.condition(NAME, "Complete")
    run.watch(uid)
    assert run.lines == ["[3] hello"]
