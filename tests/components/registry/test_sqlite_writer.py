import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import sleep

import pytest

from components.registry.sqlite_writer import writer


@pytest.fixture
def maker(tmp_path):
    """Somebody who makes the tables of a file that has no write-ahead log yet."""
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as one:
        one.execute("BEGIN IMMEDIATE")
        one.execute("CREATE TABLE numbers (n INTEGER)")
        yield path, one


def test_it_waits_for_another_to_let_go_of_a_new_file(maker):
    path, other = maker
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(writer, path, 10)
        sleep(0.1)
        other.execute("END")
        with closing(opened.result(10)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_it_waits_no_longer_than_it_is_told(maker):
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        writer(maker[0], 0.05)


def test_what_is_no_database_is_not_waited_for(tmp_path):
    path = tmp_path / "words.sqlite"
    path.write_bytes(b"no database, but long enough to be seen as one" * 50)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        writer(path, 600)
