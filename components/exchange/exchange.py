"""Where a run and its pods hand things to each other: a folder that both mount, or an object store, through fsspec.

Layout below the exchange's URI::

    objects/<digest>/...             content of a folder, named by its digest; objects/<digest>.json, written last, lists it
    jobs/<job>/spec.json             what a job shall do
    jobs/<job>/checkpoints/<token>/  what an attempt leaves for the next one
    jobs/<job>/attempts/<token>/...  result of one attempt; attempts/<token>.json, written last, lists it

Whatever is written is read back and compared; whatever is fetched is compared before it gets its name.

A job's folder goes when its result is stored. Objects stay, as a cache for whoever needs the same content next: ``objects/``
may be deleted whenever nothing runs, and is written again as it is needed.
"""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from components.core.errors import UserError
from components.core.refs import Ref
from components.exchange.store import Entry, Store, listed, listing_digest

T = TypeVar("T")
OBJECTS, JOBS, CHECKPOINTS, ATTEMPTS = "objects", "jobs", "checkpoints", "attempts"
SPEC = "spec.json"
WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries: a store that is away for half a minute is waited for."""
PATIENCE = sum(WAITS)
"""Seconds after the first failure when no further try begins. A store that takes connections and says nothing is given up after
one try, which is a minute: what it was asked, it was asked twice (``exchange_store``)."""


class ExchangeError(UserError):
    """The exchange cannot be reached, or does not hold what it should."""


class Incomplete(UserError):
    """A job whose result is not, or not yet, complete in the exchange."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A complete result.

    Attributes:
        token: whose it is.
        about: ``files``, ``digest`` and the figures that the attempt reported.
    """

    token: str
    about: dict[str, Any]


class Exchange:
    """Reads and writes an exchange; content is verified both ways.

    Args:
        uri: an absolute path, ``file://…`` or a URL that fsspec knows (``s3://bucket/prefix``; credentials and endpoint
            come from the environment: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL``).
        waits: seconds between tries where the exchange does not answer.
    """

    def __init__(self, uri: str, waits: tuple[float, ...] = WAITS) -> None:
        self.uri, self._waits = uri.rstrip("/"), waits
        self._opened: Store | None = None

    @property
    def _store(self) -> Store:
        if self._opened is None:
            self._opened = Store(self.uri)
        return self._opened

    def check(self) -> None:
        """See that the exchange is there.

        Raises:
            ExchangeError: it is not.
        """
        if not self._patiently("look at", Store.there):
            raise ExchangeError(
                f"exchange: nothing at {self.uri}; mount the volume there, or create the folder or bucket"
            )

    def put(self, folder: Path, digest: str) -> str:
        """Copy a folder to the exchange, unless it is there already; returns its URI.

        Raises:
            UserError: the folder holds other content than ``digest`` says.
            ExchangeError: the exchange cannot be written, or gives back something else.
        """
        relative = f"{OBJECTS}/{digest}"
        entries = list(listed(folder))
        if listing_digest(entries) != digest:
            raise UserError(
                f"{folder} holds other content than digest {digest[:12]}; run the step that writes it again"
            )
        if not self._complete(relative, entries):
            self._copy_in(folder, relative, entries)
            self.write_json(
                f"{relative}.json", {"digest": digest, "files": [e.to_json() for e in entries]}
            )
        return f"{self.uri}/{relative}"

    def fetch(self, ref: Ref | str, digest: str, cache: Path) -> Path:
        """A verified copy of a folder on the local disk, which may be mapped into memory; copied once for each cache.

        Args:
            ref: a reference or URI of a folder, in this exchange or anywhere else.
            digest: its digest.
            cache: a local folder; several processes may share it.

        Raises:
            ExchangeError: nothing there, or not what the digest says.
        """
        uri = ref.uri if isinstance(ref, Ref) else ref
        target = cache / digest
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{digest}.lock"):
            if target.is_dir():
                return target
            source = self if uri.startswith(f"{self.uri}/") else Exchange(uri, self._waits)
            relative = uri.removeprefix(source.uri).strip("/")
            aside = (
                cache / f".{digest}.part"
            )  # under the lock, so what lies there is of a process that died
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            entries = source.listing(relative)
            if not entries or (
                any(e.sha256 for e in entries) and listing_digest(entries) != digest
            ):
                raise ExchangeError(
                    f"exchange: no complete folder of digest {digest[:12]} at {uri}; submit the run again"
                )
            source.copy_out(relative, entries, aside)
            if listing_digest(listed(aside)) != digest:
                raise ExchangeError(source.disowned(relative, digest))
            aside.rename(target)
        return target

    def disowned(self, relative: str, digest: str) -> str:
        """Take its listing from a damaged object, so that the next ``put`` writes it again; says what is wrong."""
        what = f"exchange: {self.uri}/{relative} holds other content than digest {digest[:12]}; "
        if relative != f"{OBJECTS}/{digest}":
            return what + "delete it and submit the run again"
        try:
            self.remove(f"{relative}.json")
        except ExchangeError as error:
            return (
                what
                + f"delete it and submit the run again (its listing could not be taken away here: {error})"
            )
        return (
            what
            + "its listing was taken away, and the next run that needs it writes it again; submit the run again"
        )

    def write_json(self, relative: str, value: object) -> None:
        """Write a JSON file; a reader sees the old one or the new one."""
        self.write(relative, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def read_json(self, relative: str) -> Any:  # noqa: ANN401
        """Read a JSON file.

        Raises:
            FileNotFoundError: there is none.
        """
        return json.loads(self.read(relative))

    def write(self, relative: str, data: bytes) -> None:
        """Write a file; a reader sees the old one or the new one."""
        self._patiently(f"write {relative} to", Store.write, relative, data)

    def read(self, relative: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read a file, or a part of it.

        Raises:
            FileNotFoundError: there is none.
        """
        return self._patiently(f"read {relative} from", Store.read, relative, start, end)

    def names(self, relative: str) -> list[str]:
        """Sorted names in a folder; none where there is no such folder."""
        return self._patiently(f"list {relative} of", Store.names, relative)

    def put_attempt(self, job: str, token: str, folder: Path, about: dict[str, Any]) -> None:
        """Write the result of an attempt under its own token; it counts once its listing is there.

        Raises:
            ExchangeError: the exchange cannot be written, or gives back something else.
        """
        relative = f"{JOBS}/{job}/{ATTEMPTS}/{token}"
        entries = list(listed(folder))
        self._copy_in(folder, relative, entries)
        listing = {"digest": listing_digest(entries), "files": [e.to_json() for e in entries]}
        self.write_json(f"{relative}.json", {**about, **listing})

    def attempts(self, job: str) -> list[Attempt]:
        """Complete attempts of a job, by token; one that is deleted meanwhile is none."""
        folder, found = f"{JOBS}/{job}/{ATTEMPTS}", []
        for name in self.names(folder):
            if name.endswith(".json"):
                with suppress(FileNotFoundError):
                    found.append(
                        Attempt(
                            token=name.removesuffix(".json"),
                            about=self.read_json(f"{folder}/{name}"),
                        )
                    )
        return found

    def fetch_attempt(self, job: str, token: str, out: Path) -> dict[str, Any]:
        """Copy a complete attempt into an empty local folder, verified; returns its ``about``.

        Raises:
            ExchangeError: no complete attempt of this token, or damaged.
        """
        relative = f"{JOBS}/{job}/{ATTEMPTS}/{token}"
        try:
            about: dict[str, Any] = self.read_json(f"{relative}.json")
        except FileNotFoundError as error:
            raise ExchangeError(
                f"exchange: attempt {token} of job {job} is not complete at {self.uri}"
            ) from error
        out.mkdir(parents=True, exist_ok=True)
        self.copy_out(relative, [Entry.parse(e) for e in about["files"]], out)
        if listing_digest(listed(out)) != about["digest"]:
            raise ExchangeError(
                f"exchange: attempt {token} of job {job} arrived damaged from {self.uri}; submit the run again"
            )
        return about

    def remove_job(self, job: str) -> None:
        """Delete all that a job left: its spec, checkpoints and attempts; objects stay for the next one.

        Raises:
            ExchangeError: something could not be deleted.
        """
        self.remove(f"{JOBS}/{job}")

    def remove(self, relative: str) -> None:
        """Delete a file, or a folder with all that is in it, if it is there.

        Raises:
            ExchangeError: something could not be deleted.
        """
        self._patiently(f"delete {relative} from", Store.remove, relative)

    def listing(self, relative: str) -> list[Entry]:
        """Files of a folder: as its listing says, else as found, then without sizes and digests."""
        try:
            return (
                [Entry.parse(e) for e in self.read_json(f"{relative}.json")["files"]]
                if relative
                else self._found(relative)
            )
        except FileNotFoundError:
            return [] if relative.startswith(f"{OBJECTS}/") else self._found(relative)

    def copy_out(self, relative: str, entries: list[Entry], folder: Path) -> None:
        """Copy files of a folder to the local disk.

        Raises:
            ExchangeError: a file that would come to lie outside ``folder``, before anything is written; or one that is gone.
            DiskError: the local disk cannot take them.
        """
        if outside := [entry.path for entry in entries if not entry.inside]:
            raise ExchangeError(
                f"exchange: the listing of {self.uri}/{relative} has a file {outside[0]!r}, wanted paths inside the folder; "
                "find out who wrote it, delete it and submit the run again"
            )
        for entry in entries:
            path = f"{relative}/{entry.path}".lstrip("/")
            try:
                self._patiently(f"fetch {path} from", Store.get, path, folder / entry.path)
            except FileNotFoundError as error:
                raise ExchangeError(
                    f"exchange: {path} is gone from {self.uri}; submit the run again"
                ) from error

    def _found(self, relative: str) -> list[Entry]:
        return [
            Entry(path=p) for p in self._patiently(f"list {relative} of", Store.files, relative)
        ]

    def _complete(self, relative: str, entries: list[Entry]) -> bool:
        """Whether the listing is there and every file has its size."""
        try:
            known = [Entry.parse(e) for e in self.read_json(f"{relative}.json")["files"]]
        except FileNotFoundError:
            return False
        sizes = self._patiently(f"list {relative} of", Store.sizes, relative)
        return known == entries and all(sizes.get(e.path) == e.size for e in entries)

    def _copy_in(self, folder: Path, relative: str, entries: list[Entry]) -> None:
        for entry in entries:
            path = f"{relative}/{entry.path}"
            self._patiently(f"write {path} to", Store.put, folder / entry.path, path)
            if self._patiently(f"read {path} back from", Store.sha256, path) != entry.sha256:
                raise ExchangeError(
                    f"exchange: {path} came back from {self.uri} with other content than was written"
                )

    def _patiently(self, what: str, action: Callable[..., T], *arguments: object) -> T:
        """Do something with the store, again after a while where it does not answer.

        Raises:
            FileNotFoundError: what is asked for is not there.
            ExchangeError: it may not be done, or all tries are used up.
        """
        since: float | None = None
        for wait in (*self._waits, None):
            began = time.monotonic()
            try:
                return action(self._store, *arguments)
            except FileNotFoundError:
                raise
            except Exception as error:
                if not Store.may_pass(error):
                    raise
                if since is None:
                    since = began if Store.was_silent(error) else time.monotonic()
                if (
                    wait is None
                    or isinstance(error, PermissionError)
                    or time.monotonic() - since > PATIENCE
                ):
                    raise ExchangeError(
                        f"exchange: cannot {what} {self.uri}: {type(error).__name__}: {error}; "
                        "check that it is mounted or reachable from here, and the rights or credentials"
                    ) from error
                time.sleep(wait)
        raise AssertionError("unreachable")


def split(uri: str) -> tuple[str, str]:
    """Exchange and path below it of a URI ``<exchange>/jobs/<job>…``.

    >>> split("s3://bucket/x/jobs/teach-1/spec.json")
    ('s3://bucket/x', 'jobs/teach-1/spec.json')
    """
    exchange, _, below = uri.rstrip("/").rpartition(f"/{JOBS}/")
    return exchange, f"{JOBS}/{below}"
