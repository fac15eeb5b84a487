import uuid

import pytest
import torch

from components.exchange.exchange import Exchange
from components.training.checkpoint import Checkpoint, Fenced, Folder, decode, encode


def at(step, value=0.0, epoch=0, batch=0):
    history = [{"loss": 0.5}] * epoch
    return Checkpoint(
        epoch=epoch,
        batch=batch,
        step=step,
        history=history,
        state={"w": torch.tensor([value]), "n": torch.ones(())},
    )


@pytest.fixture(params=["folder", "memory"])
def exchange(request, tmp_path):
    return Exchange(
        f"memory://{uuid.uuid4().hex}" if request.param == "memory" else str(tmp_path), waits=()
    )


def test_a_checkpoint_comes_back_whole_and_only_to_its_own_training():
    data = encode(at(7, 3.0, epoch=2, batch=1), "key")
    found = decode(data, "key")
    assert (found.step, found.epoch, found.batch, found.history) == (7, 2, 1, [{"loss": 0.5}] * 2)
    assert torch.equal(found.state["w"], torch.tensor([3.0]))
    assert decode(data, "other") is None
    for damaged in (b"", data[:9], data[:40], data[:-1]):
        assert decode(damaged, "key") is None


def test_a_folder_keeps_the_last_of_each_name(tmp_path):
    store = Folder(tmp_path)
    assert store.read("a", "k") is None
    store.write("a", at(1), "k")
    store.write("a", at(2), "k")
    store.write("b", at(9), "k")
    assert store.read("a", "k").step == 2


def test_a_new_attempt_goes_on_from_the_furthest_whole_checkpoint_of_the_same_training(exchange):
    def attempt(token):
        return Fenced(exchange, "job", token)

    assert attempt("new").read("model", "k") is None
    attempt("slow").write("model", at(3), "k")
    attempt("fast").write("model", at(5), "k")
    attempt("foreign").write("model", at(50), "other spec")
    attempt("cut").write("model", at(40), "k")
    path = "jobs/job/checkpoints/cut/model.safetensors"
    exchange.write(path, exchange.read(path)[:-1])
    exchange.write("jobs/job/checkpoints/junk/model.safetensors", b"\xff" * 100)
    assert attempt("new").read("model", "k").step == 5
    assert attempt("new").read("another", "k") is None


def test_an_attempt_believed_dead_overwrites_nothing(exchange):
    living, zombie = Fenced(exchange, "job", "living"), Fenced(exchange, "job", "zombie")
    living.write("model", at(8, 1.0), "k")
    zombie.write("model", at(6, 2.0), "k")
    found = living.read("model", "k")
    assert (found.step, found.state["w"].item()) == (8, 1.0)
