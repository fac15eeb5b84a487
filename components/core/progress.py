"""Callbacks through which work reports to whoever started it."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""

Log = Callable[[dict[str, float], int], None]
"""Called with named metrics and the step they belong to."""


Say = Callable[[str], None]
"""Receives messages for the user, one at a time."""


def unheard(message: str) -> None:
    """Drop a message."""


Cleanup = Callable[[], None]
"""Removes what work left elsewhere; called once its result is stored."""


def silent(what: str, done: int, total: int) -> None:
    """Show nothing."""


def unlogged(metrics: dict[str, float], step: int) -> None:
    """Log nothing."""
