"""Modalities of model format 1: one encoder, its options among the kind's, one digest for both."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components.core.refs import digest_json
from components.features.modality import build_modality
from components.features.spec import ModalitySpec

_OF_KIND = {
    "image": ("max_bytes", "max_pixels"),
    "text": ("max_characters",),
    "tabular": ("max_items", "max_characters"),
}
_OF_ENCODER = {
    "cnn": ("size", "colour", "widths", "strides", "squeeze", "shift", "zoom", "flip"),
    "minilm": ("max_tokens", "dropout"),
    "hashing": ("buckets", "dropout"),
    "fields": ("buckets", "width", "dropout", "clip"),
}


def upgraded(value: Mapping[str, Any]) -> ModalitySpec:
    """The same modality in today's description.

    It gets today's digests if the old one belongs to the decoders of format 1, whose inputs differ
    from today's only in the rounding of large JPEG files. Otherwise the old digest stays, and the
    modality cannot be built.
    """
    kind, options = str(value["kind"]), dict(value["options"])
    encoders = [
        {"name": name, **{o: options[o] for o in _OF_ENCODER[name]}}
        for name in str(options["encoder"]).split("+")
    ]
    own = {o: options[o] for o in _OF_KIND[kind]}
    spec = build_modality(kind, kind, {**own, "encoders": encoders}, value["columns"]).spec
    if _digest(kind, options, value["columns"]) == value["digest"]:
        return spec
    return replace(spec, views=tuple(replace(v, digest=value["digest"]) for v in spec.views))


def _digest(kind: str, options: Mapping[str, Any], columns: Mapping[str, Any]) -> str:
    """The digest that format 1 had for version 1 of a kind."""
    shaping: dict[str, Any] = {"kind": kind, "version": 1}
    if kind == "image":
        shaping |= {"size": options["size"], "colour": options["colour"]}
    elif kind == "tabular":
        types = {c: str(spec["type"]) for c, spec in sorted(columns["columns"].items())}
        shaping |= {"types": types, "buckets": options["buckets"]}
    else:
        names = str(options["encoder"]).split("+")
        shaping |= {"encoder": options["encoder"]}
        if "minilm" in names:
            from components.parts.encoders import _minilm

            shaping |= {"max_tokens": options["max_tokens"], "weights": _minilm.digest()}
        if "hashing" in names:
            shaping |= {"buckets": options["buckets"]}
    return digest_json(shaping)


def upgraded_weights(
    weights: Mapping[str, Any], specs: Mapping[str, ModalitySpec]
) -> dict[str, Any]:
    """Weights under today's names: encoders have the names of views, and joined vectors are split.

    Args:
        weights: name to tensor.
        specs: modality name to its spec.
    """
    found = {k: v for k, v in weights.items() if not k.startswith("encoders.")}
    for key in (k for k in weights if k.startswith("encoders.")):
        _, name, rest = key.split(".", 2)
        start = 0
        for view, full in zip(specs[name].views, specs[name].names(name), strict=True):
            value = weights[key]
            if len(specs[name].views) > 1 and rest == "mean":
                value = value[start : start + view.shape[0]].clone()
                start += view.shape[0]
            found[f"encoders.{full}.{rest}"] = value
    return found
