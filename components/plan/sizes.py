"""Bytes that follow from shapes alone: features, vectors, checkpoints, and what a stage holds in memory at once.

Memory is that of the structures which grow with the records; interpreter and libraries (some hundred MB) come on top. Sizes of
Python's own objects are those of CPython 3.11 on 64 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import nn

from components.features.spec import ModalitySpec
from components.model.network import Model
from components.plan.survey import Survey

NPY_HEADER = 128
"""Bytes before the numbers of a ``.npy`` file: its header is padded to a multiple of 64."""
_TEXT = 49
"""Of a Python text, beside one byte for each character."""
_ENTRY = 84
"""Of one entry in a dictionary that is as empty as it gets (it grows at two thirds)."""
_KEY = _TEXT + 32 + _ENTRY + 56 + 32
"""One entry of the feature cache's directory: key, dictionary entry, pair, number."""
_POINTER = 8


def input_bytes(spec: ModalitySpec) -> int:
    """The cached inputs of one record."""
    return sum(prod(v.shape) * np.dtype(v.dtype).itemsize for v in spec.views)


def feature_bytes(specs: Mapping[str, ModalitySpec], records: int) -> int:
    """All ``<modality>.npy`` and ``present.npy`` of a features folder."""
    arrays = sum(
        len(spec.views) * NPY_HEADER + records * input_bytes(spec) for spec in specs.values()
    )
    return arrays + NPY_HEADER + records * len(specs)


def vector_bytes(modalities: int, dim: int, records: int) -> int:
    """The index of a package: one vector for each modality, and the fused one, of every record."""
    return (modalities + 1) * (NPY_HEADER + records * dim * 4)


def checkpoint_bytes(model: Model, losses: Mapping[str, object]) -> int:
    """Tensors of a checkpoint: all weights and buffers, and the optimiser's two means and a count of each parameter."""
    own = [model, *(loss for loss in losses.values() if isinstance(loss, nn.Module))]
    state = sum(
        t.numel() * t.element_size() for module in own for t in module.state_dict().values()
    )
    parameters = [p for module in own for p in module.parameters()]
    count = torch.zeros(()).element_size()
    return int(state + sum(2 * p.numel() * p.element_size() + count for p in parameters))


def checkpoint_count(
    epochs: int, steps_per_epoch: int, every: int, often: int | None = None
) -> int:
    """Checkpoints of a training: after every so many epochs and the last, and within epochs after every so many steps.

    >>> checkpoint_count(4, 10, every=1), checkpoint_count(4, 10, every=3), checkpoint_count(4, 10, every=3, often=8)
    (4, 2, 6)
    """
    ends = [e * steps_per_epoch for e in range(1, epochs + 1) if e % every == 0 or e == epochs]
    if often is None:
        return len(ends)
    return epochs * steps_per_epoch // often + sum(end % often != 0 for end in ends)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What memory depends on, beside the number of records."""

    specs: Mapping[str, ModalitySpec]
    dim: int
    classes: int
    surveyed: Survey

    @property
    def modalities(self) -> int:
        """How many."""
        return len(self.specs)

    def row(self, names: tuple[str, ...] | None = None) -> int:
        """Cached inputs of one record."""
        return sum(
            input_bytes(spec) for name, spec in self.specs.items() if names is None or name in names
        )


def resident(stage: str, shape: Shape, records: int) -> int:
    """Bytes that a stage holds at once and that grow with the records."""
    s = shape.surveyed
    names = 2 * _TEXT + s.id_length + s.group_length
    held_out = records * (s.split("val") + s.split("test"))
    train = records * s.split("train")
    # Features.load: ids and groups as lists, split (5 characters of 4 bytes), class number, present mask.
    listed = records * (names + 2 * _POINTER + 20 + 8 + shape.modalities)
    answers = (shape.modalities + 1) * (shape.classes + shape.dim) * 4
    match stage:
        case "validate":  # ids seen, and the split of each group
            return int(records * (names + 2 * _ENTRY))
        case "encode":  # where each content lies in the cache
            return int(records * _KEY * float(s.present.mean(axis=0).sum()))
        case (
            "teach" | "train" | "baselines"
        ):  # labels and weights; the order of an epoch twice: drawn, and cut into batches
            return int(listed + records * (8 + 4 + shape.modalities) + 2 * 8 * train)
        case "pseudo_label":  # answers of a model, and probabilities in double length
            return int(
                listed
                + records * s.learnable(s.names, labelled=False) * (answers + 16 * shape.classes)
            )
        case (
            "evaluate"
        ):  # probabilities of every subset of modalities, with the answers behind the last
            subsets = 2**shape.modalities - 1
            return int(listed + held_out * (4 * shape.classes * subsets + answers))
        case "package":
            return int(listed + vector_bytes(shape.modalities, shape.dim, records))
    raise AssertionError(stage)
