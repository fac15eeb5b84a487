"""Runs a pretrained model of ``transformers`` on pictures, texts or sound.

It runs in torch: exporting to ONNX needs a library (``onnxscript``) that is not among ours, and a
graph for each family.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from components.parts.encoders._layers import Layer
from components.parts.encoders._loaded import loaded
from components.parts.encoders._pretrained import Pretrained
from components.parts.kinds.audio import RATE, Sound

_AT_ONCE = {"image": 16, "text": 32}
"""Values of one forward pass. Sound goes one by one, as padding changes what some models hear."""
_LEAST_SAMPLES = RATE // 10
"""Shorter sound is padded with silence to this: the first layers look at 25 ms."""


class Reading:
    """The preprocessing of a model: values as its inputs."""

    def __init__(self, model: Pretrained, max_tokens: int) -> None:
        self._described = model
        self._max_tokens = min(max_tokens, model.most_tokens or max_tokens)
        self._readers: dict[str, Any] = {}

    def read(self, kind: str, values: Sequence[Any], *, longest: bool = True) -> Any:  # noqa: ANN401
        """Inputs of values of one kind, padded to the longest, or else to the most tokens."""
        if kind == "text":
            return self._text(list(values), longest=longest)
        return self._image(list(values)) if kind == "image" else self._audio(list(values))

    @property
    def most_tokens(self) -> int:
        """Tokens of a text beyond this many are cut."""
        return int(min(self._max_tokens, self._reader("AutoTokenizer").model_max_length))

    def _image(self, pictures: list[Image.Image]) -> Any:  # noqa: ANN401
        return self._reader("AutoImageProcessor", backend="pil")(
            images=pictures, return_tensors="pt"
        )

    def _text(self, texts: list[str], *, longest: bool) -> Any:  # noqa: ANN401
        # SigLIP was trained on texts that are padded to one length, and reads the padding.
        fixed = self._described.model_type == "siglip" or not longest
        padding = "max_length" if fixed else "longest"
        return self._reader("AutoTokenizer")(
            texts,
            padding=padding,
            truncation=True,
            max_length=self.most_tokens,
            return_tensors="pt",
        )

    def _audio(self, sounds: list[Sound]) -> Any:  # noqa: ANN401
        all_samples = [sound.samples for sound in sounds]
        long_enough = [np.pad(s, (0, max(0, _LEAST_SAMPLES - len(s)))) for s in all_samples]
        return self._reader("AutoFeatureExtractor")(
            long_enough, sampling_rate=RATE, return_tensors="pt"
        )

    def _reader(self, name: str, **more: object) -> Any:  # noqa: ANN401
        if name not in self._readers:
            self._readers[name] = loaded(self._described, name, **more)
        return self._readers[name]


class Running:
    """A model with its preprocessing, both loaded when first used."""

    def __init__(self, model: Pretrained, max_tokens: int) -> None:
        self._described = model
        self._reading = Reading(model, max_tokens)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = network(model).eval().to(self._device)

    def encode(
        self, kind: str, values: Sequence[Any], layer: Layer | None = None
    ) -> NDArray[np.float32]:
        """Features ``(n, dim)`` of values of one kind: texts of like length go together."""
        order = sorted(range(len(values)), key=lambda i: len(values[i]) if kind == "text" else 0)
        dim = layer.dim if layer else self._described.dim
        out = np.empty((len(values), dim), np.float32)
        step = _AT_ONCE.get(kind, 1)
        with torch.inference_mode():
            for start in range(0, len(order), step):
                at = order[start : start + step]
                inputs = self._reading.read(kind, [values[i] for i in at]).to(self._device)
                vectors = pooled(self._model, self._described, kind, inputs, layer)
                out[at] = vectors.float().cpu().numpy()
        return out


def network(model: Pretrained) -> Any:  # noqa: ANN401
    """The model itself, a module of torch."""
    return loaded(model, "AutoModel", use_safetensors=True, dtype=torch.float32)


def pooled(
    model: Any,  # noqa: ANN401
    described: Pretrained,
    kind: str,
    inputs: Any,  # noqa: ANN401
    layer: Layer | None = None,
) -> Tensor:
    """One vector ``(batch, dim)`` of each value, as its family makes it, or of a layer."""
    if layer is None:
        found = _pooled(model, described, kind, inputs)
    else:
        found = _of_tokens(_hidden(model, described, layer, inputs), described, kind, inputs)
    return F.normalize(found, dim=1) if described.unit else found


def _pooled(model: Any, described: Pretrained, kind: str, inputs: Any) -> Tensor:  # noqa: ANN401
    how = described.pooling
    if how == "projected":
        return _projected(model, described, kind, inputs)
    output = model(**inputs)
    if how == "pooled":
        return _vector(output)
    return _of_tokens(output.last_hidden_state, described, kind, inputs)


def _of_tokens(tokens: Tensor, described: Pretrained, kind: str, inputs: Any) -> Tensor:  # noqa: ANN401
    """The first of the tokens ``(batch, tokens, dim)``, or their mean without padding."""
    if described.pooling == "first":
        return tokens[:, 0]
    if kind != "text":  # pictures have one size and sounds go one by one: nothing is padding
        return tokens.mean(1)
    real: Tensor = inputs["attention_mask"][:, :, None].to(tokens.dtype)
    return (tokens * real).sum(1) / real.sum(1)


def _projected(model: Any, described: Pretrained, kind: str, inputs: Any) -> Tensor:  # noqa: ANN401
    if kind == "image":
        return _vector(model.get_image_features(**inputs))
    if described.model_type == "siglip":
        inputs = {"input_ids": inputs["input_ids"]}
    return _vector(model.get_text_features(**inputs))


def _hidden(model: Any, described: Pretrained, layer: Layer, inputs: Any) -> Tensor:  # noqa: ANN401
    """The hidden state after a layer ``(batch, tokens, dim)``."""
    tower = getattr(model, f"{layer.tower}_model") if layer.tower else model
    if described.model_type == "siglip" and layer.tower == "text":
        inputs = {"input_ids": inputs["input_ids"]}
    found: Tensor = tower(**inputs, output_hidden_states=True).hidden_states[layer.number]
    return found


def _vector(output: Any) -> Tensor:  # noqa: ANN401
    vector: Tensor = output.pooler_output
    return vector


@lru_cache(maxsize=2)
def running(model: Pretrained, max_tokens: int, state: str) -> Running:  # noqa: ARG001
    """The model of a folder; ``state``, the folder's digest, tells changed files."""
    return Running(model, max_tokens)
