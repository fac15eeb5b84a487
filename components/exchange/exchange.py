"""Where a run and its pods hand files over: a folder that both mount, or an object store.

Layout below the exchange's URI::

    objects/<digest>/...             content of a folder, named by its digest
    objects/<digest>.json            its listing, written last
    jobs/<job>/spec.json             what the job does
    jobs/<job>/leases/<state>/       the state folders that wait for the job
    closing/<job>.<state>.json       a state folder that removes the job, while it does so
    jobs/<job>/checkpoints/<token>/  what an attempt leaves for the next one
    jobs/<job>/attempts/<token>/...  result of one attempt
    jobs/<job>/attempts/<token>.json its listing and figures, written last

Every file is read back after it is written; fetched files are verified before they get their name.

A job's folder is removed when its result is stored. Objects stay, as a cache for runs that need the
same content: ``objects/`` may be deleted whenever no run is active, and is written again as needed.
"""

import json
import shutil
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from components.core.errors import UserError
from components.core.refs import Ref
from components.exchange.errors import ExchangeError
from components.exchange.listing import ListedFile, listed, listing_digest
from components.exchange.patience import WAITS, Patient
from components.exchange.store import Store

OBJECTS, JOBS, CHECKPOINTS, ATTEMPTS = "objects", "jobs", "checkpoints", "attempts"
SPEC = "spec.json"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A complete result.

    Attributes:
        token: of the attempt.
        about: ``files``, ``digest`` and the figures that the attempt reported.
    """

    token: str
    about: dict[str, Any]


class Exchange:
    """Reads and writes an exchange; content is verified both ways.

    Args:
        uri: an absolute path, ``file://…`` or a URL that fsspec knows (``s3://bucket/prefix``;
            credentials and endpoint come from the environment: ``AWS_ACCESS_KEY_ID``,
            ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL``).
        waits: seconds between tries where the exchange does not answer.
    """

    def __init__(self, uri: str, waits: tuple[float, ...] = WAITS) -> None:
        self.uri = uri.rstrip("/")
        self._patiently = Patient(self.uri, waits)

    def check(self) -> None:
        """Check that the exchange exists.

        Raises:
            ExchangeError: it does not.
        """
        if not self._patiently("look at", Store.there):
            raise ExchangeError(
                f"exchange: nothing at {self.uri}; "
                "mount the volume there, or create the folder or bucket"
            )

    def put(self, folder: Path, digest: str) -> str:
        """Copy a folder to the exchange unless it is complete there; returns its URI.

        Raises:
            UserError: the content of the folder has another digest.
            ExchangeError: the exchange cannot be written, or returns other content.
        """
        relative = f"{OBJECTS}/{digest}"
        entries = list(listed(folder))
        if listing_digest(entries) != digest:
            raise UserError(
                f"{folder} holds other content than digest {digest[:12]}; "
                "run the step that writes it again"
            )
        if not self._complete(relative, entries):
            self._copy_in(folder, relative, entries)
            self.write_json(
                f"{relative}.json", {"digest": digest, "files": [e.to_json() for e in entries]}
            )
        return f"{self.uri}/{relative}"

    def fetch(self, ref: Ref | str, digest: str, cache: Path) -> Path:
        """A verified copy of a folder on the local disk, made once per cache; it may be mapped.

        Args:
            ref: a reference or URI of a folder, in this exchange or elsewhere.
            digest: its digest.
            cache: a local folder; several processes may share it.

        Raises:
            ExchangeError: the folder is missing or has another digest.
        """
        uri = ref.uri if isinstance(ref, Ref) else ref
        target = cache / digest
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{digest}.lock"):
            if target.is_dir():
                return target
            source = (
                self if uri.startswith(f"{self.uri}/") else Exchange(uri, self._patiently.waits)
            )
            relative = uri.removeprefix(source.uri).strip("/")
            # Under the lock: a folder of this name was left by a process that died.
            aside = cache / f".{digest}.part"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            entries = source.listing(relative)
            if not entries or (
                any(e.sha256 for e in entries) and listing_digest(entries) != digest
            ):
                raise ExchangeError(
                    f"exchange: no complete folder of digest {digest[:12]} at {uri}; "
                    "submit the run again"
                )
            source.copy_out(relative, entries, aside)
            if listing_digest(listed(aside)) != digest:
                raise ExchangeError(source.disowned(relative, digest))
            aside.rename(target)
        return target

    def disowned(self, relative: str, digest: str) -> str:
        """Remove the listing of a damaged object, so that ``put`` repairs it; returns a message."""
        what = f"exchange: {self.uri}/{relative} holds other content than digest {digest[:12]}; "
        if relative != f"{OBJECTS}/{digest}":
            return what + "delete it and submit the run again"
        try:
            self.remove(f"{relative}.json")
        except ExchangeError as error:
            return (
                f"{what}delete it and submit the run again (its listing cannot be removed: {error})"
            )
        return (
            f"{what}its listing was removed, so that the next run writes it again; "
            "submit the run again"
        )

    def write_json(self, relative: str, value: object) -> None:
        """Write a JSON file; a reader sees the old content or the new."""
        self.write(relative, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def read_json(self, relative: str) -> Any:  # noqa: ANN401
        """Read a JSON file.

        Raises:
            FileNotFoundError: it does not exist.
        """
        return json.loads(self.read(relative))

    def write(self, relative: str, data: bytes) -> None:
        """Write a file; a reader sees the old content or the new."""
        self._patiently(f"write {relative} to", Store.write, relative, data)

    def read(self, relative: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read a file, or a part of it.

        Raises:
            FileNotFoundError: it does not exist.
        """
        return self._patiently(f"read {relative} from", Store.read, relative, start, end)

    def names(self, relative: str) -> list[str]:
        """Sorted names in a folder; empty where it does not exist."""
        return self._patiently(f"list {relative} of", Store.names, relative)

    def put_attempt(self, job: str, token: str, folder: Path, about: dict[str, Any]) -> None:
        """Write the result of an attempt under its own token; it counts once its listing exists.

        Raises:
            ExchangeError: the exchange cannot be written, or returns other content.
        """
        relative = f"{JOBS}/{job}/{ATTEMPTS}/{token}"
        entries = list(listed(folder))
        self._copy_in(folder, relative, entries)
        listing = {"digest": listing_digest(entries), "files": [e.to_json() for e in entries]}
        self.write_json(f"{relative}.json", {**about, **listing})

    def attempts(self, job: str) -> list[Attempt]:
        """Complete attempts of a job, by token, without those that are deleted meanwhile."""
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

    def fetch_attempt(
        self, job: str, token: str, out: Path, code: Container[str] = ()
    ) -> dict[str, Any]:
        """Copy a complete attempt into an empty local folder, verified; returns its ``about``.

        Whoever can write the exchange can write a result with its listing. Code that comes back is
        therefore compared with digests from elsewhere, before it is copied.

        Args:
            job: name of the job.
            token: of the attempt.
            out: the folder.
            code: SHA-256 of each file of Python code that the run itself has handed over.

        Raises:
            ExchangeError: the attempt is not complete or damaged, or has code of somebody else.
        """
        relative = f"{JOBS}/{job}/{ATTEMPTS}/{token}"
        try:
            about: dict[str, Any] = self.read_json(f"{relative}.json")
        except FileNotFoundError as error:
            raise ExchangeError(
                f"exchange: attempt {token} of job {job} is not complete at {self.uri}"
            ) from error
        out.mkdir(parents=True, exist_ok=True)
        entries = [ListedFile.parse(e) for e in about["files"]]
        for entry in entries:
            if entry.path.endswith(".py") and entry.sha256 not in code:
                raise ExchangeError(
                    f"exchange: attempt {token} of job {job} has code that this run did not hand "
                    f"over: {entry.path}; find out who wrote it to {self.uri}, delete "
                    f"{JOBS}/{job} there and submit the run again"
                )
        self.copy_out(relative, entries, out)
        if listing_digest(listed(out)) != about["digest"]:
            raise ExchangeError(
                f"exchange: attempt {token} of job {job} arrived damaged from {self.uri}; "
                "submit the run again"
            )
        return about

    def remove_job(self, job: str) -> None:
        """Delete the spec, checkpoints and attempts of a job; objects stay for the next one.

        Raises:
            ExchangeError: something could not be deleted.
        """
        self.remove(f"{JOBS}/{job}")

    def remove(self, relative: str) -> None:
        """Delete a file, or a folder with all its content, if it exists.

        Raises:
            ExchangeError: something could not be deleted.
        """
        self._patiently(f"delete {relative} from", Store.remove, relative)

    def listing(self, relative: str) -> list[ListedFile]:
        """Files of a folder, from its listing; without one as found, without sizes and digests."""
        try:
            return (
                [ListedFile.parse(e) for e in self.read_json(f"{relative}.json")["files"]]
                if relative
                else self._found(relative)
            )
        except FileNotFoundError:
            return [] if relative.startswith(f"{OBJECTS}/") else self._found(relative)

    def copy_out(self, relative: str, entries: list[ListedFile], folder: Path) -> None:
        """Copy files of a folder to the local disk.

        Raises:
            ExchangeError: a file lies outside ``folder`` (then nothing is written) or is missing.
            DiskError: the local disk cannot store them.
        """
        if outside := [entry.path for entry in entries if not entry.inside]:
            raise ExchangeError(
                f"exchange: the listing of {self.uri}/{relative} has a file {outside[0]!r}, "
                "wanted paths inside the folder; find out who wrote it, delete it and submit the "
                "run again"
            )
        for entry in entries:
            path = f"{relative}/{entry.path}".lstrip("/")
            try:
                self._patiently(f"fetch {path} from", Store.get, path, folder / entry.path)
            except FileNotFoundError as error:
                raise ExchangeError(
                    f"exchange: {path} is missing in {self.uri}; submit the run again"
                ) from error

    def _found(self, relative: str) -> list[ListedFile]:
        return [
            ListedFile(path=p)
            for p in self._patiently(f"list {relative} of", Store.files, relative)
        ]

    def _complete(self, relative: str, entries: list[ListedFile]) -> bool:
        """Whether the listing exists and every file has its size."""
        try:
            known = [ListedFile.parse(e) for e in self.read_json(f"{relative}.json")["files"]]
        except FileNotFoundError:
            return False
        sizes = self._patiently(f"list {relative} of", Store.sizes, relative)
        return known == entries and all(sizes.get(e.path) == e.size for e in entries)

    def _copy_in(self, folder: Path, relative: str, entries: list[ListedFile]) -> None:
        for entry in entries:
            path = f"{relative}/{entry.path}"
            self._patiently(f"write {path} to", Store.put, folder / entry.path, path)
            if self._patiently(f"read {path} back from", Store.sha256, path) != entry.sha256:
                raise ExchangeError(
                    f"exchange: {self.uri} returns other content for {path} than was written"
                )


def split(uri: str) -> tuple[str, str]:
    """Exchange and path below it of a URI ``<exchange>/jobs/<job>…``.

    >>> split("s3://bucket/x/jobs/train-1/spec.json")
    ('s3://bucket/x', 'jobs/train-1/spec.json')
    """
    exchange, _, below = uri.rstrip("/").rpartition(f"/{JOBS}/")
    return exchange, f"{JOBS}/{below}"
