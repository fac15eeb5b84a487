import uuid

import pytest

from components.exchange.exchange import Exchange
from components.pods.checkpoints import Fenced
from tests.components.training.test_checkpoint import at


@pytest.fixture(params=["folder", "memory"])
def exchange(request, tmp_path):
    return Exchange(
        f"memory://{uuid.uuid4().hex}" if request.param == "memory" else str(tmp_path), waits=()
    )


def test_a_new_attempt_resumes_from_the_furthest_whole_checkpoint_of_the_same_training(exchange):
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
