"""The cause of an error of MLflow: a file system, SQLite, or the way to a server."""

import errno
from collections.abc import Iterator

_REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
)
_STORAGE = (
    "readonly database",
    "read-only",
    "database or disk is full",
    "unable to open database",
    "No space left",
)
_SERVER = (
    "failed with error code 401",
    "failed with error code 403",
    "failed with error code 502",
    "failed with error code 503",
)


def storage_trouble(error: BaseException) -> str | None:
    """The one clear line behind a refused write, which SQLAlchemy and MLflow wrap in pages."""
    chain = list(_chain(error))
    refused = any(
        (isinstance(e, OSError) and e.errno in _REFUSALS) or any(w in str(e) for w in _STORAGE)
        for e in chain
    )
    return str(chain[-1]) if refused else None


def server_trouble(error: BaseException) -> str | None:
    """The one clear line behind a server that does not answer or refuses the login."""
    chain = list(_chain(error))
    away = any(
        isinstance(e, ConnectionError | TimeoutError) or type(e).__module__ == "requests.exceptions"
        for e in chain
    )
    denied = next((str(e) for e in chain if any(w in str(e) for w in _SERVER)), None)
    return str(chain[-1]) if away else denied


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and the errors behind it; the first cause comes last."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
