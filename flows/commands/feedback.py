"""``concord feedback``."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from components.config.home import served
from components.core.commands import concord
from components.core.errors import UsageError, UserError
from flows.commands.answer import Answer, table
from serving.store.database import Database
from serving.store.feedback import Feedback, Given

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
    done = file.export(found, out)
    lines = [f"wrote {done.rows:,} labelled records to {out}"]
    if missing := done.rows - done.with_values:
        lines.append(
            f"{missing:,} of them by id alone: of a record of the index the data set has the "
            "values, of an answer the log keeps them where `serving.log_payloads` is true"
        )
    if done.disputed:
        lines.append(f"{done.disputed:,} of them are disputed; the last word counts")
    if done.unlabelled:
        lines.append(
            f"{done.unlabelled:,} judgements without a label are not in it; "
            "`concord feedback list --json` has them"
        )
    return Answer(
        value=asdict(done) | {"out": str(out.absolute())},
        text="\n".join(lines),
        then=concord("data", "import", out, "DIR"),
    )


def _given(since: datetime | None) -> list[Given]:
    begin = since.replace(tzinfo=UTC).timestamp() if since else 0.0
    with Database(served().store) as database:
        return Feedback(database).all(begin)


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
