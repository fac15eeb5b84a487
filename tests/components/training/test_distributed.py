"""Several processes over gloo, against one."""

import itertools
import os
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from components.features.store import Features
from components.training.randomness import drawn_aside, epoch_seed, rank_seeds
from tests.components.pods.pods import ROOT
from tests.components.training import ranks
from tests.synthetic import records, write_features

SIZE = 3


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "features"
    groups = [f"g{row % 90}" for row in range(140)]
    write_features(folder, records(140, labelled=0.6), groups=groups)
    return folder


@pytest.fixture(scope="module")
def world(features, tmp_path_factory):
    """Results of each of three ranks; batches of 26 rows divide unevenly."""
    out = tmp_path_factory.mktemp("world")
    shared = {
        **os.environ,
        "WORLD_SIZE": str(SIZE),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.components.training.ranks",
        str(features),
        str(out),
    ]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**shared, "RANK": str(r), "LOCAL_RANK": str(r), "OMP_NUM_THREADS": "1"},
        )
        for r in range(SIZE)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * SIZE
    return lambda name: [load_file(out / f"{name}-{rank}.safetensors") for rank in range(SIZE)]


@pytest.mark.parametrize("name", [n for n in ranks.TRAININGS if n != "own draws"])
def test_three_ranks_train_as_one_device_does(world, features, name):
    """Oracle: one process. Modalities are hidden and missing, also all of them on some ranks."""
    alone = ranks.trained(Features.load(features), **ranks.TRAININGS[name])
    for found in world(name):
        assert found.keys() == alone.keys()
        for what, value in alone.items():
            torch.testing.assert_close(
                found[what],
                value,
                atol=1e-4,
                rtol=1e-4,
                msg=lambda text, what=what: f"{what}: {text}",
            )


@pytest.mark.parametrize("name", list(ranks.TRAININGS))
def test_all_ranks_hold_the_same_weights(world, name):
    first, *others = world(name)
    assert all(
        torch.equal(first[what], other[what])
        for other in others
        for what in first
        if what.startswith("weights/")
    )


def test_with_draws_for_their_own_rows_three_ranks_learn_as_well_as_one_device(world, features):
    """Oracle: the final losses of one process under other seeds, that is, the seeds' spread."""
    (found, *_) = world("own draws")
    opened = Features.load(features)
    options = ranks.TRAININGS["own draws"]
    others = [ranks.trained(opened, seed=seed, **options)["losses"][-1, 0] for seed in range(3, 8)]
    spread = max(others) - min(others)
    assert min(others) - spread <= found["losses"][-1, 0] <= max(others) + spread
    assert not torch.equal(found["losses"], ranks.trained(opened, **options)["losses"])


def test_each_rank_and_step_draws_its_own_numbers_and_leaves_the_common_ones():
    device = torch.device("cpu")
    torch.manual_seed(epoch_seed(0, 0))
    drawn = {"common": torch.rand(4)}
    for batch, rank in itertools.product(range(2), range(2)):
        for kind, seed in zip("am", rank_seeds(0, 0, batch, rank), strict=True):
            with drawn_aside(device, seed):
                drawn[f"{kind} {batch} {rank}"] = torch.rand(4)
            with drawn_aside(device, seed):
                assert torch.equal(torch.rand(4), drawn[f"{kind} {batch} {rank}"])
    after = torch.rand(4)
    torch.manual_seed(epoch_seed(0, 0))
    assert torch.equal(torch.rand(8), torch.cat([drawn["common"], after]))
    assert len({tuple(numbers.tolist()) for numbers in drawn.values()}) == 9


def test_contrast_over_gathered_parts_has_the_value_and_gradients_of_one_device(world):
    alone = ranks.contrasted()
    found = world("contrasted")
    for name in ("a", "b"):
        torch.testing.assert_close(
            torch.cat([part[name] for part in found]), alone[name], atol=1e-6, rtol=1e-5
        )
    for part in found:
        torch.testing.assert_close(part["value"], alone["value"])
        torch.testing.assert_close(part["temperature"], alone["temperature"])
