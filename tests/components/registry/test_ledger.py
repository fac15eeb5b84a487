"""The ledger against a list in memory, concurrent writers and SIGKILL: a file, and PostgreSQL."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import UserError
from components.registry.ledger import Ledger
from components.registry.ledger_entry import KINDS, Entry
from tests.postgres import postgres

ROOT = Path(__file__).parents[3]
NOW = "2026-01-02T03:04:05+00:00"


def entry(kind="look", version=1, digest="a", *, model="m", evidence=None, **details):
    if kind == "rollback":
        details.setdefault("from_package_digest", "b")
    return Entry(
        time=NOW,
        model=model,
        kind=kind,
        version=version,
        package_digest=digest,
        evidence_digest=evidence,
        actor="me",
        details=details,
    )


ENTRIES = st.builds(
    entry,
    kind=st.sampled_from(KINDS),
    version=st.integers(1, 9),
    digest=st.sampled_from("abcd"),
    model=st.sampled_from(["m", "n"]),
    evidence=st.sampled_from(["e1", "e2"]),
)


@pytest.fixture(params=["file", "postgres"])
def anew(request, tmp_path):
    """Makes the address of a ledger that does not exist yet."""
    if request.param == "file":
        return lambda: tmp_path / "home" / uuid.uuid4().hex / "ledger.db"
    return postgres().schema


@pytest.fixture
def place(anew):
    return anew()


def test_a_missing_ledger_reads_as_empty_and_reading_makes_nothing(place, tmp_path):
    ledger = Ledger(place)
    assert ledger.entries() == []
    assert ledger.history("m").succession() == []
    assert list(tmp_path.iterdir()) == []


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(ENTRIES, max_size=8), st.data())
def test_it_gives_back_what_was_appended_in_order(anew, entries, data):
    cut, place = data.draw(st.integers(0, len(entries))), anew()
    ledger = Ledger(place)
    written = ledger.append(*entries[:cut]) + ledger.append(*entries[cut:])
    assert [e.seq for e in written] == list(range(1, len(entries) + 1))
    assert Ledger(place).entries() == written
    assert ledger.entries("m", "look") == [
        e for e in written if e.model == "m" and e.kind == "look"
    ]
    assert ledger.history("n").looks() == sum(e.model == "n" and e.kind == "look" for e in entries)
    decided = [
        e
        for e in written
        if e.model == "m" and e.kind in ("promotion", "refusal") and e.evidence_digest == "e1"
    ]
    assert ledger.history("m").decided("e1") == (decided[-1] if decided else None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET actor = 'someone else'",
        "DELETE FROM entries",
        "INSERT OR REPLACE INTO entries (seq, time, model, kind, actor, details) "
        "VALUES (1, '', 'm', 'look', 'x', '{}')",
        "REPLACE INTO entries (seq, time, model, kind, actor, details) "
        "SELECT seq, '', 'm', 'look', 'x', '{}' FROM entries",
    ],
)
def test_the_file_itself_refuses_to_forget(tmp_path, statement):
    ledger = Ledger(tmp_path / "ledger.db")
    before = ledger.append(entry(), entry("refusal"))
    connection = sqlite3.connect(tmp_path / "ledger.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert ledger.entries() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE concord_ledger SET actor = 'someone else'",
        "DELETE FROM concord_ledger",
        "TRUNCATE concord_ledger",
        "INSERT INTO concord_ledger SELECT * FROM concord_ledger "
        "ON CONFLICT (seq) DO UPDATE SET actor = 'someone else'",
    ],
)
def test_the_table_itself_refuses_to_forget(statement):
    place = postgres().schema()
    before = Ledger(place).append(entry(), entry("refusal"))
    with (
        psycopg.connect(place) as connection,
        pytest.raises(psycopg.errors.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)
    assert Ledger(place).entries() == before


def test_the_last_place_is_that_of_the_model(place):
    ledger = Ledger(place)
    assert ledger.last("m") == 0
    ledger.append(entry(model="m"), entry(model="n"))
    assert (ledger.last("m"), ledger.last("n"), ledger.last("other")) == (1, 2, 0)


def test_a_package_stays_rolled_back_until_somebody_promotes_it_again(place):
    ledger = Ledger(place)
    ledger.append(entry("promotion", 1, "a"), entry("promotion", 2, "b"))
    (rollback,) = ledger.append(entry("rollback", 1, "a", from_package_digest="b", from_version=2))
    assert ledger.history("m").rollback_of("b") == rollback
    assert ledger.history("m").rollback_of("a") is None
    assert [e.version for e in ledger.history("m").succession()] == [1]
    ledger.append(entry("promotion", 2, "b"))
    assert ledger.history("m").rollback_of("b") is None
    assert [e.version for e in ledger.history("m").succession()] == [1, 2]


def test_entries_that_cannot_be_replayed_are_refused(place):
    ledger = Ledger(place)
    with pytest.raises(ValueError, match="kind"):
        ledger.append(entry("applause"))
    with pytest.raises(ValueError, match="version"):
        ledger.append(entry("promotion", None))
    with pytest.raises(ValueError, match="from_package_digest"):
        ledger.append(entry("rollback", from_package_digest=None))
    assert ledger.entries() == []


_PLACE = "place = sys.argv[1] if '://' in sys.argv[1] else Path(sys.argv[1])\n"


def test_many_processes_append_without_losing_or_mixing_entries(place):
    """Each process writes pairs; a pair is one transaction, so its two entries are neighbours."""
    script = (
        "import sys; from pathlib import Path\n"
        f"from components.registry.ledger import Entry, Ledger\n{_PLACE}"
        "ledger = Ledger(place)\n"
        "for i in range(20):\n"
        "    e = Entry(time='t', model='m', kind='look', actor=sys.argv[2], details={'i': i})\n"
        "    ledger.append(e, e)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(place), str(n)], cwd=ROOT)
        for n in range(4)
    ]
    assert [w.wait(60) for w in workers] == [0] * 4
    entries = Ledger(place).entries()
    assert [e.seq for e in entries] == list(range(1, 161))
    for first, second in zip(entries[::2], entries[1::2], strict=True):
        assert (first.actor, first.details) == (second.actor, second.details)
    for n in range(4):
        assert [e.details["i"] for e in entries if e.actor == str(n)][::2] == list(range(20))


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.1])
def test_what_was_reported_survives_sigkill_and_nothing_half_is_seen(place, after):
    script = (
        "import sys; from pathlib import Path\n"
        f"from components.registry.ledger import Entry, Ledger\n{_PLACE}"
        "ledger = Ledger(place)\n"
        "for i in range(10**6):\n"
        "    e = Entry(time='t', model='m', kind='look', actor='me', details={'i': i})\n"
        "    sys.stdout.write(f'{ledger.append(e, e)[-1].seq}\\n'); sys.stdout.flush()\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", script, str(place)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    worker.stdout.readline()
    time.sleep(after)
    os.kill(worker.pid, signal.SIGKILL)
    reported = worker.communicate(timeout=30)[0].split()
    entries = Ledger(place).entries()
    assert len(entries) % 2 == 0
    assert len(entries) >= (int(reported[-2]) if len(reported) > 1 else 2)
    assert Ledger(place).append(entry())[0].seq == len(entries) + 1


def test_a_file_that_is_no_ledger_is_named_and_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("my shopping list\n" * 100)
    for act in (Ledger(path).entries, lambda: Ledger(path).append(entry())):
        with pytest.raises(UserError, match=r"ledger\.db.*not a database"):
            act()
    assert path.read_text().startswith("my shopping list")


def test_a_read_only_home_can_be_read_and_says_why_it_cannot_be_written():
    """Run as an ordinary user, because the superuser may write anywhere."""
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from components.core.errors import UserError\n"
        "from components.registry.ledger import Entry, Ledger\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "home = Path(sys.argv[1]); ledger = Ledger(home / 'ledger.db')\n"
        "assert [e.actor for e in ledger.entries()] == ['me']\n"
        "for ledger in (ledger, Ledger(home / 'deeper' / 'ledger.db')):\n"
        "    try: ledger.append(Entry(time='t', model='m', kind='look', actor='x'))\n"
        "    except UserError as error: assert 'CONCORD_HOME' in str(error), error\n"
        "    else: raise SystemExit('it was written')\n"
        "assert sorted(p.name for p in home.iterdir()) == ['ledger.db'], list(home.iterdir())\n"
    )
    with TemporaryDirectory() as folder:
        home = Path(folder)
        Ledger(home / "ledger.db").append(entry())
        home.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", script, folder, str(ROOT)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        home.chmod(0o755)
    assert done.returncode == 0, done.stderr


def test_reading_leaves_no_files_beside_the_ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(entry())
    assert len(ledger.entries()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.db"]


def test_one_decides_at_a_time_and_a_killed_one_frees_the_lock(place):
    code = (
        "import sys, time; from pathlib import Path\n"
        f"from components.registry.ledger import Ledger\n{_PLACE}"
        "with Ledger(place).alone(5): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place)], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with pytest.raises(UserError, match="another process has held"), Ledger(place).alone(1):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Ledger(place).alone(5) as ledger:
        assert [e.seq for e in ledger.append(entry(), entry())] == [1, 2]
        assert len(Ledger(place).entries()) == 2
    assert len(Ledger(place).entries()) == 2


def test_who_lost_the_lock_with_its_connection_cannot_write():
    place = postgres().schema()
    Ledger(place).append(entry())
    with (  # noqa: PT012
        pytest.raises(UserError, match="cannot write the ledger"),
        Ledger(place).alone(5) as ledger,
    ):
        with psycopg.connect(place, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )
        with pytest.raises(UserError, match="cannot write the ledger"):
            ledger.append(entry())
        ledger.append(entry())  # not over a new connection either
    assert len(Ledger(place).entries()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: re.sub(r":\d+/", ":1/", url), "cannot read the ledger.*CONCORD_DATABASE_URL"),
        (lambda url: url.replace("concord:", "concord:x"), "password authentication failed"),
        (
            lambda url: url.replace("@", "@[").replace("?", "/?"),
            "CONCORD_DATABASE_URL cannot be read",
        ),
        (lambda url: url + "&spelled=wrong", "CONCORD_DATABASE_URL cannot be read"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence_without_the_password(change, words):
    place = postgres().schema()
    with pytest.raises(UserError, match=words) as caught:
        Ledger(change(place)).entries()
    assert postgres().password not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_psycopg_is_imported_for_a_database_only(tmp_path):
    code = (
        "import sys; from pathlib import Path; from components.config.home import Home\n"
        "from components.registry.promotion import Promotion\n"
        "assert Promotion(Home(root=Path(sys.argv[1])), 'm').champion() is None\n"
        "assert 'psycopg' not in sys.modules\n"
        "sys.modules['psycopg'] = None\n"
        "from components.core.errors import UsageError\n"
        "from components.registry.ledger import Ledger\n"
        "try: Ledger('postgresql://u@h/d').entries()\n"
        "except UsageError as error: assert 'concord[postgres]' in str(error), error\n"
        "else: raise SystemExit('no error')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
