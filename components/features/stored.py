"""A modality's spec as a data set or a model of any format stores it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.features.format_1 import upgraded
from components.features.spec import ModalitySpec


def parse(
    value: Mapping[str, Any], base: Path | None = None, carried: Path | None = None
) -> ModalitySpec:
    """Read the JSON form, also that of an earlier format."""
    return ModalitySpec.parse(value, base, carried) if "views" in value else upgraded(value)
