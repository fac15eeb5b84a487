"""Which versions are tried beside the champion, and how their answers differ from its own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from serving.store.database import METADATA, Database, Schema

Role = Literal["canary", "shadow"]
ROLES: tuple[Role, ...] = get_args(Role)
_CHOSEN = Table(
    "concord_beside",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("package_digest", Text, nullable=False),
    Column("share", Float, nullable=False),
)
_ANSWERS = Table(
    "concord_shadow_answers",
    METADATA,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("time", Text, nullable=False),
    Column("model", Text, nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("champion", Text, nullable=False),
    Column("shadow", Text, nullable=False, index=True),
    Column("same", Boolean, nullable=False),
    Column("told", Text, nullable=False),
)
SCHEMA = Schema(name="beside", version=1, tables=(_CHOSEN, _ANSWERS))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A version that is tried.

    Attributes:
        version: in the registry.
        package_digest: of its package.
        share: of the keys that a canary answers, or of the requests that a shadow gets.
    """

    version: int
    package_digest: str
    share: float


def choose(database: Database, model: str, role: Role, chosen: Chosen | None) -> None:
    """Try a version in a role, in place of the one before; None: no version."""
    with database.writing(SCHEMA) as connection:
        connection.execute(delete(_CHOSEN).where(_CHOSEN.c.model == model, _CHOSEN.c.role == role))
        if chosen is not None:
            row = {"model": model, "role": role, **vars(chosen)}
            connection.execute(insert(_CHOSEN).values(row))


def read(database: Database, model: str) -> dict[str, Chosen]:
    """Role to the version that is tried in it."""
    with database.reading(SCHEMA) as connection:
        rows = connection.execute(select(_CHOSEN).where(_CHOSEN.c.model == model)).mappings()
        return {
            row["role"]: Chosen(
                version=row["version"], package_digest=row["package_digest"], share=row["share"]
            )
            for row in rows
        }


def record(
    database: Database,
    *,
    model: str,
    path: str,
    champion: str,
    shadow: str,
    answers: Mapping[str, Any],
) -> None:
    """Keep what two versions answered to one request.

    Args:
        database: of the store.
        model: registered name.
        path: that was asked.
        champion: digest of the package that answered.
        shadow: digest of the one beside it.
        answers: ``champion`` and ``shadow``, each in short.
    """
    row = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "model": model,
        "path": path,
        "champion": champion,
        "shadow": shadow,
        "same": answers["champion"] == answers["shadow"],
        "told": json.dumps(answers),
    }
    with database.writing(SCHEMA) as connection:
        connection.execute(insert(_ANSWERS).values(row))


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How often a shadow answered as the champion did.

    Attributes:
        asked: requests that both answered.
        same: those with the same answer.
        differences: the last ones that differ: path, champion's and shadow's answer.
    """

    asked: int
    same: int
    differences: list[dict[str, Any]]


def compared(database: Database, shadow: str, most: int = 10) -> Compared:
    """What is known of a shadow's answers.

    Args:
        database: of the store.
        shadow: digest of its package.
        most: differences that are shown, the last ones.
    """
    mine = _ANSWERS.c.shadow == shadow
    with database.reading(SCHEMA) as connection:
        asked = connection.execute(select(func.count()).where(mine)).scalar_one()
        same = connection.execute(select(func.count()).where(mine, _ANSWERS.c.same)).scalar_one()
        query = select(_ANSWERS).where(mine, ~_ANSWERS.c.same).order_by(_ANSWERS.c.number.desc())
        rows = connection.execute(query.limit(most)).mappings()
        shown = [{"time": r["time"], "path": r["path"], **json.loads(r["told"])} for r in rows]
    return Compared(asked=asked, same=same, differences=shown)
