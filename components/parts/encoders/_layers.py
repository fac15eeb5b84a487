"""The layers of a pretrained model of ``transformers``, by its configuration, without torch."""

from dataclasses import dataclass

from components.core.errors import UsageError
from components.parts.encoders._loaded import loaded
from components.parts.encoders._pretrained import Pretrained

_TOWERS = {"image": "vision", "text": "text"}
"""What the towers of a model of two are called."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of a model.

    Attributes:
        number: from 1.
        dim: width of its hidden state.
        tower: of a model of two, the one that it belongs to, such as ``vision``; else empty.
    """

    number: int
    dim: int
    tower: str


def layer_of(model: Pretrained, kind: str, wanted: int) -> Layer:
    """The layer of a number, which counts from the end if it is negative.

    Args:
        model: the model.
        kind: of the values that are read, which decides on the tower.
        wanted: the number.

    Raises:
        UsageError: there is no such layer.
        UserError: ``transformers`` cannot read the configuration.
    """
    config = loaded(model, "AutoConfig")
    tower = _TOWERS[kind] if model.pooling == "projected" else ""
    own = getattr(config, f"{tower}_config") if tower else config
    count = int(own.num_hidden_layers)
    if not 1 <= abs(wanted) <= count:
        raise UsageError(
            f"layer: got {wanted}, wanted 1 to {count}, or -1 to -{count} counted from the end"
        )
    number = wanted if wanted > 0 else count + 1 + wanted
    return Layer(number=number, dim=int(own.hidden_size), tower=tower)
