"""Oracle: the same model called through ``transformers``, and the formula of the adapters."""

import pytest
import torch
from safetensors.torch import load, save

from components.core.errors import UsageError
from components.parts import loading as parts
from components.training.optimiser import adamw
from tests import pretrained

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
TEXTS = ["a red shoe", "blue", "", "a blue shirt for men for men for men for men"]


def build(folder, **options):
    config = parts.configure("encoders", "lora", {"model": str(folder), **options})
    return parts.load("encoders", "lora").build(config, kind=None)


def tokens(encoder):
    return torch.from_numpy(encoder.encode(TEXTS))


@pytest.fixture
def folder(tmp_path):
    pretrained.saved("bert", tmp_path)
    return tmp_path


@pytest.mark.parametrize("family", pretrained.TEXTS)
def test_before_training_vectors_are_those_of_the_frozen_encoder(tmp_path, family):
    pretrained.saved(family, tmp_path)
    encoder = build(tmp_path)
    frozen = parts.load("encoders", "transformers")
    text = parts.load("kinds", "text").build(
        parts.configure("kinds", "text", {}), name="t", columns={"kind": "text", "column": "t"}
    )
    given = parts.configure("encoders", "transformers", {"model": str(tmp_path)})
    wanted = frozen.build(given, kind=text).encode(TEXTS)
    found = encoder.network().eval()(tokens(encoder))
    assert found.detach().numpy() == pytest.approx(wanted, abs=2e-5)


def test_a_layer_adds_the_product_of_two_small_maps(folder):
    network = build(folder, rank=3, alpha=6.0).network()
    layer = network.base.encoder.layer[0].attention.self.query
    down, up = layer.lora_A.default.weight, layer.lora_B.default.weight
    assert (down.shape, up.shape) == ((3, 16), (16, 3))
    assert not up.any()
    torch.nn.init.normal_(up)
    x = torch.randn(5, 16)
    frozen = layer.base_layer
    assert torch.allclose(layer(x), frozen(x) + 2.0 * (x @ down.T @ up.T), atol=1e-5)


def test_a_step_moves_the_adapters_alone_and_they_alone_are_kept(folder):
    torch.manual_seed(0)
    encoder = build(folder)
    network = encoder.network().train()
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    optimiser = adamw(network.named_parameters(), 0.1, 0.1)
    for _ in range(2):
        optimiser.zero_grad()
        network(tokens(encoder)).square().sum().backward()
        optimiser.step()
    moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if "lora_" in n}
    kept = network.state_dict()
    assert kept
    assert set(kept) == moved
    other = encoder.network().eval()
    other.load_state_dict(load(save(kept)))
    assert torch.equal(other(tokens(encoder)), network.eval()(tokens(encoder)))


def test_a_model_that_reads_no_texts_is_refused(tmp_path):
    pretrained.saved("dinov2", tmp_path)
    with pytest.raises(UsageError, match="dinov2 that reads image, wanted one that reads text"):
        build(tmp_path)
    with pytest.raises(UsageError, match="got none"):
        parts.load("encoders", "lora").build(parts.configure("encoders", "lora", {}), kind=None)
