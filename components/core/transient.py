"""Which failures the machine caused, so that the same work may succeed when it is tried again."""

import errno
import subprocess
from collections.abc import Iterator

from components.core.errors import MachineError, UserError

_PASSING = {
    getattr(errno, name)
    for name in (
        "EAGAIN", "EBUSY", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN",
        "EHOSTUNREACH", "EIO", "ENETDOWN", "ENETRESET", "ENETUNREACH", "ENFILE", "ENOBUFS",
        "ENOLCK", "EPIPE", "EREMOTEIO", "ESTALE", "ETIMEDOUT",
    )
    if hasattr(errno, name)
}  # fmt: skip
"""A full disk or a forbidden folder is not among them: it stays so until a person acts."""

_LIBRARIES = {
    "BrokenProcessPool",  # concurrent.futures: a worker was killed
    "ClientConnectionError",  # aiohttp
    "ConnectTimeoutError", "EndpointConnectionError", "ReadTimeoutError",  # botocore, urllib3
    "TransportError",  # httpx
}  # fmt: skip
"""Errors of libraries by the name of their class: naming them must not import the library."""


def is_transient(error: object) -> bool:
    """Whether a failure may be gone at the next try: lost connections, killed children, disks.

    A user's mistake, a mistake of the program, an interrupt and memory that does not suffice are
    not: the same work would fail again.

    >>> is_transient(ConnectionResetError()), is_transient(ValueError("wrong"))
    (True, False)
    """
    return isinstance(error, Exception) and any(_passes(e) for e in _chain(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, UserError):
        return isinstance(error, MachineError)
    if isinstance(error, subprocess.CalledProcessError):
        return error.returncode < 0  # killed by a signal
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _PASSING:
        return True
    names = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type(error).__mro__}
    return bool(
        names & {"requests.ConnectionError", "requests.Timeout"}
        or {name.partition(".")[2] for name in names} & _LIBRARIES
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was raised from; a ``UserError`` hides what is behind it."""
    found: BaseException | None = error
    while found is not None:
        yield found
        if isinstance(found, UserError):
            return
        found = found.__cause__
