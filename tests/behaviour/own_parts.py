"""Files of a user's own parts, one of each family, and where a configuration names them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import synthetic, tiny


@dataclass(frozen=True, kw_only=True)
class Own:
    """One part.

    Attributes:
        text: of the file.
        edit: a piece of the text and what replaces it, so that results change.
        first: the first step that depends on the file.
        config: pieces of the configuration and what replaces them.
        manifest: pieces of the manifest and what replaces them.
        packaged: whether answering needs the file.
    """

    text: str
    edit: tuple[str, str]
    first: str
    config: dict[str, str] = field(default_factory=dict)
    manifest: dict[str, str] = field(default_factory=dict)
    packaged: bool = True


FUSION = '''
"""The mean of what is present."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Config:
    scale: Annotated[float, Field(gt=0)] = 1.0


class Mean(nn.Module):
    def __init__(self, names, scale):
        super().__init__()
        self.names = names
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, parts, present):
        stacked = torch.stack([parts[name] for name in self.names], dim=1)
        weights = present.to(stacked.dtype)[:, :, None]
        return self.scale * (stacked * weights).sum(dim=1) / weights.sum(dim=1)


def build(config, *, names, dim, dropout):
    return Mean(names, config.scale)
'''

LOSS = '''
"""The Brier score (Brier 1950) of the fused answer."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Config:
    pass


def brier(output, targets, weights, present):
    rows = (output.logits.float().softmax(dim=1) - targets).square().sum(dim=1)
    return 1.0 * (weights * rows).sum() / weights.sum().clamp_min(1e-9)


def build(config):
    return brier
'''

SSL = '''
"""The squared difference of student and teacher."""

from dataclasses import dataclass

from components.parts.network import Disturbance
from components.parts.online import Ssl


@dataclass(frozen=True, kw_only=True)
class Config:
    drop: float = 0.3


class Squared(Ssl):
    terms = ("difference",)

    def __init__(self, drop):
        super().__init__()
        self.strong = Disturbance(drop=drop)

    def forward(self, answered):
        difference = answered.student.logits - answered.teacher.logits
        return {"difference": 1.0 * difference.float().square().mean()}


def refuses(config, setting):
    return None


def build(config, *, setting):
    return Squared(config.drop)
'''

BALANCE = '''
"""The first modality takes smaller steps."""

from dataclasses import dataclass

import torch

from components.parts.online import Balance


@dataclass(frozen=True, kw_only=True)
class Config:
    factor: float = 0.5


class First(Balance):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def after_backward(self, scores, gradients, done):
        return torch.where(torch.arange(len(scores)) == 0, 1.0 * self.factor, 1.0)


def build(config, *, modalities):
    return First(config.factor)
'''

LABELLER = '''
"""Accepts every answer above a threshold."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from components.parts.labelling import PseudoLabels


@dataclass(frozen=True, kw_only=True)
class Config:
    threshold: float = 0.3


def label(config, pool, validation, labels, prior):
    confidence = pool.fused.max(axis=1, initial=0.0)
    accepted = confidence >= config.threshold
    return PseudoLabels(
        labels=pool.fused.argmax(axis=1),
        confidence=confidence,
        accepted=accepted,
        sources=[["fused"] for _ in confidence],
        reasons=["accepted" if yes else "low confidence" for yes in accepted],
        thresholds=np.full(pool.fused.shape[1], config.threshold),
    )


def build(config):
    return partial(label, config)
'''

KIND = '''
"""Text that is read backwards."""

from components.parts.kinds.text import (
    ACCEPTS,
    LIBRARIES,
    MEDIA_TYPES,
    RAW,
    SUFFIXES,
    Config,
    TextKind,
    guess,
    preview_type,
)

VERSION = 1
ENCODERS = ("hashing",)


class Backwards(TextKind):
    def decode(self, raw, detail=0):
        return super().decode(raw)[::-1]


def build(config, *, name, columns):
    return Backwards(config, name)
'''

ENCODER = '''
"""Shares of the letters of a text."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

KIND = "text"
VERSION = 1
LIBRARIES = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    letters: Annotated[int, Field(ge=1, le=26)] = 26


class Letters:
    dtype = np.dtype(np.float32)
    detail = 0

    def __init__(self, config):
        self.shape = (config.letters,)

    def digest(self):
        return f"letters {self.shape}"

    def encode(self, values):
        out = np.zeros((len(values), *self.shape), np.float32)
        for row, text in enumerate(values):
            for column in range(self.shape[0]):
                out[row, column] = text.lower().count(chr(97 + column)) / (1 + len(text))
        return out

    def network(self):
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0])


def build(config, *, kind):
    return Letters(config)
'''

TARGET = '''
"""One class; probabilities are mixed with even ones."""

from dataclasses import dataclass

from components.parts.targets.single import METRICS, SingleTarget

SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Config:
    pass


class Mixed(SingleTarget):
    def probabilities(self, logits, calibration=1.0):
        sure = super().probabilities(logits, calibration)
        return (1 - SHARE) * sure + SHARE / self.width


def build(config, *, classes):
    return Mixed(classes)
'''

PROJECTOR = '''
"""A linear map without a norm. Source: none."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Config:
    scale: float = 1.0


class Scaled(nn.Module):
    def __init__(self, scale, width, dim):
        super().__init__()
        self.scale, self.map = scale, nn.Linear(width, dim)

    def forward(self, features):
        return self.scale * self.map(features)


def build(config, *, width, dim):
    return Scaled(config.scale, width, dim)
'''

PARTS = {
    "projectors": Own(
        text=PROJECTOR,
        edit=("return self.scale *", "return 2 * self.scale *"),
        first="teach",
        config={
            "fusion: gated": "fusion: gated, projector: {name: ./mine/projectors.py, scale: 2.0}"
        },
    ),
    "fusion": Own(
        text=FUSION,
        edit=("return self.scale *", "return 2 * self.scale *"),
        first="teach",
        config={"fusion: gated": "fusion: {name: ./mine/fusion.py, scale: 2.0}"},
    ),
    "losses": Own(
        text=LOSS,
        edit=("return 1.0 *", "return 2.0 *"),
        first="train",
        config={"labeller:": "losses: {./mine/losses.py: {weight: 2.0}}\nlabeller:"},
        packaged=False,
    ),
    "ssl": Own(
        text=SSL,
        edit=("1.0 * difference", "2.0 * difference"),
        first="train",
        config={"gate:": "ssl: {name: ./mine/ssl.py, drop: 0.2, ratio: 0.5}\ngate:"},
        packaged=False,
    ),
    "balance": Own(
        text=BALANCE,
        edit=("1.0 * self", "0.5 * self"),
        first="train",
        config={"evaluation:": "balance: {name: ./mine/balance.py, factor: 0.4}\nevaluation:"},
        packaged=False,
    ),
    "labellers": Own(
        text=LABELLER,
        edit=("confidence >=", "confidence >= 0.1 +"),
        first="pseudo_label",
        config={"{name: fixed}": "{name: ./mine/labellers.py, threshold: 0.25}"},
        packaged=False,
    ),
    "kinds": Own(
        text=KIND,
        edit=("[::-1]", "[::-2]"),
        first="validate",
        manifest={"text: {kind: text,": "text: {kind: ./mine/kinds.py,"},
    ),
    "targets": Own(
        text=TARGET,
        edit=("SHARE = 0.1", "SHARE = 0.2"),
        first="encode",
        manifest={"kind: single": "kind: ./mine/targets.py"},
    ),
    "encoders": Own(
        text=ENCODER,
        edit=("/ (1 + len(text))", "/ (2 + len(text))"),
        first="encode",
        config={"OPTIONS": "{text: {encoders: [./mine/encoders.py, hashing]}}"},
    ),
}
_SHORT = {"epochs: 8": "epochs: 2"}


def replaced(text: str, pieces: Mapping[str, str]) -> str:
    """The text with every piece, which must be in it, replaced."""
    for old, new in pieces.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def write(folder: Path, families: Iterable[str]) -> Path:
    """Write a data set and a configuration that names own parts of these families.

    Args:
        folder: takes ``data`` and ``conf``, the own files in ``conf/mine``.
        families: a part of each is chosen.
    """
    chosen = {family: PARTS[family] for family in families}
    data = tiny.make(folder / "data", 120)
    config = _SHORT | {"URI": str(data)}
    manifest = tiny.MANIFEST
    mine = folder / "conf" / "mine"
    mine.mkdir(parents=True)
    for family, own in chosen.items():
        (mine / f"{family}.py").write_text(own.text)
        manifest = replaced(manifest, own.manifest)
        config |= own.config
    (data / "dataset.yaml").write_text(manifest)
    config.setdefault("OPTIONS", "{}" if "kinds" in chosen else str(synthetic.OPTIONS))
    path = mine.parent / "tiny.yaml"
    path.write_text(replaced(tiny.CONFIG, config))
    return path


def edit(path: Path, family: str) -> None:
    """Change the own part of a family so that it gives other results."""
    file = path.parent / "mine" / f"{family}.py"
    file.write_text(replaced(file.read_text(), dict([PARTS[family].edit])))
