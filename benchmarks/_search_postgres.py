"""The sets of `benchmarks.search` through the index family of PostgreSQL."""

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import search
from components.parts.index import postgres
from components.parts.index._connection import connected


def in_postgres(names: list[str], n: int, asked: int) -> None:
    """Sets of the same records through PostgreSQL; their table is dropped in the end."""
    drawn = {name: search.SETS[name](n) for name in names}
    records, _ = drawn[names[0]]
    index = postgres.build(postgres.Config(), dim=search.DIM, attributes=search.DECLARED)
    try:
        start = time.perf_counter()
        index.upsert(
            [f"r{i:07d}" for i in range(n)], records, search.attributes(n)
        )  # as a package does
        print(f"{names}: {n} records written to postgres in {time.perf_counter() - start:.0f} s")
        for name, (_, queries) in drawn.items():
            print(name)
            _ask_postgres(index, queries[:asked])
        search.changed(index, records[:1000])
    finally:
        index.drop()


def _ask_postgres(index: Any, queries: search.Vectors) -> None:  # noqa: ANN401
    """Recall and time at each selectivity, by the wall and by the processor."""
    for share, where in search.FILTERS.items():
        wanted = [found.ids for found in index.search(queries, search.K, where, exact=True)]
        ask = lambda q, w=where: index.search(q[None], search.K, w)[0].ids  # noqa: E731
        search.timed(ask, queries[:20])
        ours, theirs = time.thread_time(), _server_seconds(index)
        answers, median = search.timed(ask, queries, time.perf_counter)
        each = 1000 / len(queries)
        ours, theirs = time.thread_time() - ours, _server_seconds(index) - theirs
        print(
            f"  {share:>6} %  recall {search.recall(answers, wanted):.4f}  p50 {median:.1f} ms;"
            f" processor: server {theirs * each:.2f} ms, client {ours * each:.2f} ms",
            flush=True,
        )


def _server_seconds(index: Any) -> float:  # noqa: ANN401
    """Seconds of the processor that the connection's process of a server on this machine took."""
    with connected(index._table._engine) as connection:
        process = connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
