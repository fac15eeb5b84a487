"""Every part of a task accounted for: results of all indexes, their chunks in order, verified."""

import tempfile
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from components.core.errors import UserError
from components.core.files import read_json
from components.exchange.errors import Incomplete
from components.exchange.exchange import Exchange
from components.shards.spec import ShardSpec
from components.shards.work import RESULT, Chunk, PartResult, chunk_job


def results(
    exchange: Exchange, job: str, succeeded: Mapping[int, str], scratch: Path
) -> list[PartResult]:
    """The result of each index that has one.

    Args:
        exchange: where they are.
        job: name of the job's folder there.
        succeeded: index to UID of the pod that the cluster reports as successful; for other indexes
            any complete attempt counts.
        scratch: a local folder.
    """
    chosen: dict[int, str] = {}
    for attempt in exchange.attempts(job):
        index, _, uid = attempt.token.partition("-")
        if index.isdecimal() and (int(index) not in chosen or succeeded.get(int(index)) == uid):
            chosen[int(index)] = attempt.token
    found = []
    scratch.mkdir(parents=True, exist_ok=True)
    for _, token in sorted(chosen.items()):
        with tempfile.TemporaryDirectory(dir=scratch) as temporary:
            exchange.fetch_attempt(job, token, Path(temporary))
            found.append(PartResult.model_validate(read_json(Path(temporary) / RESULT)))
    return found


def accounted(spec: ShardSpec, parts: Sequence[PartResult]) -> list[tuple[int, Chunk]]:
    """All chunks in order of their rows, each with its index.

    Raises:
        Incomplete: parts that are missing, double or of another task, or rows that are missing or
            double; the message lists all of them.
    """
    digest, wanted = spec.digest(), len(spec.parts)
    foreign = [p.index for p in parts if p.spec != digest or not 0 <= p.index < wanted]
    own = [p for p in parts if p.spec == digest and 0 <= p.index < wanted]
    counts = Counter(p.index for p in own)
    problems = [
        f"part {i} is of another task ({wanted} parts wanted, numbered from 0)"
        for i in sorted(foreign)
    ]
    problems += [f"part {i} is there {n} times" for i, n in sorted(counts.items()) if n > 1]
    for index in sorted(set(range(wanted)) - set(counts)):
        part = spec.parts[index]
        problems.append(f"part {index} (rows {part.start} to {part.stop - 1}) is missing")
    for result in own:
        problems += _rows_of(spec, result)
    if problems:
        rows = sum(c.stop - c.start for p in own for c in p.chunks)
        lines = "\n".join(f"  - {p}" for p in problems)
        raise Incomplete(
            f"{spec.task}: the parts do not make up the {spec.rows} rows "
            f"({rows} came in {len(parts)} parts):\n{lines}\n"
            "Nothing was joined. Run again: finished parts are kept, the others are done again."
        )
    return [(p.index, chunk) for p in sorted(own, key=lambda p: p.index) for chunk in p.chunks]


def _rows_of(spec: ShardSpec, result: PartResult) -> list[str]:
    """What is wrong with the rows of one part."""
    part, at = spec.parts[result.index], spec.parts[result.index].start
    problems = []
    for chunk in sorted(result.chunks, key=lambda c: c.start):
        if chunk.start != at:
            what = "missing" if chunk.start > at else "double"
            first, last = min(at, chunk.start), max(at, chunk.start) - 1
            problems.append(f"part {result.index}: rows {first} to {last} are {what}")
        at = max(at, chunk.stop)
    if at != part.stop:
        problems.append(f"part {result.index}: ends with row {at - 1}, wanted {part.stop - 1}")
    return problems


def folders(
    exchange: Exchange,
    job: str,
    chunks: Sequence[tuple[int, Chunk]],
    scratch: Path,
    code: Container[str] = (),
) -> Iterator[Path]:
    """The files of each chunk, verified; requesting the next chunk removes the one before.

    Args:
        exchange: where they are.
        job: name of the job's folder there.
        chunks: each with its index.
        scratch: a local folder.
        code: see ``Exchange.fetch_attempt``.

    Raises:
        UserError: a chunk is missing, damaged or not the one that its part names.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    for index, chunk in chunks:
        with tempfile.TemporaryDirectory(dir=scratch) as temporary:
            about = exchange.fetch_attempt(
                chunk_job(job, index), chunk.token, Path(temporary), code
            )
            if about["digest"] != chunk.digest:
                raise UserError(
                    f"part {index}, rows {chunk.start} to {chunk.stop - 1}: got content of digest "
                    f"{about['digest'][:12]}, wanted {chunk.digest[:12]} as in the part's result; "
                    f"delete jobs/{job} in the exchange and run again"
                )
            yield Path(temporary)
