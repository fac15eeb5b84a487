"""Operations of a store, tried again for a while where it does not answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from components.exchange.errors import ExchangeError
from components.exchange.store import Store, is_timeout, store_errors

T = TypeVar("T")
WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries, enough for a store that restarts."""
PATIENCE = sum(WAITS)
"""Seconds after the first failure within which a further try may begin.

A time-out counts from the beginning of the try: it has already lasted a minute (two time-outs, see
``store``), so a store that accepts connections and never answers is given up after one try.
"""


class Patient:
    """Calls operations of the store at a URI.

    Args:
        uri: of the store.
        waits: seconds between tries.
    """

    def __init__(self, uri: str, waits: tuple[float, ...]) -> None:
        self.uri, self.waits = uri, waits
        self._opened: Store | None = None

    def __call__(self, what: str, action: Callable[..., T], *arguments: object) -> T:
        """Do something with the store.

        Args:
            what: words for the message of an error, which continues with the URI.
            action: a method of ``Store``.
            arguments: of the method.

        Raises:
            FileNotFoundError: the file does not exist.
            ExchangeError: the store refuses, or all tries are used up.
        """
        since: float | None = None
        for wait in (*self.waits, None):
            began = time.monotonic()
            try:
                return action(self._store, *arguments)
            except FileNotFoundError:
                raise
            except store_errors(self.uri) as error:
                if since is None:
                    since = began if is_timeout(error) else time.monotonic()
                late = wait is None or time.monotonic() - since > PATIENCE
                if late or isinstance(error, PermissionError):
                    raise ExchangeError(
                        f"exchange: cannot {what} {self.uri}: {type(error).__name__}: {error}; "
                        "check that it is mounted or reachable from here, and the rights or "
                        "credentials"
                    ) from error
                assert wait is not None
                time.sleep(wait)
        raise AssertionError("unreachable")

    @property
    def _store(self) -> Store:
        if self._opened is None:
            self._opened = Store(self.uri)
        return self._opened
