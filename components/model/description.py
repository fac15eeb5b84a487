"""The description in a model folder, read without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.config.run import ModelConfig, Part
from components.core.errors import UserError
from components.core.files import read_json
from components.features import stored
from components.features.spec import ModalitySpec
from components.parts.own import OWN

FORMAT = 7
"""2: a modality has views, each with an encoder; 3: a committee; 4: seats; 5: views have maps for
the seats that read them alone; 6: there may be neighbours; 7: a projector is chosen, so that
one with the default is written as 6. Older ones are read."""
_LINEAR = Part(name="linear")
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"
CARRIED = "encoders"
"""Folder of the frozen encoders that a package carries, by view."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What the logits are a sum of.

    Attributes:
        network: factor of the network's logits.
        committee: factor of the committee's.
    """

    network: float = 1.0
    committee: float = 0.0


BY_COMMITTEE, BY_BOTH = Mix(network=0.0, committee=1.0), Mix(network=0.5, committee=0.5)


@dataclass(frozen=True, kw_only=True)
class Description:
    """The contents of ``model.json``.

    Attributes:
        made: the format that it was written in.
        config: shape of the network.
        target: name of the part that defines what is predicted.
        classes: class names.
        specs: modality name to what builds it again.
        mix: what the logits are a sum of.
        base: folder that the user's own parts are relative to.
    """

    made: int
    config: ModelConfig
    target: str
    classes: list[str]
    specs: dict[str, ModalitySpec]
    mix: Mix
    base: Path


def read_description(folder: Path) -> Description:
    """Read a model folder's description.

    Raises:
        UserError: not a model folder, or one of a newer format.
    """
    try:
        told: dict[str, Any] = read_json(folder / DESCRIPTION)
    except OSError as error:
        raise no_model(folder, error) from error
    if told["format"] not in range(1, FORMAT + 1):
        raise UserError(
            f"{folder}: got model format {told['format']}, wanted {FORMAT};"
            " use the version that wrote it"
        )
    fusion = Part.model_validate(told["model"].pop("fusion"))
    projector = Part.model_validate(told["model"].pop("projector", "linear"))
    # Format 1 kept the file of a user's own fusion beside the weights.
    base = folder if told["format"] == 1 else folder / OWN
    carried = folder / CARRIED
    return Description(
        made=told["format"],
        config=ModelConfig(**told["model"], projector=projector, fusion=fusion),
        target=told.get("target", "single"),
        classes=told["classes"],
        specs={n: stored.parse(s, base, carried) for n, s in told["modalities"].items()},
        mix=Mix(**told.get("mix", {})),
        base=base,
    )


def described(config: ModelConfig) -> dict[str, Any]:
    """The format of a model of this shape, and the shape."""
    tree = config.model_dump(mode="json")
    if config.projector == _LINEAR:
        del tree["projector"]
    return {"format": FORMAT if "projector" in tree else FORMAT - 1, "model": tree}


def no_model(folder: Path, error: OSError) -> UserError:
    """The error for a folder that lacks a model's files."""
    return UserError(f"{folder} is not a model folder ({error}); name one that a run has written")


def columns_of(specs: Mapping[str, ModalitySpec]) -> dict[str, int]:
    """View name to the column of its modality in a present mask."""
    return {
        view: column
        for column, name in enumerate(sorted(specs))
        for view in (*specs[name].dense(name), *specs[name].sparse(name))
    }
