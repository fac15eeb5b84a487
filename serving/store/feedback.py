"""Feedback of people on an answer, or on a record of the index.

One row for each token and each answer or record. Saying the same again changes nothing; a label
that is given later takes the place of the earlier one, and judgements of further hits are added.
What a label needs to be learned from is copied from the answer, which the log forgets.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from time import sleep, time
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from components.core.errors import BadInput
from serving.store.answers import ANSWERS, AnswerLog
from serving.store.answers import SCHEMA as ANSWERS_SCHEMA
from serving.store.database import METADATA, Database, Schema
from serving.store.ids import made_at
from serving.store.said import About, Given, NotKept, Said

_ELSEWHERE, _PAUSE = 2.0, 0.2
"""Seconds in which another replica writes its answers, and between two looks."""

_FEEDBACK = Table(
    "concord_feedback",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("time", Float(53), nullable=False),
    Column("token", Text),
    Column("answer", Text),
    Column("record", Text),
    Column("labels", Text),
    Column("multi", Boolean, nullable=False),
    Column("unknown", Text, nullable=False),
    Column("relevant", Text, nullable=False),
    Column("note", Text),
    Column("model", Text, nullable=False),
    Column("version", Integer),
    Column("package_digest", Text, nullable=False),
    Column("payload", Text),
    Index("concord_feedback_by_time", "time"),
)
_SCHEMA = Schema(name="feedback", version=1, tables=(_FEEDBACK,))


class Feedback:
    """Feedback in a store.

    Args:
        database: the store.
        log: the answer log of this process, which may still hold the answer.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        log: AnswerLog | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._database, self._log, self._clock = database, log, clock

    def give(self, said: Said, about: About, token: str | None) -> str:
        """Store feedback; it is durable when this returns.

        Args:
            said: about an answer of the log, or a record that the caller knows to exist.
            about: the model that is served; an answer brings its own name and version.
            token: name of the token that gave it.

        Returns:
            The id of the feedback: the same one for the same token and the same answer or record.

        Raises:
            NotKept: the log does not have the answer.
            BadInput: a hit is judged that the answer does not have.
            UserError: the store cannot be written.
        """
        item = self._answer(said.answer) if said.answer is not None else {}
        hits = {hit["id"] for hit in item.get("outputs", {}).get("hits", ())}
        for hit in said.relevant or ():
            if hit not in hits:
                wanted = "the id of a hit of that answer"
                raise BadInput("relevant", repr(hit[:80]), wanted)
        known = {name: item.get(name, getattr(about, name)) for name in _OF_MODEL}
        row = {
            "id": id_of(token, said),
            "token": token,
            "answer": said.answer,
            "record": said.record,
            "payload": item.get("payload"),
            **known,
        }
        with self._database.writing(_SCHEMA) as connection:
            _write(connection, row, said, about.classes, self._clock())
        return str(row["id"])

    def withdraw(self, feedback: str, token: str | None) -> bool:
        """Delete feedback, durably, and tell whether there was any of this id by this token.

        Raises:
            UserError: the store cannot be written.
        """
        mine = (_FEEDBACK.c.id == feedback) & _FEEDBACK.c.token.is_not_distinct_from(token)
        with self._database.writing(_SCHEMA) as connection:
            return connection.execute(delete(_FEEDBACK).where(mine)).rowcount > 0

    def all(self, since: float = 0.0) -> list[Given]:
        """Feedback that was given or changed since a time, oldest first.

        Raises:
            UserError: the store cannot be read.
        """
        query = select(_FEEDBACK).where(_FEEDBACK.c.time >= since)
        with self._database.reading(_SCHEMA) as connection:
            rows = connection.execute(query.order_by(_FEEDBACK.c.time, _FEEDBACK.c.id)).mappings()
            return [_given(dict(row)) for row in rows]

    def labelled(self, model: str) -> set[str]:
        """Ids of the records of a model's index that somebody has labelled.

        Raises:
            UserError: the store cannot be read.
        """
        query = select(_FEEDBACK.c.record).where(
            _FEEDBACK.c.model == model,
            _FEEDBACK.c.record.is_not(None),
            _FEEDBACK.c.labels.is_not(None),
        )
        with self._database.reading(_SCHEMA) as connection:
            return set(connection.execute(query).scalars())

    def _answer(self, answer: str) -> dict[str, Any]:
        """An answer of the log.

        Raises:
            NotKept: it does not have it.
        """
        made = made_at(answer)
        if made is not None and self._log is not None:
            self._log.settle()
        while made is not None:
            query = select(ANSWERS).where(ANSWERS.c.id == answer)
            with self._database.reading(ANSWERS_SCHEMA) as connection:
                row = connection.execute(query).mappings().one_or_none()
            if row is not None:
                return {**row, "outputs": json.loads(row["outputs"])}
            if not 0 <= self._clock() - made < _ELSEWHERE:
                break
            sleep(_PAUSE)
        raise NotKept(
            "answer_id", repr(answer[:80]), "the id of an answer that is still in the answer log"
        )


_OF_MODEL = ("model", "version", "package_digest")


def id_of(token: str | None, said: Said) -> str:
    """The id of feedback: equal for the same token and the same answer or record."""
    key = json.dumps([token, said.answer, said.record])
    return hashlib.sha256(key.encode("ascii")).hexdigest()[:32]


def _write(
    connection: Connection,
    row: Mapping[str, Any],
    said: Said,
    classes: Collection[str],
    now: float,
) -> None:
    """Insert or update feedback; of two writers one waits for the other."""
    empty = {"labels": None, "multi": False, "unknown": "[]", "relevant": "{}", "note": None}
    new = {**row, **empty, **_changed(empty, said, classes), "time": now}
    mine = _FEEDBACK.c.id == row["id"]
    while True:
        try:
            with connection.begin_nested():
                connection.execute(insert(_FEEDBACK).values(new))
            return
        except IntegrityError:
            query = select(_FEEDBACK).where(mine).with_for_update()
            before = connection.execute(query).mappings().one_or_none()
        if before is not None:  # else somebody has withdrawn it in between
            break
    changed = _changed(dict(before), said, classes)
    if any(before[name] != value for name, value in changed.items()):
        connection.execute(update(_FEEDBACK).where(mine).values(**changed, time=now))


def _changed(before: Mapping[str, Any], said: Said, classes: Collection[str]) -> dict[str, Any]:
    """The columns that new feedback overwrites."""
    changed: dict[str, Any] = {}
    if said.labels is not None:
        labels = sorted(set(said.labels)) if said.multi else list(said.labels)
        changed["labels"], changed["multi"] = json.dumps(labels), said.multi
        changed["unknown"] = json.dumps([label for label in labels if label not in classes])
    if said.relevant:
        merged = json.loads(before["relevant"]) | dict(said.relevant)
        changed["relevant"] = json.dumps(merged, sort_keys=True)
    if said.note is not None:
        changed["note"] = json.dumps(said.note)
    return changed


def _given(row: dict[str, Any]) -> Given:
    for name in ("labels", "unknown", "relevant", "note"):
        row[name] = None if row[name] is None else json.loads(row[name])
    return Given(**row)
