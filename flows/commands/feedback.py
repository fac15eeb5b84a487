"""``concord feedback``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.config.home import served
from components.core.commands import concord
from components.core.errors import UsageError, UserError
from components.data.importing.report import counted
from flows.commands.answer import Answer, table
from serving.store.database import Database
from serving.store.feedback import Feedback
from serving.store.said import Given

_ROWS = 10_000  # of the journal that are read at a time
_NONE = "there is no feedback yet; the service takes it at POST /v1/feedback"


def list_(since: datetime | None) -> Answer:
    """All feedback since a time."""
    found = _given(since)
    rows = [
        [_time(g.time), g.token or "", _item(g), _said(g), str(g.version or ""), g.note or ""]
        for g in found
    ]
    header = ["time", "token", "of", "said", "version", "note"]
    return Answer(
        value={"feedback": [asdict(g) | {"time": _time(g.time), "payload": None} for g in found]},
        text=table(rows, header) if rows else _NONE,
        then="concord feedback export --out FILE" if rows else "",
    )


def export(out: Path, since: datetime | None) -> Answer:
    """Write what has a label as a Parquet file."""
    from serving.store import export as file

    if out.suffix != ".parquet":
        raise UsageError(f"--out: got {str(out)!r}, wanted a name that ends with .parquet")
    found = _given(since)
    if not any(g.labels is not None for g in found):
        raise UserError(f"no label was given{' since then' if since else ''}: nothing is written")
    with Database(served().store) as database:
        written = _written(database, found)
    done = file.export(found, out, written.get)
    lines = [f"wrote {done.rows:,} labelled records to {out}"]
    if missing := done.rows - done.with_values:
        lines.append(
            f"{missing:,} of them by id alone: the data set has the values of a record that came "
            "with the model, so write their labels there (docs/serving.md shows how); the log has "
            "those of an answer where `serving.log_payloads` is true"
        )
    if done.disputed:
        lines.append(f"{done.disputed:,} of them are disputed; the latest judgement counts")
    if done.unlabelled:
        lines.append(
            f"left out, for want of a label: {counted(done.unlabelled, 'judgement')}; "
            "`concord feedback list --json` has them"
        )
    return Answer(
        value=asdict(done) | {"out": str(out.absolute())},
        text="\n".join(lines),
        then=concord("data", "import", out, "DIR") if done.with_values else "",
    )


def _given(since: datetime | None) -> list[Given]:
    begin = since.replace(tzinfo=UTC).timestamp() if since else 0.0
    with Database(served().store) as database:
        return Feedback(database).all(begin)


def _written(database: Database, given: Sequence[Given]) -> dict[str, Mapping[str, Any]]:
    """The values of the judged records that users wrote, as they were written last."""
    from serving.store.journal import RecordsJournal

    found: dict[str, Mapping[str, Any]] = {}
    judged = {(g.model, g.record) for g in given if g.labels is not None and g.record is not None}
    for model in {model for model, _ in judged}:
        journal, number = RecordsJournal(database, model), 0
        last: dict[str, int] = {}
        while entries := journal.after(number, _ROWS):
            last |= {e.id: e.number for e in entries if (model, e.id) in judged}
            number = entries[-1].number
        written = journal.written(list(last.values())).values()
        found |= {write.id: write.record for write in written if write.record is not None}
    return found


def _item(given: Given) -> str:
    return f"record {given.record}" if given.record is not None else f"answer {given.answer}"


def _said(given: Given) -> str:
    words = []
    if given.labels is not None:
        new = " (new)" if given.unknown else ""
        words.append(f"{', '.join(given.labels) or 'none of the classes'}{new}")
    if given.relevant:
        right = sum(given.relevant.values())
        words.append(f"{right} relevant, {len(given.relevant) - right} not")
    return "; ".join(words)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
