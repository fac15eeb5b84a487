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
