"""Errors that a user can cause; each states got, wanted, where, and what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 30
"""Names that a message lists."""


class UserError(ValueError):
    """A mistake the user can correct; shown without a traceback.

    ``exit_code`` is 1 where the work or a check failed, 2 where the command was used wrongly.
    """

    exit_code = 1


class UsageError(UserError):
    """A wrong command line or configuration (exit code 2)."""

    exit_code = 2


class MachineError(UserError):
    """The machine, the network or a server failed, not the user: the same work may succeed later.

    It is shown like a mistake of the user, since its message gives the remedy.
    """


class BadInput(UserError):
    """One value of one record that cannot be used.

    Args:
        field: which field is wrong, as the user names it.
        got: what was there, short.
        wanted: the rule or limit it breaks.
    """

    def __init__(self, field: str, got: str, wanted: str) -> None:
        super().__init__(f"{field}: got {got}, wanted {wanted}")
        self.field, self.got, self.wanted = field, got, wanted


class Interrupted(Exception):
    """A training run that was asked to stop stopped between two steps and wrote a checkpoint."""


def one_of(name: str, available: Iterable[str]) -> str:
    """What was wanted in the place of an unknown name: the nearest one, and those that exist.

    >>> one_of("foto", ["fused", "photo"])
    "one of fused, photo (did you mean 'photo'?)"
    """
    names = sorted(available)
    near = get_close_matches(name, names, n=1)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"one of {', '.join(names[:_LISTED])}{more}{hint}"


def unknown_name(kind: str, name: str, available: Iterable[str]) -> str:
    """A message for an unknown name, with the nearest one and all that exist.

    >>> unknown_name("fusion", "gatd", ["concat", "gated"])
    "unknown fusion 'gatd': did you mean 'gated'? Available: concat, gated"
    """
    names = sorted(available)
    near = get_close_matches(name, names, n=1)
    hint = f": did you mean {near[0]!r}? Available" if near else "; available"
    return f"unknown {kind} {name!r}{hint}: {', '.join(names) or 'none'}"
