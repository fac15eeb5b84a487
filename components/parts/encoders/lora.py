"""Texts by a pretrained model of ``transformers``, from a local folder, that the run adapts.

``W' = W + (alpha / r) B A`` with ``A (r, in)`` random and ``B (out, r)`` zero at the start, in
every linear layer; the model's own weights stay as they are. The cache holds tokens, so training
makes nothing in it stale, and checkpoints and packages hold the adapters alone.

Source: LoRA, Hu et al. 2021 (arXiv:2106.09685), by ``peft``. For what a vector is,
see ``transformers``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.errors import UsageError, UserError
from components.core.refs import digest_json
from components.parts.contracts import Kind
from components.parts.encoders import _pretrained

METHOD = {
    "id": "A04",
    "name": "LoRA (low-rank adapters)",
    "for": "texts unlike those that a frozen encoder knows",
    "needs": "about a thousand labels, and the folder of a transformers model",
    "use": "modalities: {title: {encoders: [minilm, {name: lora, model: FOLDER}]}}",
}
KIND = "text"
VERSION = 1
LIBRARIES = ("peft", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which model, how it is adapted, and how texts reach it.

    Attributes:
        model: a folder, or the name of a model in Hugging Face's cache; it must be given.
        rank: of the adapters.
        alpha: what the adapters' product is multiplied by, divided by the rank.
        dropout: share of the adapters' inputs that are hidden in each training step.
        max_tokens: tokens of a text beyond this many, or beyond what the model reads, are cut.
        prompt: put before each text, as some models want (``query: ``).
    """

    model: str = ""
    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    alpha: Annotated[float, Field(gt=0, le=1_000_000)] = 16.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_tokens: Annotated[int, Field(ge=3, le=8192)] = 64
    prompt: str = ""


class LoraEncoder:
    """Tokens ``int32 (max_tokens,)``, -1 after the end of a text."""

    dtype: np.dtype[Any] = np.dtype(np.int32)
    detail = 0

    def __init__(self, config: Config, model: _pretrained.Pretrained) -> None:
        self._config, self._model = config, model
        self.shape: tuple[int, ...] = (
            min(config.max_tokens, model.most_tokens or _pretrained.reads_tokens(model.folder)),
        )

    def digest(self) -> str:
        """SHA-256 of the folder's files and the options that shape what the model reads."""
        shaping = {
            "model": _pretrained.digest(self._model.folder),
            "max_tokens": self._config.max_tokens,
            "prompt": self._config.prompt,
        }
        return digest_json({"encoder": "lora", "version": VERSION, **shaping})

    def encode(self, values: Sequence[str]) -> NDArray[np.int32]:
        """Tokens ``(n, max_tokens)``."""
        if not len(values):
            return np.empty((0, *self.shape), np.int32)
        from components.parts.encoders._transformers import Reading

        texts = [self._config.prompt + text for text in values]
        read = Reading(self._model, self.shape[0]).read("text", texts)
        out = np.full((len(values), *self.shape), -1, np.int32)
        tokens, there = read["input_ids"].numpy(), read["attention_mask"].numpy() > 0
        out[:, : tokens.shape[1]] = np.where(there, tokens, -1)
        return out

    def network(self) -> Any:  # noqa: ANN401
        """The model with new adapters."""
        from components.parts.encoders._lora import LoraNetwork

        return LoraNetwork(self._config, self._model)


def build(config: Config, *, kind: Kind) -> LoraEncoder:  # noqa: ARG001
    """An encoder of texts.

    Raises:
        UsageError: no such model, or one that reads no texts.
        UserError: a folder that is not read, or ``transformers`` or ``peft`` is missing.
    """
    if missing := [name for name in ("transformers", "peft") if find_spec(name) is None]:
        raise UserError(
            f"the encoder 'lora' needs {' and '.join(missing)}: pip install 'concord[transformers]'"
        )
    model = _pretrained.described(_pretrained.located(config.model))
    if "text" not in model.kinds:
        raise UsageError(
            f"model: got {config.model!r}, a {model.model_type} that reads"
            f" {' and '.join(model.kinds)}, wanted one that reads text"
        )
    return LoraEncoder(config, model)
