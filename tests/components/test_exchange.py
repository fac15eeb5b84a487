"""The same tests for a folder and for a store that is none (fsspec's own in memory stands for it)."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import fsspec
import pytest

from components.errors import UserError
from components.exchange import Exchange, ExchangeError, split
from components.refs import Ref, digest_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["folder", "file", "memory"])
def exchange(request, tmp_path):
    if request.param == "memory":
        made = Exchange(f"memory://{uuid.uuid4().hex}/prefix", waits=())
        made.write("here", b"")
        return made
    (tmp_path / "exchange").mkdir()
    return Exchange(("file://" if request.param == "file" else "") + str(tmp_path / "exchange"), waits=())


@pytest.fixture
def folder(tmp_path):
    """Names whose order as strings and as paths differ, an empty file, and one deep below."""
    made = tmp_path / "folder"
    for name, data in {"a/b.bin": b"b" * 100_000, "a.txt": b"a", "a-b": b"", "c/d/e": b"e"}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    return made


def pipe(exchange, relative, data):
    """Change what lies in an exchange behind its back."""
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
    pipe(exchange, f"objects/{digest}/a.txt", b"z")  # as long as before: nobody looks at it again
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


@pytest.mark.parametrize("gone", ["listing", "file", "all"])
def test_half_an_object_never_looks_whole(exchange, folder, tmp_path, gone):
    digest = digest_folder(folder)
    uri = f"{exchange.uri}/objects/{digest}"
    if gone != "all":
        exchange.put(folder, digest)
        fs, root = fsspec.core.url_to_fs(exchange.uri)
        fs.rm(f"{root}/objects/{digest}.json" if gone == "listing" else f"{root}/objects/{digest}/a.txt")
    with pytest.raises(ExchangeError, match=r"gone from|no complete folder"):
        exchange.fetch(uri, digest, tmp_path / "cache")
    assert not (tmp_path / "cache" / digest).exists()


def test_a_folder_without_a_listing_outside_the_objects_can_be_fetched_too(exchange, folder, tmp_path):
    for path in folder.rglob("*"):
        if path.is_file():
            exchange.write(f"mine/{path.relative_to(folder)}", path.read_bytes())
    digest = digest_folder(folder)
    assert digest_folder(exchange.fetch(f"{exchange.uri}/mine", digest, tmp_path / "cache")) == digest


def test_a_dead_copy_in_the_cache_is_begun_again(exchange, folder, tmp_path):
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)
    (tmp_path / "cache" / f".{digest}.part").mkdir(parents=True)
    (tmp_path / "cache" / f".{digest}.part" / "rest").write_text("of a dead process")
    assert digest_folder(exchange.fetch(uri, digest, tmp_path / "cache")) == digest


def test_an_attempt_counts_once_its_listing_is_there_and_touches_no_other(exchange, folder, tmp_path):
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
    made._opened = Flaky(errors)
    monkeypatch.setattr("components.exchange.Store.there", Flaky.there)
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
import sys
from pathlib import Path
from components import exchange_store
from components.exchange import Exchange
real = exchange_store.Store.get
def counted(self, relative, target):
    with open(sys.argv[4], "a") as log:
        log.write(relative + chr(10))
    real(self, relative, target)
exchange_store.Store.get = counted
Exchange(sys.argv[1]).fetch(sys.argv[1] + "/objects/" + sys.argv[2], sys.argv[2], Path(sys.argv[3]))
"""


def test_of_several_processes_that_fetch_one_object_one_copies(folder, tmp_path):
    (tmp_path / "exchange").mkdir()
    digest = digest_folder(folder)
    Exchange(str(tmp_path / "exchange")).put(folder, digest)
    arguments = [str(tmp_path / "exchange"), digest, str(tmp_path / "cache"), str(tmp_path / "log")]
    processes = [subprocess.Popen([sys.executable, "-c", FETCH, *arguments], cwd=ROOT, env={**os.environ}) for _ in range(3)]
    assert [p.wait(timeout=60) for p in processes] == [0, 0, 0]
    assert len((tmp_path / "log").read_text().splitlines()) == 4
    assert digest_folder(tmp_path / "cache" / digest) == digest


def test_a_uri_is_split_at_its_jobs():
    assert split("/x/jobs/j") == ("/x", "jobs/j")
    assert split("nothing") == ("", "jobs/nothing")
