"""Search by index family: recall@10 of exact, median time, memory and upserts, beside bare faiss.

    python -m benchmarks.search --records 100000
    python -m benchmarks.search --records 1000000 --sets manifold --keep FOLDER
    python -m benchmarks.search --vectors FILE.npy
    CONCORD_INDEX_URL=postgresql://… python -m benchmarks.search --postgres --sets manifold

Every set is searched with the same settings. ``clustered`` and ``manifold`` have structure as
embeddings do; ``half`` asks ``manifold`` with queries that lack a third of the numbers, as a text
among pictures does; ``random`` has none, so that no graph can find its neighbours.
A search uses one thread, and its processor time is told. So does bare faiss: the stored graph with
float32 rescoring, at the smallest width with at least the recall of the index. ``--postgres`` asks
the index family of that name, whose server runs in other processes of this machine, and gives the
median by the wall and the mean processor time of server and client.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.parts.filters import And, Filter, In, Range
from components.parts.index import approximate, exact

DIM, _QUERIES, K = 384, 300, 10
DECLARED: dict[str, Any] = {"a": "text", "b": "text", "u": "number"}
FILTERS: dict[str, Filter | None] = {
    "100": None,
    "20": In("a", ("v1",)),
    "10": Range(field="u", below=0.1),
    "4": And((In("a", ("v1",)), In("b", ("v2",)))),
    "1": Range(field="u", below=0.01),
    "0.1": Range(field="u", below=0.001),
    "0.012": Range(field="u", below=0.00012),
}
"""Selectivity in percent to the filter that has it."""
_WIDTHS = (24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048)

Vectors = NDArray[np.float32]


def unit(x: NDArray[Any]) -> Vectors:
    """Rows of length 1."""
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def clustered(n: int) -> tuple[Vectors, Vectors]:
    """As many clusters as the root of ``n``, each as wide as they lie apart."""
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(int(np.sqrt(n)), DIM)))

    def draw(m: int) -> Vectors:
        chosen = centres[rng.integers(0, len(centres), m)]
        return unit(chosen + rng.standard_normal((m, DIM), np.float32) / np.sqrt(DIM))

    return draw(n), draw(_QUERIES)


def manifold(n: int) -> tuple[Vectors, Vectors]:
    """Clusters of 24 hidden numbers, seen through two layers, a little noise."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(24, 256)), rng.normal(size=(256, DIM))
    centres = rng.normal(size=(200, 24))

    def draw(m: int) -> Vectors:
        hidden = centres[rng.integers(0, len(centres), m)] + 0.6 * rng.normal(size=(m, 24))
        seen = unit(np.tanh(hidden @ first / 5).astype(np.float32) @ second.astype(np.float32))
        return unit(seen + 0.2 / np.sqrt(DIM) * rng.standard_normal((m, DIM), np.float32))

    blocks = [draw(min(50_000, n - start)) for start in range(0, n, 50_000)]
    return np.concatenate(blocks), draw(_QUERIES)


def half(n: int) -> tuple[Vectors, Vectors]:
    """The records of ``manifold``, asked with two thirds of their numbers."""
    records, queries = manifold(n)
    queries[:, : DIM // 3] = 0
    return records, unit(queries)


def random(n: int) -> tuple[Vectors, Vectors]:
    """Directions without structure."""
    rng = np.random.default_rng(2)
    records = rng.standard_normal((n, DIM), np.float32)
    return unit(records), unit(rng.standard_normal((_QUERIES, DIM), np.float32))


SETS: dict[str, Callable[[int], tuple[Vectors, Vectors]]] = {
    "clustered": clustered,
    "manifold": manifold,
    "half": half,
    "random": random,
}


def attributes(n: int) -> dict[str, list[Any]]:
    """Attributes that the filters' selectivities follow from."""
    rng = np.random.default_rng(3)
    names = {name: [f"v{i}" for i in rng.integers(0, 5, n)] for name in "ab"}
    return {**names, "u": rng.random(n).tolist()}


def timed(
    ask: Callable[[Vectors], list[str]],
    queries: Vectors,
    clock: Callable[[], float] = time.thread_time,
) -> tuple[list[list[str]], float]:
    """Answers, and the median time of one in milliseconds, by default of the processor."""
    answers, times = [], []
    for query in queries:
        start = clock()
        answers.append(ask(query))
        times.append(clock() - start)
    return answers, float(np.median(times)) * 1e3


def in_turns(
    one: Callable[[Vectors], list[str]],
    other: Callable[[Vectors], list[str]],
    queries: Vectors,
) -> tuple[float, float]:
    """Ratio of two medians, and the second; who comes first finds the records outside the cache."""
    times = np.empty((len(queries), 2))
    for i, query in enumerate(queries):
        for which in ((0, 1), (1, 0))[i % 2]:
            times[i, which] = timed((one, other)[which], query[None])[1]
    first, second = np.median(times, axis=0)
    return first / second, second


def recall(answers: list[list[str]], wanted: list[list[str]]) -> float:
    """Share of the true ids that were found."""
    hits = sum(len(set(a) & set(w)) for a, w in zip(answers, wanted, strict=True))
    return hits / max(1, sum(map(len, wanted)))


def filtered(index: Any, queries: Vectors) -> None:  # noqa: ANN401
    """Recall and time at each selectivity."""
    for share, where in FILTERS.items():
        wanted = [found.ids for found in index.search(queries, K, where, exact=True)]
        ask = lambda q, w=where: index.search(q[None], K, w)[0].ids  # noqa: E731
        timed(ask, queries[:20])
        answers, median = timed(ask, queries)
        ratio = ""
        if where is None:
            ratio = bare(index, queries, wanted, recall(answers, wanted))
        print(f"  {share:>6} %  recall {recall(answers, wanted):.4f}  p50 {median:.2f} ms{ratio}")


def bare(
    index: Any,  # noqa: ANN401
    queries: Vectors,
    wanted: list[list[str]],
    reached: float,
) -> str:
    """How the median compares with bare faiss at the same recall."""
    import faiss

    faiss.omp_set_num_threads(1)
    rows, graph = index._rows, index._graph
    if graph is None:
        return ""
    if graph.widths.usual is None:
        chosen = [("bytes of all", graph._index.storage, None)]
    else:
        chosen = [
            (f"width {w}", graph._index, faiss.SearchParametersHNSW(efSearch=w)) for w in _WIDTHS
        ]
    for name, searched, parameters in chosen:

        def ask(query: Vectors, on: Any = searched, using: Any = parameters) -> list[str]:  # noqa: ANN401
            _, (near,) = on.search(query[None], 2 * K + 16, params=using)
            near = near[near >= 0]
            order = np.argsort(-(rows.base[near] @ query))[:K]
            return [rows._ids[row] for row in near[order].tolist()]

        if recall(timed(ask, queries)[0], wanted) >= reached:
            ours = lambda q: index.search(q[None], K)[0].ids  # noqa: E731
            ratio, alone = in_turns(ours, ask, queries)
            return f"  {ratio:.2f} times bare faiss ({name}: {alone:.2f} ms)"
    return "  bare faiss reaches this recall at no width"


def changed(index: Any, records: Vectors) -> None:  # noqa: ANN401
    """Time until 1,000 changed records are found."""
    ids = [f"r{i:07d}" for i in range(0, 2000, 2)]
    start = time.perf_counter()
    index.upsert(ids, unit(records[:1000] + 1), attributes(1000))
    (found,) = index.search(unit(records[:1] + 1), 1)
    assert found.ids == [ids[0]]
    print(f"  1,000 upserts are found after {time.perf_counter() - start:.2f} s")


def megabytes(kind: str) -> int:
    """Memory of this process: ``VmRSS`` or ``RssAnon``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(kind))


def _alone(folder: Path) -> str:
    """Memory of a process that opens an index and answers 300 queries."""
    command = [sys.executable, "-m", "benchmarks.search", "--memory", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def memory(folder: Path) -> None:
    """What `_alone` prints."""
    index, rng = approximate.open(folder), np.random.default_rng(4)
    for row in rng.integers(0, len(index), _QUERIES).tolist():
        index.search(index.vectors_of([f"r{row:07d}"]), K)
    own, files = megabytes("RssAnon"), megabytes("RssFile")
    print(f"{own} MB of its own, {files} MB of files, libraries and mapped vectors")


def brute(n: int) -> None:
    """Exact search beside the product and the partition alone."""
    records, queries = random(n)
    index = exact.build(exact.Config(), dim=DIM)
    index.upsert([f"r{i:07d}" for i in range(n)], records, {})

    def plain(query: Vectors) -> list[str]:
        scores = records @ query
        near = np.argpartition(scores, n - K)[n - K :]
        return [str(row) for row in near[np.argsort(-scores[near])]]

    ask = lambda q: index.search(q[None], K)[0].ids  # noqa: E731
    wall = time.perf_counter  # both use all cores
    timed(plain, queries[:3])
    pairs = [(timed(plain, q[None], wall)[1], timed(ask, q[None], wall)[1]) for q in queries[:60]]
    alone, median = np.median(pairs, axis=0)  # in turns, so that both see the same machine
    print(f"exact, {n} records: {median:.1f} ms, {median / alone:.2f} times bare numpy")


def main() -> None:
    """Print one table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument(
        "--vectors", type=Path, help="unit vectors (n, 384); the last 300 are asked"
    )
    parser.add_argument("--exact", type=int, help="exact search of so many records, nothing else")
    parser.add_argument("--keep", type=Path, help="folder of the built index, used again if there")
    parser.add_argument("--memory", type=Path, help="memory of opening this index, nothing else")
    parser.add_argument("--postgres", action="store_true", help="ask PostgreSQL")
    parser.add_argument("--queries", type=int, default=_QUERIES, help="asked of PostgreSQL")
    given = parser.parse_args()
    if given.memory:
        return memory(given.memory)
    if given.exact:
        return brute(given.exact)
    if given.vectors:
        stored = np.load(given.vectors)
        drawn = {given.vectors.stem: lambda _: (stored[:-_QUERIES], stored[-_QUERIES:])}
    else:
        drawn = {name: SETS[name] for name in given.sets}
    if given.postgres:
        from benchmarks._search_postgres import in_postgres

        for same in (("manifold", "half"), ("clustered",), ("random",)):
            if names := [name for name in same if name in given.sets]:
                in_postgres(names, given.records, given.queries)
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in drawn.items():
            measure(name, draw, given.records, given.keep or Path(folder))
    return None


def measure(
    name: str, draw: Callable[[int], tuple[Vectors, Vectors]], n: int, folder: Path
) -> None:
    """Build, save, open and search one set."""
    records, queries = draw(n)
    n = len(records)
    kept = folder / ("manifold" if name == "half" else name)  # the same records
    if not kept.exists():
        start = time.perf_counter()
        index = approximate.build(approximate.Config(), dim=DIM, attributes=DECLARED)
        index.upsert([f"r{i:07d}" for i in range(n)], records, attributes(n))
        index.save(kept)
        print(f"{name}: {n} records built and saved in {time.perf_counter() - start:.0f} s")
        del index
    few = records[:1000].copy()
    del records
    start = time.perf_counter()
    index = approximate.open(kept)
    opened = time.perf_counter() - start
    print(f"{name}: {n} records, opened in {opened:.2f} s, {index._graph and index._graph.widths}")
    filtered(index, queries)
    print(f"  memory: {_alone(kept)}")
    changed(index, few)


if __name__ == "__main__":
    main()
