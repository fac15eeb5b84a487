"""Pictures, texts or sound by a frozen pretrained model of ``transformers``, from a local folder.

Source: Wolf et al. 2020 (arXiv:1910.03771). What a vector is depends on the family:

- CLIP (arXiv:2103.00020) and SigLIP (arXiv:2303.15343): the projection into their common space of
  pictures and texts,
- DINOv2 (arXiv:2304.07193), ViT (arXiv:2010.11929): the first token of the last layer,
- BERT (arXiv:1810.04805) and its kin: the mean over the text's tokens, or what a folder of
  ``sentence-transformers`` (arXiv:1908.10084) says,
- AST (arXiv:2104.01778): its own pooling; wav2vec 2.0 (arXiv:2006.11477), HuBERT, WavLM: the mean
  over time.

With ``layer`` a vector is made of the hidden state after that layer, as ``transformers`` gives it:
the first token where the family takes that of its last layer, else the mean over tokens, patches or
time without padding. In CLIP and SigLIP it is a layer of the tower that reads the modality; such
vectors have no space that pictures and texts share.

Folders carry no code that is run, and nothing is downloaded.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from components.core.errors import UsageError, UserError
from components.core.refs import digest_json
from components.parts.contracts import Kind
from components.parts.encoders import _pretrained
from components.parts.encoders._layers import Layer, layer_of

KIND = ("image", "text", "audio")
VERSION = 1
LIBRARIES = ("pillow", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which model, and how texts reach it.

    Attributes:
        model: a folder, or the name of a model in Hugging Face's cache; it must be given.
        max_tokens: tokens of a text beyond this many, or beyond what the model reads, are cut.
        prompt: put before each text, as some models want (``query: ``).
        dropout: share of a vector's numbers that are hidden from the network in each training step.
        layer: the layer whose hidden state is read, from 1, or from -1 counted from the end; by
            default what the family gives. Other layers are other views, each with a ``view`` name.
    """

    model: str = ""
    max_tokens: Annotated[int, Field(ge=3, le=8192)] = 256
    prompt: str = ""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    layer: int | None = None


class PretrainedEncoder:
    """Features ``float32 (dim,)``.

    A model of two towers also encodes texts for a modality of pictures, into the same space, unless
    a layer is chosen.
    """

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(
        self, config: Config, model: _pretrained.Pretrained, layer: Layer | None = None
    ) -> None:
        self._config, self._model, self._layer = config, model, layer
        self.shape: tuple[int, ...] = (layer.dim if layer else model.dim,)
        self.detail = model.side
        two_towers = model.pooling == "projected" and "text" in model.kinds
        self.reads_names = two_towers and layer is None

    def digest(self) -> str:
        """SHA-256 of the folder's files and the options that shape a text."""
        shaping = {
            "model": _pretrained.digest(self._model.folder),
            "max_tokens": self._config.max_tokens,
            "prompt": self._config.prompt,
        }
        if self._layer:
            shaping["layer"] = self._layer.number
        return digest_json({"encoder": "transformers", "version": VERSION, **shaping})

    def encode(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Features ``(n, dim)`` of pictures, texts, or sounds.

        Raises:
            UserError: ``transformers`` cannot load the model.
        """
        if not len(values):
            return np.empty((0, *self.shape), np.float32)
        from components.parts.encoders import _transformers

        kind = _kind(values[0])
        if kind == "text":
            values = [self._config.prompt + text for text in values]
        state = _pretrained.digest(self._model.folder)
        model = _transformers.running(self._model, self._config.max_tokens, state)
        return model.encode(kind, values, self._layer)

    def network(self) -> Any:  # noqa: ANN401
        """A layer that centres the frozen features."""
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0], self._config.dropout)


def _kind(value: Any) -> str:  # noqa: ANN401
    """The kind whose decoded values are of this type."""
    if isinstance(value, Image.Image):
        return "image"
    return "text" if isinstance(value, str) else "audio"


def _example(kind: Kind) -> Any:  # noqa: ANN401
    """A decoded value of a kind."""
    given = kind.example()
    is_media = kind.schema().get("contentEncoding") == "base64"
    return kind.decode(base64.b64decode(given) if is_media else given)


def build(config: Config, *, kind: Kind) -> PretrainedEncoder:
    """An encoder of what the kind decodes.

    Raises:
        UsageError: no such model, one that reads another kind, or a layer that it does not have.
        UserError: a folder that is not read (see ``_pretrained.described``), or ``transformers`` is
            missing.
    """
    if find_spec("transformers") is None:
        raise UserError(
            "the encoder 'transformers' needs the extra of that name:"
            " pip install 'concord[transformers]'"
        )
    model = _pretrained.described(_pretrained.located(config.model))
    if (wanted := _kind(_example(kind))) not in model.kinds:
        raise UsageError(
            f"model: got {config.model!r}, a {model.model_type} that reads"
            f" {' and '.join(model.kinds)}, wanted one that reads {wanted}"
        )
    if config.layer is None:
        return PretrainedEncoder(config, model)
    return PretrainedEncoder(config, model, layer_of(model, wanted, config.layer))
