"""The lists of a table in PostgreSQL: what they promise, and how they come to be."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import sqlalchemy as sa

from components.parts.filters import In
from components.parts.index import _lists, _nearest, _sql, postgres
from tests.stores import ROOT

ENOUGH = 400


@pytest.fixture
def server(monkeypatch, database):
    """A database whose tables get lists from few records on."""
    monkeypatch.setenv("CONCORD_INDEX_URL", database)
    monkeypatch.setattr(_lists, "LISTED", ENOUGH)
    monkeypatch.setattr(_nearest, "LISTED", ENOUGH)
    return _sql.engine(database)


def _unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _drawn(n, dim=16, seed=0):
    return _unit(np.random.default_rng(seed).normal(size=(n, dim)))


def _names(n, start=0):
    return [f"r{i:05d}" for i in range(start, start + n)]


def _built(vectors):
    index = postgres.build(postgres.Config(), dim=vectors.shape[1])
    index.upsert(_names(len(vectors)), vectors, {})
    return index


def _indexes(engine, index):
    """Names of the table's indexes of vectors, and whether each can be used."""
    with engine.connect() as connection:
        statement = (
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c"
            " ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
            " WHERE i.indrelid = to_regclass(:table) AND m.amname IN ('ivfflat', 'hnsw')"
        )
        rows = connection.execute(sa.text(statement), {"table": index._table.name})
        return {name.removeprefix(index._table.name): valid for name, valid in rows}


def _finds_all(index, ids, vectors):
    return [found.ids[0] for found in index.search(vectors, 1)] == ids


@pytest.mark.usefixtures("server")
def test_each_of_many_near_twins_is_found_by_its_own_vector(monkeypatch):
    """Written far from all others, into lists that were made without them."""
    index = _built(_drawn(1500, 384))
    monkeypatch.setattr(_nearest, "_PROBED", 1)
    twins, ids = _unit(1 + 0.05 * _drawn(500, 384, 1) * np.sqrt(384)), _names(500, 5000)
    index.upsert(ids, twins, {})
    assert _finds_all(index, ids, twins)


@pytest.mark.usefixtures("server")
def test_twins_that_half_precision_cannot_tell_apart_are_found_one_by_one():
    index = _built(_drawn(500))
    twins = _unit(np.ones(16) + 1e-5 * np.random.default_rng(1).normal(size=(700, 16)))
    ids = _names(700, 5000)
    index.upsert(ids, twins, {})
    for found, alone in zip(
        index.search(twins[:40], 3), index.search(twins[:40], 3, exact=True), strict=True
    ):
        assert found.ids == alone.ids


def test_all_that_a_filter_leaves_are_found_where_the_statistics_expect_more(server, monkeypatch):
    vectors, ids = _drawn(1500), _names(1500)
    index = postgres.build(postgres.Config(), dim=16, attributes={"a": "text"})
    index.upsert(ids, vectors, {"a": ["x" if row < 900 else "y" for row in range(1500)]})
    with server.begin() as connection:
        connection.execute(sa.text(f"ANALYZE {index._table.name}"))
    index.delete(ids[5:900])
    monkeypatch.setattr(_nearest, "_PROBED_FILTERED", 1)
    (found,) = index.search(vectors[:1], 10, In("a", ("x",)))
    assert sorted(found.ids) == ids[:5]


def test_lists_are_made_with_enough_records_and_anew_with_four_times_as_many(server):
    index = _built(_drawn(ENOUGH - 1))
    assert _indexes(server, index) == {}
    index.upsert(_names(5, 1000), _drawn(5, seed=1), {})
    assert _indexes(server, index) == {"_lists_80": True}
    index.upsert(_names(1300, 2000), _drawn(1300, seed=2), {})
    assert _indexes(server, index) == {"_lists_165": True}
    assert _finds_all(index, _names(1300, 2000), _drawn(1300, seed=2))


def test_a_table_of_an_earlier_version_is_searched_by_lists_once_it_is_opened(server, tmp_path):
    vectors = _drawn(500)
    index = _built(vectors)
    table = index._table.name
    with server.begin() as connection:
        connection.execute(sa.text(f"DROP INDEX {table}_lists_89"))
        graph = f"CREATE INDEX {table}_graph ON {table} USING hnsw"
        connection.execute(sa.text(f"{graph} ((v::halfvec(16)) halfvec_ip_ops)"))
    index.save(tmp_path)
    opened = postgres.open(tmp_path)
    assert _indexes(server, opened) == {"_lists_89": True}
    assert _finds_all(opened, _names(500), vectors)


def test_what_a_killed_process_left_half_made_is_made_anew(server, tmp_path):
    index = _built(_drawn(500))
    with server.begin() as connection:
        statement = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:left)"
        connection.execute(sa.text(statement), {"left": f"{index._table.name}_lists_89"})
    index.save(tmp_path)
    assert _indexes(server, postgres.open(tmp_path)) == {"_lists_89": True}


def test_while_another_process_makes_lists_records_are_written_and_found(server, tmp_path):
    with server.connect() as other:
        other.execute(sa.select(sa.func.pg_advisory_lock(_lists._LOCK)))
        index = _built(_drawn(500))
        assert _indexes(server, index) == {}
        assert _finds_all(index, _names(500), _drawn(500))
        other.execute(sa.select(sa.func.pg_advisory_unlock(_lists._LOCK)))
    index.save(tmp_path)
    assert _indexes(server, postgres.open(tmp_path)) == {"_lists_89": True}


def test_replicas_that_write_at_once_make_lists_once_and_lose_nothing(server, tmp_path):
    first = _built(_drawn(300))
    first.save(tmp_path)
    replicas = [postgres.open(tmp_path) for _ in range(3)]

    def write(number):
        for turn in range(5):
            start = 1000 * (1 + number) + 60 * turn
            replicas[number].upsert(_names(60, start), _drawn(60, seed=start), {})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(_indexes(server, first).values()) == [True]
    assert len(first) == 300 + 3 * 5 * 60
    for number in range(3):
        start = 1000 * (1 + number)
        assert _finds_all(first, _names(60, start), _drawn(60, seed=start))


_WRITER = """
import sys, numpy as np
from pathlib import Path
from components.parts.index import _lists, _nearest, postgres
_lists.LISTED = _nearest.LISTED = 400
index = postgres.open(Path(sys.argv[1]))
for start in range(int(sys.argv[2]), 1_000_000, 50):
    drawn = np.random.default_rng(start).normal(size=(50, 16))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    ids = [f"r{i:05d}" for i in range(start, start + 50)]
    index.upsert(ids, drawn.astype(np.float32), {})
    print(start, flush=True)
"""


@pytest.mark.timeout(180)
def test_writers_killed_at_any_moment_lose_nothing_acknowledged(server, tmp_path):
    """While records are written, and while lists are made of them."""
    index = _built(_drawn(300))
    index.save(tmp_path)
    draw, acknowledged = np.random.default_rng(0), []
    for turn in range(3):
        command = [sys.executable, "-c", _WRITER, str(tmp_path), str(10_000 * (1 + turn))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
            told = writer.stdout.readline()
            time.sleep(draw.uniform(0, 0.4))
            writer.send_signal(signal.SIGKILL)
            acknowledged += [int(start) for start in (told + writer.stdout.read()).split()]
    while len(found := _indexes(server, index)) != 1 or not all(found.values()):
        time.sleep(0.2)  # the server may still be at what a killed writer asked for
        index = postgres.open(tmp_path)
    assert acknowledged
    for start in acknowledged:
        assert _finds_all(index, _names(50, start), _drawn(50, seed=start))
