"""What a user types, and where: no traceback, one sentence, and the exit code that is true."""

import errno
import io
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.core.failures import told
from flows import cron
from flows.cli import app
from flows.commands.answer import Answer, give, say
from flows.commands.data import _named
from serving.client import Client

ROOT = Path(__file__).parents[2]
ENTRY = "import concord_entry; concord_entry.main()"
PYTHONS = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {ENTRY}"


def typed(*arguments: str, home: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, env={"CONCORD_HOME": str(home)})
    assert isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def program(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    given = {"CONCORD_HOME": str(home), "PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [sys.executable, "-c", PYTHONS, *arguments], capture_output=True, env=given, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fields", 'f={"price": NaN}'], "NaN is not a JSON number"),
        (["--fields", 'f={"price": -Infinity}'], "-Infinity is not a JSON number"),
        (["--fields", 'f={"price": 1e999}'], "wanted a JSON object"),
        (["--fields", f'f={{"price": {"9" * 5000}}}'], "wanted a JSON object"),
        (["--fields", f"f={'[' * 100_000}"], "nested too deeply"),
        (["--fields", 'f={"name": "\\ud800"}'], "wanted a JSON object"),
        (["--fields", "f=[1]"], "wanted a JSON object"),
        (["--fields", "f={"], "wanted a JSON object"),
        (["--fields", 'f={"a": "caf\udce9"}'], "wanted text in UTF-8"),
        (["--text", "title=caf\udce9"], "got 'caf\\udce9', wanted text in UTF-8"),
        (["--text", "title"], "wanted modality=TEXT"),
        (["--text", "a=1", "--text", "a=2"], "this modality is given twice"),
        (["--text", "a=1", "--fields", "a={}"], "this modality is given twice"),
        (["--media", "image=nowhere.png"], "no file at nowhere.png"),
        (["--media", "image=/"], "Is a directory"),
        (["--media", f"image={'n' * 300}"], "File name too long"),
        ([], "give at least one modality"),
        *[
            (["--text", "a=b", "--url", url], "wanted one such as http://127.0.0.1:3000")
            for url in ("host:3000", "ftp://host", "http://", "http://h:x", "http://h:99999",
                        "http://[::1", "http://é..x", f"http://{'a' * 80}.com", "http://caf\udce9")
        ],
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_sent_is_one_sentence(arguments, said, tmp_path):
    code, errors = typed("classify", *arguments, home=tmp_path)
    assert code == 2
    assert said in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:3000", "https://[::1]:3000/x", "http://é.org"])
def test_an_address_that_can_be_used_is_taken(url):
    with Client(url) as client:
        assert client.url == url


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "free disk space"),
        (errno.EROFS, "mount it writable"),
        (errno.EISDIR, "give the path of a file"),
        (errno.ENAMETOOLONG, "give a shorter name"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ECONNREFUSED, "nothing listens there"),
        (errno.EACCES, "you may not write there"),
        (errno.ETXTBSY, ""),
    ],
)
def test_what_the_system_refuses_is_named_for_what_it_was(number, said, tmp_path, capsys):
    def work() -> Answer:
        raise OSError(number, os.strerror(number), str(tmp_path / "new"))

    assert give(work, as_json=False) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {os.strerror(number)}: {tmp_path}/new")
    assert said in shown


def test_a_file_that_may_not_be_read_is_not_said_to_be_unwritable(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read anything
    assert "you may not read it" in told(PermissionError(errno.EACCES, "denied", str(file)))


def test_errors_without_a_number_are_told_too():
    assert told(OSError("no such bucket")) == "the system refused: no such bucket"


@pytest.mark.parametrize("error", [MemoryError(), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x")])
def test_memory_and_text_end_without_a_traceback(error, capsys):
    def work() -> Answer:
        raise error

    assert give(work, as_json=True) == 1
    assert "error" in json.loads(capsys.readouterr().out)


class Terminal(io.TextIOWrapper):
    """Standard output in an encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace")

    def shown(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_on_every_terminal(encoding, monkeypatch):
    terminal = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    value = {"größe": "日本 \udce9"}
    assert give(lambda: Answer(value=value, text=""), as_json=True) == 0
    assert json.loads(terminal.shown()) == value


@pytest.mark.parametrize(
    ("times", "right"),
    [
        *[("0 3 * * *", True), ("*/15 6-20 * * mon-fri", True), ("0,30 0 1,15 jan-mar 0", True)],
        *[("59 23 31 12 7", True), ("5/10 * * * *", True), ("0 3 * * MON", True)],
        *[("", False), ("0 3 * *", False), ("x", False), ("60 3 * * *", False)],
        *[("0 24 * * *", False), ("0 3 0 * *", False), ("0 3 * 13 *", False), ("0 3 * * 8", False)],
        *[("*/0 * * * *", False), ("0 3 * * foo", False), ("-1 3 * * *", False)],
        *[("1-x * * * *", False), ("1,,2 * * * *", False), ("0 3 * feb *", True)],
    ],
)
def test_times_are_checked_as_the_scheduler_does(times, right):
    from prefect._vendor.croniter import croniter

    assert croniter.is_valid(times) is right
    assert (cron.mistake(times) is None) is right


def test_a_schedule_with_a_mistake_ends_at_once_with_all_of_them(tmp_path, capsys):
    from flows import schedule

    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text("name: s\ndata: {uri: x}\ntraining: {epochz: 3}\n")
    good.write_text("name: s\ndata: {uri: x}\n")
    for arguments, said in (
        ([bad], "did you mean 'epochs'"),
        ([tmp_path / "none.yaml"], "no configuration at"),
        ([good, "--cron", "0 99 * * *"], "--cron '0 99 * * *': hour: got '99', wanted 0 to 23"),
    ):
        assert schedule.main([str(a) for a in arguments]) == 2
        assert said in capsys.readouterr().err


def test_two_sets_with_one_last_name_have_two_places():
    sets = ["/a/new", "/b/new", "s3://a/new", "s3://b/new/", "/a/new/new", "/", "s3://x"]
    assert len({_named(uri) for uri in sets}) == len(sets)
    assert all(re.fullmatch(r"[^/]+-[0-9a-f]{12}", _named(uri)) for uri in sets)


def test_the_program_finds_its_own_packages_first(tmp_path):
    for name in ("flows", "components", "serving", "infra"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "__init__.py").write_text("raise SystemExit('not yours')")
    done = program("runs", "list", home=tmp_path / "home", PYTHONPATH=str(tmp_path / "mine"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"there are no runs yet" in done.stdout


def test_closed_streams_and_readers_that_leave_are_no_failure(tmp_path):
    command = f"{sys.executable} -c '{PYTHONS.replace(chr(39), chr(34))}' runs list"
    for redirected in ("<&- >&- 2>&-", "| true"):
        script = f"set -o pipefail; {command} {redirected}"
        environment = {"CONCORD_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, env=environment, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), redirected


def test_a_full_output_is_told(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PYTHONS, "runs", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={"CONCORD_HOME": str(tmp_path)},
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"error: standard output cannot be written: No space left on device\n"


def test_what_a_terminal_cannot_show_is_escaped(tmp_path):
    path = os.fsdecode(b"caf\xe9.yaml")
    done = program("run", path, home=tmp_path, PYTHONIOENCODING="ascii", LANG="C")
    assert done.returncode == 2
    assert b"no configuration at caf\\udce9.yaml" in done.stderr


def test_a_figure_that_is_no_number_is_null_in_json(capsys):
    given = Answer(value={"n": 3, "shares": [math.nan, 0.5], "all": (math.inf,)}, text="")
    assert say(given, as_json=True) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "n": 3,
        "shares": [None, 0.5],
        "all": [None],
    }
