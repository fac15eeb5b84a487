"""The store's database: made on first use, durable, shared by threads and processes."""

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import Column, Integer, Table, func, insert, select, text

from components.core.errors import MachineError, UserError
from serving.store.database import METADATA, Database, Schema

NUMBERS = Table("concord_test_numbers", METADATA, Column("n", Integer, primary_key=True))
SCHEMA = Schema(name="numbers", version=1, tables=(NUMBERS,))


def count(database):
    with database.reading(SCHEMA) as connection:
        return connection.execute(select(func.count()).select_from(NUMBERS)).scalar_one()


def test_tables_are_made_on_first_use_and_what_was_committed_is_there(opened):
    with opened().writing(SCHEMA) as connection:
        connection.execute(insert(NUMBERS).values(n=1))
    assert count(opened()) == 1


def test_what_fails_leaves_nothing(opened):
    database = opened()
    with pytest.raises(RuntimeError), database.writing(SCHEMA) as connection:  # noqa: PT012
        connection.execute(insert(NUMBERS).values(n=1))
        raise RuntimeError
    assert count(database) == 0


def test_many_threads_begin_at_once(opened):
    database = opened()

    def write(n):
        with database.writing(SCHEMA) as connection:
            connection.execute(insert(NUMBERS).values(n=n))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert count(database) == 40


def test_what_is_committed_after_others_came_and_went_is_there(tmp_path):
    """A second connection must not free the locks of the first: others would remove its log."""
    path = tmp_path / "store.sqlite"
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "print(c.execute('SELECT count(*) FROM concord_test_numbers').fetchone()[0]); c.close()"
    )

    def others() -> int:
        command = [sys.executable, "-c", program, path]
        seen = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        return int(seen.stdout)

    with Database(path) as database:
        with database.reading(SCHEMA), database.reading(SCHEMA):
            pass  # two connections, which the pool keeps
        assert others() == 0
        with database.writing(SCHEMA) as connection:
            connection.execute(insert(NUMBERS).values(n=1))
        assert others() == 1


def test_another_version_is_refused(opened):
    count(opened())
    newer = opened().reading(replace(SCHEMA, version=2))
    with pytest.raises(UserError, match="numbers in version 1, wanted 2"):
        newer.__enter__()


def test_the_file_is_for_its_owner_and_has_a_write_ahead_log(tmp_path):
    path = tmp_path / "store.sqlite"
    with Database(path) as database:
        count(database)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot read the store .*; free space"):
        count(Database(tmp_path / "file" / "store.sqlite"))


def test_a_file_that_is_no_database_is_one_sentence(tmp_path):
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"no database, but long enough to be seen as one" * 50)
    with pytest.raises(UserError, match="cannot read the store"):
        count(Database(path))


def test_a_server_that_does_not_answer_is_one_sentence_without_its_password():
    with pytest.raises(MachineError, match="cannot read the store") as found:
        count(Database("postgresql://ada:secret@127.0.0.1:1/team"))
    assert "secret" not in str(found.value)


def test_a_writer_waits_for_another_process(tmp_path):
    program = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(.3); c.execute('END')"
    )
    database = Database(tmp_path / "store.sqlite")
    count(database)
    holder = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "store.sqlite"], stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with database.writing(SCHEMA) as connection:
        connection.execute(text("DELETE FROM concord_test_numbers"))
    database.close()
    assert holder.wait(10) == 0
    holder.stdout.close()
