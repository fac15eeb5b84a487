"""Weights of earlier formats, as today's model reads them."""

from collections.abc import Mapping

from torch import Tensor

from components.features.format_1 import upgraded_weights
from components.features.spec import ModalitySpec
from components.model.format_3 import seated_weights
from components.model.format_4 import with_seats


def todays_weights(
    weights: Mapping[str, Tensor],
    made: int,
    specs: Mapping[str, ModalitySpec],
    fresh: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Weights under the names and in the shapes of today.

    Args:
        weights: name to tensor.
        made: the format that they were written in.
        specs: modality name to its spec.
        fresh: weights of a new model; its committee answers nothing.
    """
    found = dict(weights)
    if made == 1:
        found = upgraded_weights(found, specs)
    if made == 3:
        found = seated_weights(found, len(specs))
    if made in (3, 4):
        found = with_seats(found)
    # What a committee lacked, or the whole of it, answers nothing.
    return {name: own for name, own in fresh.items() if name.startswith("committee.")} | found
