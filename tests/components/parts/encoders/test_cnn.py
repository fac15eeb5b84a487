import numpy as np
import pytest
import torch
from PIL import Image

from components.core.errors import UsageError
from components.parts import loading as parts


def build(**options):
    config = parts.configure("encoders", "cnn", {"size": [16, 12], **options})
    return parts.load("encoders", "cnn").build(config, kind=None)


def picture(array):
    return Image.fromarray(np.asarray(array, np.uint8))


def encode(pictures, **options):
    return build(**options).encode(pictures)


def test_a_picture_of_the_right_size_comes_through_unchanged():
    pixels = np.random.default_rng(1).integers(0, 255, (16, 12, 3))
    assert np.array_equal(encode([picture(pixels)])[0], pixels)


def test_grey_has_one_channel():
    found = encode([picture(np.full((5, 5, 3), 80))], colour=False)
    assert found.shape == (1, 16, 12, 1)
    assert (found == 80).all()


def test_scaling_is_close_to_the_mean_of_what_it_covers():
    """Oracle: block means, which bilinear scaling by a whole factor approximates."""
    smooth = np.kron(np.arange(16 * 12).reshape(16, 12) % 200, np.ones((4, 4)))
    found = encode([picture(smooth).convert("RGB")], colour=False)[0, :, :, 0]
    assert np.abs(found.astype(int) - np.arange(16 * 12).reshape(16, 12) % 200).mean() < 12


def test_training_views_move_and_mirror_whole_pictures():
    network = build(shift=0.2, flip=True).network()
    picture = torch.zeros(64, 16, 12, 3, dtype=torch.uint8)
    picture[:, 8, 3] = 200
    torch.manual_seed(0)
    views = network.augment(picture)
    assert views.shape == picture.shape
    assert views.dtype == torch.uint8
    places = views[..., 0].flatten(1).argmax(1)
    columns = {int(p) % 12 for p in places}
    assert min(columns) < 6 <= max(columns)
    assert all(int(v.float().max()) == 200 for v in views)


def test_no_augmentation_changes_nothing():
    picture = torch.randint(0, 255, (8, 16, 12, 3), dtype=torch.uint8)
    assert torch.equal(build(shift=0.0).network().augment(picture), picture)


@pytest.mark.parametrize(
    "options",
    [
        {"size": [4, 4]},
        {"size": [32]},
        {"widths": [12], "strides": [1]},
        {"strides": [2]},
        {"strides": [3], "widths": [8]},
        {"shift": 0.9},
    ],
)
def test_wrong_options_are_refused_with_what_is_wanted(options):
    with pytest.raises(UsageError, match=r"wanted|missing"):
        build(**options)
