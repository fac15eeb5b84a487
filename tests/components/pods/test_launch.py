"""Real launchers on this machine, one per simulated node, and how they end."""

import os
import signal
import time

import pytest

from components.config.run import ModelConfig, Part
from components.core.errors import UsageError
from components.core.files import read_json
from components.pods.nodes import Nodes
from components.pods.pod import PeersError
from components.training.run import run
from tests.components.pods.pods import command, end, figures, job, start, train_spec
from tests.components.training.test_distributed import free_port
from tests.synthetic import records, write_features

LONG = {"epochs": 200}
"""More steps than any of these tests waits for."""


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "features"
    write_features(folder, records(120, labelled=0.5))
    return folder


def nodes(home, count, *, shape=None, processes=1, tokens="abc", port=None, **more):
    """Launchers of one job, one per node."""
    port = port or free_port()
    options = (
        "--nodes",
        shape or str(count),
        "--processes",
        str(processes),
        "--rendezvous",
        f"localhost:{port}",
    )
    arguments = command(home, "job", "launch", *options)
    more = {"OMP_NUM_THREADS": "1", **more}
    return [start(home, token, arguments=arguments, **more) for token in tokens[:count]]


def until(process, text):
    """Read standard error up to a line with this text."""
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")


def speaker(processes):
    """The launcher of rank 0, which reports, after its first step."""
    for process in processes:
        os.set_blocking(process.stderr.fileno(), False)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in processes:
            while line := process.stderr.readline():
                if '"step"' in line:
                    for each in processes:
                        os.set_blocking(each.stderr.fileno(), True)
                    return process
        time.sleep(0.05)
    raise AssertionError("nobody has done a step")


@pytest.mark.slow
def test_two_nodes_give_one_result(features, tmp_path):
    exchange = job(tmp_path, train_spec(features))
    ends = [end(process) for process in nodes(tmp_path, 2)]
    assert [code for code, _, _ in ends] == [0, 0], ends
    (attempt,) = exchange.attempts("job")
    assert attempt.about["world_size"] == 2
    assert attempt.about["executed_steps"] == attempt.about["steps"]
    assert len([err for _, _, err in ends if figures(err)]) == 1


BUG_OF_ONE_RANK = """
import os
from dataclasses import dataclass
@dataclass(frozen=True, kw_only=True)
class Config:
    pass
def build(config):
    steps = iter(range(1000))
    def loss(output, targets, weights, present):
        if next(steps) == 5 and os.environ["RANK"] == "1":
            raise IndexError("only here")
        return output.logits.square().sum()
    return loss
"""


def test_the_exit_code_is_the_cause_and_not_its_consequence(features, tmp_path):
    """Rank 0 loses its peer; rank 1 has the bug, and its node reports it."""
    (tmp_path / "my_loss.py").write_text(BUG_OF_ONE_RANK)
    job(tmp_path, train_spec(features, losses={"./my_loss.py": {}}, base=str(tmp_path)))
    (one,) = nodes(tmp_path, 1, processes=2)
    assert end(one)[0] == 70
    assert "IndexError: only here" in (tmp_path / "a.end").read_text()


DRAWS_OF_ITS_OWN = """
import torch
from dataclasses import dataclass
@dataclass(frozen=True, kw_only=True)
class Config:
    pass
def build(config, *, names, dim, dropout):
    class Fusion(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(dim, dim)
        def forward(self, parts, present):
            total = self.linear(sum(parts.values()))
            return total * torch.bernoulli(torch.full_like(total, 0.9))
    return Fusion()
"""


def test_a_part_may_draw_for_its_own_rows(features, tmp_path):
    (tmp_path / "my_fusion.py").write_text(DRAWS_OF_ITS_OWN)
    spec = train_spec(features, base=str(tmp_path))
    model = ModelConfig(dim=16, fusion=Part(name="./my_fusion.py"))
    exchange = job(tmp_path, spec.model_copy(update={"model": model}))
    (one,) = nodes(tmp_path, 1, processes=2)
    code, _, err = end(one)
    assert code == 0, err
    (attempt,) = exchange.attempts("job")
    first, *_, last = attempt.about["history"]["student"]
    assert attempt.about["world_size"] == 2
    assert last["loss"] < first["loss"]


@pytest.mark.slow
def test_sigterm_to_one_node_stops_all_after_the_same_step_and_another_number_of_nodes_goes_on(
    features, tmp_path
):
    # Without draws for a rank's own rows, so that any number of processes does the same.
    spec = train_spec(features, training={"epochs": 75, "augment": False})
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"dropout": 0.0})})
    exchange = job(tmp_path, spec)
    processes = nodes(tmp_path, 2)
    first = speaker(processes)
    other = next(p for p in processes if p is not first)
    other.send_signal(signal.SIGTERM)
    ends = [end(process) for process in processes]
    assert [code for code, _, _ in ends] == [75, 75], ends
    code, _, err = end(start(tmp_path, "next"))
    assert code == 0, err
    (attempt,) = exchange.attempts("job")
    assert 0 < attempt.about["resumed_from"] < attempt.about["steps"]
    assert attempt.about["executed_steps"] == attempt.about["steps"] - attempt.about["resumed_from"]
    (tmp_path / "undisturbed").mkdir()
    run(spec, out=tmp_path / "undisturbed")
    wanted = read_json(tmp_path / "undisturbed" / "student" / "history.json")["epochs"]
    found = attempt.about["history"]["student"]
    assert len(found) == len(wanted)
    for epoch, (one, other) in enumerate(zip(found, wanted, strict=True)):
        # Sums in another order differ in their last bits, which hundreds of steps amplify.
        assert one == pytest.approx(other, abs=1e-4 if epoch < 10 else 2e-2), epoch


@pytest.mark.slow
def test_a_node_that_dies_is_a_lost_peer_for_the_others(features, tmp_path):
    job(tmp_path, train_spec(features, training=LONG))
    processes = nodes(tmp_path, 2)
    first = speaker(processes)
    other = next(p for p in processes if p is not first)
    workers = children(other.pid)
    other.kill()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    began = time.monotonic()
    code, _, err = end(first)
    assert code == 75, err
    assert "a peer of this training run has ended" in err
    assert time.monotonic() - began < 20
    end(other)


@pytest.mark.slow
def test_an_elastic_training_goes_on_with_the_nodes_that_are_left(features, tmp_path):
    exchange = job(tmp_path, train_spec(features, training={"epochs": 150}))
    port = free_port()
    # As in an Indexed Job: the first pod is where all meet, whoever of them becomes rank 0.
    first, other = (
        process
        for index, token in enumerate("ab")
        for process in nodes(
            tmp_path, 1, shape="1:2", port=port, tokens=token, JOB_COMPLETION_INDEX=str(index)
        )
    )
    speaker([first, other])
    other.send_signal(signal.SIGTERM)
    assert end(other)[0] == 75
    code, _, err = end(first, timeout=150)
    assert code == 0, err
    (attempt,) = exchange.attempts("job")
    assert attempt.about["world_size"] == 1
    assert 0 < attempt.about["resumed_from"] < attempt.about["steps"]


@pytest.mark.slow
def test_an_elastic_training_takes_in_a_node_that_comes_later(features, tmp_path):
    exchange = job(tmp_path, train_spec(features, training={"epochs": 400}))
    port = free_port()
    (first,) = nodes(tmp_path, 1, shape="1:2", port=port)
    speaker([first])
    (second,) = nodes(tmp_path, 1, shape="1:2", port=port, tokens="z")
    ends = [end(process, timeout=220) for process in (first, second)]
    assert [code for code, _, _ in ends] == [0, 0], ends
    (attempt,) = exchange.attempts("job")
    assert attempt.about["world_size"] == 2
    assert 0 < attempt.about["resumed_from"] < attempt.about["steps"]


def test_later_nodes_wait_for_the_first_one_to_listen():
    from torch.distributed import TCPStore

    from components.pods.elastic import await_first_node

    nodes = Nodes.parse("2", 1, f"localhost:{free_port()}")
    with pytest.raises(PeersError, match=f"nothing listens at localhost:{nodes.port}"):
        await_first_node(nodes, join_s=1)
    store = TCPStore(nodes.host, nodes.port, is_master=True, wait_for_workers=False)
    await_first_node(nodes, join_s=30)
    del store


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as listed:  # noqa: PTH123
        return [int(child) for child in listed.read().split()]


def test_nodes_and_places_that_mean_nothing_are_refused():
    assert Nodes.parse("2", 1, "h:1") == Nodes(least=2, most=2, processes=1, host="h", port=1)
    assert Nodes.parse("2:4", 3, "h:1") == Nodes(least=2, most=4, processes=3, host="h", port=1)
    for given in (
        ("0", 1, "h:1"),
        ("3:2", 1, "h:1"),
        ("x", 1, "h:1"),
        ("2", 0, "h:1"),
        ("2", 1, "h"),
        ("2", 1, ":1"),
    ):
        with pytest.raises(UsageError, match="got"):
            Nodes.parse(*given)
