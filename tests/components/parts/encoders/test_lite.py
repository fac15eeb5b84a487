import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from components.core.errors import UsageError, UserError
from components.parts import loading as parts
from components.parts.encoders import _lite, _pth
from components.parts.session import Session


def build(**options):
    config = parts.configure("encoders", "lite", options)
    return parts.load("encoders", "lite").build(config, kind=None)


def pictures(n, width=60, height=80):
    """Smooth pictures, so that scaling loses nothing that matters."""
    coarse = np.random.default_rng(3).integers(0, 255, (n, 6, 6, 3)).astype(np.uint8)
    return [Image.fromarray(c).resize((width, height), Image.Resampling.BICUBIC) for c in coarse]


def oracle(pixels):
    """Mean features by the published network in torch, ``(n, 1280)``."""
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0", image_size=pixels.shape[1]).eval()
    network.load_state_dict(torch.load(_lite.path(), weights_only=True))
    scaled = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        return network.extract_features(scaled).mean((2, 3)).numpy()


def test_weights_are_what_torch_reads():
    ours, theirs = _pth.read(_lite.path()), torch.load(_lite.path(), weights_only=True)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name].numpy()) for name in ours)


@pytest.mark.parametrize("size", [64, 97])
def test_features_are_those_of_the_published_network(size):
    """Oracle: ``efficientnet_lite_pytorch`` with the same weights; 97 has odd sides throughout."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, size, size, 3)).astype(np.uint8)
    assert np.abs(_lite.features(_lite.network(), pixels) - oracle(pixels)).max() < 1e-4


def test_a_picture_is_scaled_as_a_whole():
    given = pictures(2)
    scaled = [p.resize((64, 64), Image.Resampling.BILINEAR) for p in given]
    assert np.abs(build(size=64).encode(given) - oracle(np.stack(scaled))).max() < 1e-4


def test_a_picture_does_not_depend_on_its_neighbours():
    encoder, given = build(size=32), pictures(9)
    together = encoder.encode(given)
    assert np.allclose(together, [encoder.encode([p])[0] for p in given], atol=1e-5)
    assert np.array_equal(together, encoder.encode(given))


def test_memory_is_given_back_with_the_last_call_alone(monkeypatch):
    """Given back with each of them, pictures took up to twice the time."""
    kept = []
    run = Session.run

    def noted(self, outputs, given, *, more=False):
        kept.append(more)
        return run(self, outputs, given, more=more)

    monkeypatch.setattr(Session, "run", noted)
    build(size=32).encode(pictures(2 * _lite._AT_ONCE + 1))
    assert kept == [True, True, False]


def test_it_asks_for_pictures_of_the_size_that_it_reads():
    assert build(size=96).detail == 96


def test_the_digest_knows_what_shapes_features_and_nothing_else():
    assert build().digest() == build(dropout=0.5).digest()
    assert build().digest() != build(size=96).digest()


def test_a_size_out_of_range_is_refused():
    with pytest.raises(UsageError, match="size"):
        build(size=8)


def test_pictures_are_encoded_without_torch():
    code = (
        "import sys; from PIL import Image\n"
        "from components.parts.encoders.lite import Config, build\n"
        "build(Config(size=32), kind=None).encode([Image.new('RGB', (9, 9))])\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_that_names_anything_but_tensors_is_refused_and_nothing_of_it_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    file = tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(
        UserError, match=r"'__builtin__ exec', which is no part of a tensor.*install"
    ):
        _pth.read(file)
    assert not (tmp_path / "ran").exists()


def tensors(tmp_path, change):
    """A file of the old format whose bytes were changed."""
    file = tmp_path / "some.pth"
    weights = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([7])}
    torch.save(weights, file, _use_new_zipfile_serialization=False)
    file.write_bytes(change(file.read_bytes()))
    return file


def test_transposed_tensors_and_parts_of_a_storage_are_read(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    file = tmp_path / "views.pth"
    given = {"turned": whole.T, "part": whole[1]}
    torch.save(given, file, _use_new_zipfile_serialization=False)
    found = _pth.read(file)
    assert all(np.array_equal(found[name], given[name].numpy()) for name in given)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-4],
        lambda _: b"",
        lambda data: b"PK\x03\x04" + data,
        lambda data: data.replace(b"K\x02K\x03\x86", b"K\x02K\x7f\x86"),
    ],
    ids=["cut", "empty", "another format", "larger than its storage"],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, change):
    with pytest.raises(UserError, match=r"some\.pth: got .*, wanted the tensors"):
        _pth.read(tensors(tmp_path, change))
