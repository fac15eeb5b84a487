"""Raw values of each kind."""

import numpy as np

from components.parts import loading as parts
from tests.sounds import encoded
from tests.synthetic import COLUMNS, modalities, records


def given_values(name):
    """A kind, and raw values that it decodes."""
    if name == "audio":
        noise = np.random.default_rng(0).normal(0, 0.1, (6, 20_000))
        sounds = [encoded(row[: 2000 + 3000 * i]) for i, row in enumerate(noise)]
        return parts.load("kinds", name).build(
            parts.configure("kinds", name, {}), name="sound", columns={}
        ), sounds
    key = next(k for k, c in COLUMNS.items() if c["kind"] == name)
    values = [v for v in records(40).raws[key] if v is not None]
    return modalities((key,))[key].kind, values
