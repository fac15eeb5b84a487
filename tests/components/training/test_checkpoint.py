import torch

from components.training.checkpoint import Checkpoint, Folder, decode, encode


def at(step, value=0.0, epoch=0, batch=0):
    history = [{"loss": 0.5}] * epoch
    return Checkpoint(
        epoch=epoch,
        batch=batch,
        step=step,
        history=history,
        state={"w": torch.tensor([value]), "n": torch.ones(())},
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
