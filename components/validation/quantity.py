"""Classes that are probably a measured quantity."""

import re
from collections.abc import Sequence

_FRACTION = re.compile(r"-?\d+\.\d+(e-?\d+)?")
_WHOLE = re.compile(r"-?\d+")
_MANY_NUMBERS = 100
"""More classes than this that are whole numbers may be a measured quantity; fewer are codes."""


def quantity(classes: Sequence[str]) -> str:
    """A remark where most classes are numbers with a fraction, or very many are whole ones."""
    for form, least in ((_FRACTION, 0), (_WHOLE, _MANY_NUMBERS)):
        numbers = [c for c in classes if form.fullmatch(c)]
        if len(numbers) > max(least, len(classes) / 2):
            return (
                f"; {len(numbers)} of {len(classes)} classes are numbers such as {numbers[0]}: if "
                "they measure a quantity, divide it into ranges, since classes have no order"
            )
    return ""
