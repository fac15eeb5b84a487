"""The same tests for a folder and for an object store (fsspec's in-memory file system)."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import fsspec
import pytest

from components.core.errors import UserError
from components.core.refs import Ref, digest_folder
from components.exchange import patience
from components.exchange import store as exchange_store
from components.exchange.errors import ExchangeError
from components.exchange.exchange import Exchange, split
from components.exchange.store import DiskError, Store

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["folder", "file", "memory"])
def exchange(request, tmp_path):
    if request.param == "memory":
        made = Exchange(f"memory://{uuid.uuid4().hex}/prefix", waits=())
        made.write("here", b"")
        return made
    (tmp_path / "exchange").mkdir()
    return Exchange(
        ("file://" if request.param == "file" else "") + str(tmp_path / "exchange"), waits=()
    )


@pytest.fixture
def folder(tmp_path):
    """Names that sort differently as strings and as paths, an empty and a nested file."""
    made = tmp_path / "folder"
    for name, data in {"a/b.bin": b"b" * 100_000, "a.txt": b"a", "a-b": b"", "c/d/e": b"e"}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    return made


def pipe(exchange, relative, data):
    """Change stored content without the exchange's interface."""
    fs, root = fsspec.core.url_to_fs(exchange.uri)
    fs.pipe_file(f"{root}/{relative}", data)


def test_a_folder_travels_by_digest_and_lies_on_the_local_disk(exchange, folder, tmp_path):
    exchange.check()
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)
    assert uri == f"{exchange.uri}/objects/{digest}"
    found = exchange.fetch(Ref(uri=uri, digest=digest), digest, tmp_path / "cache")
    assert found == tmp_path / "cache" / digest
    assert digest_folder(found) == digest
    assert Exchange("/elsewhere", waits=()).fetch(uri, digest, tmp_path / "other").is_dir()


def test_what_is_there_is_not_written_again_and_what_is_not_whole_is(exchange, folder):
    digest = digest_folder(folder)
    exchange.put(folder, digest)
    pipe(exchange, f"objects/{digest}/a.txt", b"z")  # same size: it is not read again
    exchange.put(folder, digest)
    assert exchange.read(f"objects/{digest}/a.txt") == b"z"
    pipe(exchange, f"objects/{digest}/a.txt", b"longer")
    exchange.put(folder, digest)
    assert exchange.read(f"objects/{digest}/a.txt") == b"a"


def test_a_folder_of_another_digest_is_refused_before_anything_is_written(exchange, folder):
    with pytest.raises(UserError, match="other content"):
        exchange.put(folder, "0" * 64)
    assert exchange.names("objects") == []


def test_damage_on_the_way_is_seen_and_leaves_nothing_in_the_cache(exchange, folder, tmp_path):
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)
    pipe(exchange, f"objects/{digest}/c/d/e", b"f")
    with pytest.raises(ExchangeError, match="other content"):
        exchange.fetch(uri, digest, tmp_path / "cache")
    assert not (tmp_path / "cache" / digest).exists()


def test_a_damaged_object_is_written_again_by_the_next_put(exchange, folder, tmp_path):
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)
    pipe(exchange, f"objects/{digest}/a.txt", b"z")  # as long as before
    with pytest.raises(ExchangeError, match="its listing was removed"):
        exchange.fetch(uri, digest, tmp_path / "cache")
    exchange.put(folder, digest)
    assert digest_folder(exchange.fetch(uri, digest, tmp_path / "cache")) == digest


def test_a_damaged_folder_elsewhere_is_left_as_it_is(exchange, folder, tmp_path):
    exchange.write("mine/a.txt", b"z")
    with pytest.raises(ExchangeError, match="delete it and submit"):
        exchange.fetch(f"{exchange.uri}/mine", digest_folder(folder), tmp_path / "cache")
    assert exchange.read("mine/a.txt") == b"z"


@pytest.mark.parametrize("path", ["../../evil.txt", "a/../../evil.txt", "/evil.txt", "", "."])
def test_a_listing_cannot_write_outside_the_folder(exchange, folder, tmp_path, path):
    (tmp_path / "deep").mkdir()
    path = str(tmp_path / "evil.txt") if path == "/evil.txt" else path
    exchange.put_attempt("job", "one", folder, {})
    about = exchange.read_json("jobs/job/attempts/one.json")
    about["files"].append({"path": path, "size": 4, "sha256": "0" * 64})
    exchange.write_json("jobs/job/attempts/one.json", about)
    exchange.write("jobs/evil.txt", b"evil")
    with pytest.raises(ExchangeError, match="wanted paths inside the folder"):
        exchange.fetch_attempt("job", "one", tmp_path / "deep" / "out")
    assert list((tmp_path / "deep" / "out").iterdir()) == []
    assert not list(tmp_path.rglob("deep/**/evil.txt")) + list(tmp_path.glob("evil.txt"))


@pytest.mark.parametrize("gone", ["listing", "file", "all"])
def test_half_an_object_never_looks_whole(exchange, folder, tmp_path, gone):
    digest = digest_folder(folder)
    uri = f"{exchange.uri}/objects/{digest}"
    if gone != "all":
        exchange.put(folder, digest)
        fs, root = fsspec.core.url_to_fs(exchange.uri)
        fs.rm(
            f"{root}/objects/{digest}.json"
            if gone == "listing"
            else f"{root}/objects/{digest}/a.txt"
        )
    with pytest.raises(ExchangeError, match=r"is missing in|no complete folder"):
        exchange.fetch(uri, digest, tmp_path / "cache")
    assert not (tmp_path / "cache" / digest).exists()


def test_a_folder_without_a_listing_outside_the_objects_can_be_fetched_too(
    exchange, folder, tmp_path
):
    for path in folder.rglob("*"):
        if path.is_file():
            exchange.write(f"mine/{path.relative_to(folder)}", path.read_bytes())
    digest = digest_folder(folder)
    assert (
        digest_folder(exchange.fetch(f"{exchange.uri}/mine", digest, tmp_path / "cache")) == digest
    )


def test_a_dead_copy_in_the_cache_is_begun_again(exchange, folder, tmp_path):
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)
    (tmp_path / "cache" / f".{digest}.part").mkdir(parents=True)
    (tmp_path / "cache" / f".{digest}.part" / "rest").write_text("of a dead process")
    assert digest_folder(exchange.fetch(uri, digest, tmp_path / "cache")) == digest


def test_an_attempt_counts_once_its_listing_is_there_and_touches_no_other(
    exchange, folder, tmp_path
):
    exchange.put_attempt("job", "one", folder, {"steps": 3})
    exchange.write("jobs/job/attempts/dead/a.txt", b"half")
    assert [(a.token, a.about["steps"]) for a in exchange.attempts("job")] == [("one", 3)]
    assert exchange.attempts("other") == []
    (folder / "a.txt").write_text("a zombie's")
    exchange.put_attempt("job", "zombie", folder, {"steps": 9})
    about = exchange.fetch_attempt("job", "one", tmp_path / "out")
    assert about["steps"] == 3
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"a"
    assert digest_folder(tmp_path / "out") == about["digest"]
    with pytest.raises(ExchangeError, match="not complete"):
        exchange.fetch_attempt("job", "dead", tmp_path / "dead")


def test_a_damaged_attempt_is_refused(exchange, folder, tmp_path):
    exchange.put_attempt("job", "one", folder, {})
    pipe(exchange, "jobs/job/attempts/one/a.txt", b"z")
    with pytest.raises(ExchangeError, match="damaged"):
        exchange.fetch_attempt("job", "one", tmp_path / "out")


def test_an_attempt_that_goes_while_it_is_looked_at_is_none(exchange, folder, monkeypatch):
    exchange.put_attempt("job", "one", folder, {})
    names = exchange.names
    monkeypatch.setattr(exchange, "names", lambda relative: [*names(relative), "gone.json"])
    assert [a.token for a in exchange.attempts("job")] == ["one"]


def test_what_is_deleted_is_gone_and_what_is_not_there_is_no_error(exchange, folder):
    exchange.put_attempt("job", "one", folder, {})
    exchange.remove("jobs/job/attempts/one.json")
    assert exchange.attempts("job") == []
    exchange.remove_job("job")
    assert exchange.names("jobs/job") == []
    exchange.remove_job("job")


def test_what_cannot_be_deleted_is_said(tmp_path, folder, monkeypatch):
    exchange = Exchange(str(tmp_path / "exchange"), waits=())
    exchange.put_attempt("job", "one", folder, {})
    unlink = os.unlink

    def refused(path, **more):
        if str(path) == "a.txt":
            raise PermissionError(errno.EACCES, "not yours", str(path))
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", refused)
    with pytest.raises(
        ExchangeError, match=r"cannot delete jobs/job from.*PermissionError.*a\.txt"
    ):
        exchange.remove_job("job")


def test_folders_are_as_open_as_the_exchange_from_the_first_moment_and_not_sticky(
    tmp_path, folder, monkeypatch
):
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange").chmod(0o3777)
    seen = []
    real = Path.rename
    monkeypatch.setattr(
        Path,
        "rename",
        lambda self, to: (seen.append((Path(to).name, self.stat().st_mode)), real(self, to))[1],
    )
    Exchange(str(tmp_path / "exchange"), waits=()).put_attempt("job", "one", folder, {})
    made = ["jobs", "job", "attempts", "one", "a", "c", "d"]
    assert [(name, mode & 0o7777) for name, mode in seen if name in made] == [
        (name, 0o2777) for name in made
    ]
    left = [p.name for p in (tmp_path / "exchange").rglob(".*")]
    assert left == []


def test_a_folder_that_another_one_makes_first_is_used(tmp_path, monkeypatch):
    real = Path.rename

    def late(self, to):
        if Path(to).name == "jobs":
            Path(to).mkdir()
            (Path(to) / "other").write_text("by another pod")
        return real(self, to)

    monkeypatch.setattr(Path, "rename", late)
    Exchange(str(tmp_path / "exchange"), waits=()).write("jobs/mine", b"m")
    assert sorted(p.name for p in (tmp_path / "exchange" / "jobs").iterdir()) == ["mine", "other"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_local_disk_is_said_at_once_and_is_no_fault_of_the_exchange(
    tmp_path, folder, monkeypatch, number
):
    exchange = Exchange(str(tmp_path / "exchange"), waits=(60.0,))
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)

    def full(_, target):
        raise OSError(number, os.strerror(number), str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(
        DiskError, match=rf"cannot write to {tmp_path}/cache.* on the local disk.*make room"
    ):
        exchange.fetch(uri, digest, tmp_path / "cache")
    assert not issubclass(DiskError, ExchangeError)


def test_a_local_folder_that_cannot_be_written_is_said_as_such(tmp_path, folder):
    exchange = Exchange(str(tmp_path / "exchange"), waits=(60.0,))
    exchange.put_attempt("job", "one", folder, {})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a file where a folder is wanted")
    with pytest.raises(DiskError, match="local disk: FileExistsError"):
        exchange.fetch_attempt("job", "one", tmp_path / "out")


@pytest.fixture
def silent(monkeypatch):
    """An S3 endpoint that takes connections and never answers."""
    import s3fs

    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        s3fs.S3FileSystem.clear_instance_cache()
        yield server
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("ask", ["check", "read", "get"])
def test_a_store_that_never_answers_is_given_up_after_one_try_of_two_silences(
    silent,  # noqa: ARG001
    monkeypatch,
    tmp_path,
    ask,
):
    monkeypatch.setattr(
        exchange_store, "_S3", {**exchange_store._S3, "connect_timeout": 0.5, "read_timeout": 0.5}
    )
    monkeypatch.setattr(patience, "PATIENCE", 0.75)
    exchange = Exchange("s3://bucket/prefix", waits=(0.1,) * 5)
    asked = {
        "check": exchange.check,
        "read": lambda: exchange.read("jobs/x"),
        "get": lambda: exchange._patiently("fetch x from", Store.get, "x", tmp_path / "x"),
    }
    began = time.monotonic()
    with pytest.raises(ExchangeError, match="imeout"):
        asked[ask]()
    # Two timeouts and botocore's pause; six tries would take at least twelve timeouts.
    assert 1.0 <= time.monotonic() - began < 6.0


def test_an_exchange_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ExchangeError, match="nothing at"):
        Exchange(str(tmp_path / "gone"), waits=()).check()
    with pytest.raises(UserError, match="wanted a folder or a URL"):
        Exchange("nonsense://x", waits=()).check()


class Flaky:
    """A store whose first answers are errors."""

    def __init__(self, errors):
        self.errors = list(errors)

    def there(self):
        if self.errors:
            raise self.errors.pop(0)
        return True


def patient(errors, monkeypatch, waits=(0.0, 0.0)):
    made = Exchange("/x", waits=waits)
    made._patiently._opened = Flaky(errors)
    monkeypatch.setattr("components.exchange.exchange.Store.there", Flaky.there)
    return made


def test_passing_errors_are_waited_for_and_lasting_ones_are_said(monkeypatch):
    patient([ConnectionError("reset"), TimeoutError("slow")], monkeypatch).check()
    with pytest.raises(ExchangeError, match=r"ConnectionError: reset.*reachable"):
        patient([ConnectionError("reset")] * 3, monkeypatch).check()
    once = patient([PermissionError("no")], monkeypatch)
    with pytest.raises(ExchangeError, match="PermissionError"):
        once.check()
    with pytest.raises(ZeroDivisionError):
        patient([ZeroDivisionError()], monkeypatch).check()


FETCH = """
import os, sys, time
from pathlib import Path
from components.exchange import store as exchange_store
from components.exchange.exchange import Exchange
real = exchange_store.Store.get
here = Path(sys.argv[5]) / str(os.getpid())
def counted(self, relative, target):
    with open(sys.argv[4], "a") as log:
        log.write(relative + chr(10))
    time.sleep(0.1)  # long enough for the others to start meanwhile
    real(self, relative, target)
exchange_store.Store.get = counted
here.touch()
while len(list(here.parent.iterdir())) < 3:
    time.sleep(0.005)
Exchange(sys.argv[1]).fetch(sys.argv[1] + "/objects/" + sys.argv[2], sys.argv[2], Path(sys.argv[3]))
"""


def test_of_several_processes_that_fetch_one_object_one_copies(folder, tmp_path):
    (tmp_path / "exchange").mkdir()
    digest = digest_folder(folder)
    Exchange(str(tmp_path / "exchange")).put(folder, digest)
    (tmp_path / "barrier").mkdir()
    places = [str(tmp_path / name) for name in ("cache", "log", "barrier")]
    arguments = [str(tmp_path / "exchange"), digest, *places]
    processes = [
        subprocess.Popen([sys.executable, "-c", FETCH, *arguments], cwd=ROOT, env={**os.environ})
        for _ in range(3)
    ]
    assert [p.wait(timeout=60) for p in processes] == [0, 0, 0]
    assert len((tmp_path / "log").read_text().splitlines()) == 4
    assert digest_folder(tmp_path / "cache" / digest) == digest


def test_a_uri_is_split_at_its_jobs():
    assert split("/x/jobs/j") == ("/x", "jobs/j")
    assert split("nothing") == ("", "jobs/nothing")
