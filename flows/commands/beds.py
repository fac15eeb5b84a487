"""``concord data pair`` and ``concord data xor``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.commands.answer import Answer, table


def make(bed: str, folder: Path, given: Mapping[str, Any]) -> Answer:
    """Make a synthetic bed, and print the best accuracy that can be reached on it.

    Args:
        bed: `pair` or `xor`.
        folder: the data set to make.
        given: its knobs; ``noise`` is a list, or None for the default.
    """
    from components.beds.dataset import ORACLE, make_bed
    from components.beds.knobs import knobs_of

    knobs = dict(given)
    noise = knobs.pop("noise")
    if noise:
        knobs["noise"] = noise[0] if len(noise) == 1 else tuple(noise)
    best = make_bed(bed, folder, knobs_of(bed, **knobs))
    rows = [[name, f"{accuracy:.3f}"] for name, accuracy in best.items()]
    text = (
        f"made {folder}; the best accuracy that any model can reach, also in {folder / ORACLE}:\n\n"
        f"{table(rows, ['modalities', 'accuracy'])}\n\n"
        f"conf/{bed}.yaml learns from 16 labels for each class of data/{bed}"
    )
    value = {"folder": str(folder.absolute()), "oracle": best}
    return Answer(value=value, text=text, then=f"concord run conf/{bed}.yaml --data {folder}")
