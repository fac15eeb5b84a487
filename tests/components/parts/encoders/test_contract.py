"""The contract of every encoder; new files are picked up automatically."""

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from components.parts import loading as parts
from components.parts.contracts import is_sparse
from components.parts.kinds import tabular
from tests import pretrained
from tests.components.parts.values import given_values

NAMED = {"transformers": "dinov2", "lora": "bert"}
"""Encoders that have no model of their own, so that one must be named, and the family of one."""


@functools.cache
def tiny_model(family):
    """The folder of a pretrained model."""
    folder = tempfile.mkdtemp(prefix="concord-model-")
    atexit.register(shutil.rmtree, folder)
    pretrained.saved(family, Path(folder))
    return folder


def numbers():
    """The encoder that reads columns of numbers alone, and values."""
    kind = tabular.build(
        tabular.Config(), name="x", columns={"columns": {c: {"type": "number"} for c in "pqr"}}
    )
    encoder = parts.load("encoders", "numbers").build(
        parts.configure("encoders", "numbers", {}), kind=kind
    )
    return encoder, [kind.decode({"p": row, "q": -row / 3}) for row in range(8)]


def encoder_of(name):
    """The encoder, and values that it reads, decoded."""
    module = parts.load("encoders", name)
    if name == "numbers":
        return numbers()
    kind, raws = given_values(module.KIND if isinstance(module.KIND, str) else module.KIND[0])
    options = {"model": tiny_model(NAMED[name])} if name in NAMED else {}
    encoder = module.build(parts.configure("encoders", name, options), kind=kind)
    return encoder, [kind.decode(raw) for raw in raws]


SPARSE = [
    name
    for name in parts.available("encoders")
    if name not in NAMED and is_sparse(encoder_of(name)[0])
]
DENSE = [name for name in parts.available("encoders") if name not in SPARSE]


@pytest.mark.parametrize("name", parts.available("encoders"))
class TestAnyEncoder:
    def test_the_digest_is_stable(self, name):
        assert encoder_of(name)[0].digest() == encoder_of(name)[0].digest()

    def test_it_imports_no_torch_until_it_computes_with_it(self, name):
        code = f"import sys, components.parts.encoders.{name}; assert 'torch' not in sys.modules"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", SPARSE)
class TestSparseEncoder:
    def test_rows_have_the_promised_shape_and_order(self, name):
        encoder, values = encoder_of(name)
        for given in (values, []):
            rows = encoder.encode(given)
            assert rows.shape == (len(given), *encoder.shape)
            assert rows.dtype == encoder.dtype
            assert rows.has_canonical_format

    def test_a_value_encodes_alone_as_among_others(self, name):
        encoder, values = encoder_of(name)
        assert (encoder.encode(values)[[3]] != encoder.encode(values[3:4])).nnz == 0


@pytest.mark.parametrize("name", DENSE)
class TestEncoder:
    def made(self, name):
        """The encoder, values that it reads, decoded, and their inputs."""
        encoder, values = encoder_of(name)
        return encoder, values, torch.from_numpy(encoder.encode(values))

    def test_inputs_have_the_promised_shape_and_feed_the_network(self, name):
        encoder, values, inputs = self.made(name)
        assert inputs.shape == (len(values), *encoder.shape)
        assert inputs.numpy().dtype == encoder.dtype
        assert encoder.encode([]).shape == (0, *encoder.shape)
        network = encoder.network()
        network.fit_statistics(inputs)
        assert network(inputs).shape == (len(values), network.out_dim)
        assert network.augment(inputs).shape == inputs.shape
        network.fit_statistics(inputs[:0])
        learned = [p for p in network.parameters() if p.requires_grad]
        if learned:
            network(inputs).square().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in learned)

    def test_a_value_encodes_alone_as_among_others(self, name):
        encoder, values, inputs = self.made(name)
        alone = encoder.encode(values[3:4])
        assert np.allclose(inputs[3:4].numpy(), alone, atol=1e-6, equal_nan=True)

    def test_a_record_does_not_depend_on_the_others_in_the_network(self, name):
        encoder, _, inputs = self.made(name)
        network = encoder.network().eval()
        assert torch.allclose(network(inputs)[2:3], network(inputs[2:3]), atol=1e-5)

    def test_a_network_survives_bytes(self, name):
        encoder, _, inputs = self.made(name)
        network, other = encoder.network(), encoder.network()
        network.fit_statistics(inputs)
        other.load_state_dict(load(save(network.state_dict())))
        assert torch.equal(other(inputs), network(inputs))
