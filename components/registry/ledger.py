"""The append-only record of every look, registration, promotion, refusal and rollback.

Every rule that the registry follows can be replayed from here: who was champion when, on what
evidence, and who decided. The database refuses updates and deletions by triggers; one call of
`Ledger.append` is one durable transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    event,
    func,
    insert,
    inspect,
    select,
)

from components.registry.database import METADATA, Database, open_database, prepare
from components.registry.history import History
from components.registry.ledger_entry import KINDS, Entry, Kind, check, from_row, to_row

_REFUSED = "the ledger is append-only"
_SQLITE = (
    "CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON %(table)s "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
    "CREATE TRIGGER entries_are_never_removed BEFORE DELETE ON %(table)s "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
    # `INSERT OR REPLACE` removes a row without the trigger above.
    "CREATE TRIGGER entries_are_never_replaced BEFORE INSERT ON %(table)s "  # noqa: S608
    "WHEN EXISTS (SELECT 1 FROM %(table)s WHERE seq = NEW.seq) "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
)
_POSTGRES = (
    "CREATE FUNCTION %(table)s_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"RAISE EXCEPTION '{_REFUSED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER entries_are_never_changed BEFORE UPDATE OR DELETE ON %(table)s "
    "FOR EACH ROW EXECUTE FUNCTION %(table)s_refuses()",
    "CREATE TRIGGER entries_are_never_removed BEFORE TRUNCATE ON %(table)s "
    "FOR EACH STATEMENT EXECUTE FUNCTION %(table)s_refuses()",
)


def _table(name: str) -> Table:
    integer = BigInteger().with_variant(Integer, "sqlite")
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    table = Table(
        name,
        METADATA,
        Column("seq", integer, primary_key=True, autoincrement=False),
        Column("time", Text, nullable=False),
        Column("model", Text, nullable=False),
        Column("kind", Text, CheckConstraint(f"kind IN ({kinds})"), nullable=False),
        Column("version", integer),
        Column("package_digest", Text),
        Column("evidence_digest", Text),
        Column("actor", Text, nullable=False),
        Column("details", Text, nullable=False),
        Index(f"{name}_by_model", "model", "kind", "seq"),
    )
    for dialect, statements in (("sqlite", _SQLITE), ("postgresql", _POSTGRES)):
        for statement in statements:
            ddl = DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))
    return table


# A team's database may hold the tables of others; the file holds nothing else.
_TABLES = {"sqlite": _table("entries"), "postgresql": _table("concord_ledger")}


class Ledger:
    """Reads and appends entries; any number of processes may do both at once.

    A missing ledger reads as empty, and reading never makes one.

    Args:
        place: a file, a PostgreSQL URL, or an open database.
    """

    def __init__(self, place: Path | str | Database) -> None:
        self._database = open_database(place) if isinstance(place, Path | str) else place

    def append(self, *entries: Entry) -> list[Entry]:
        """Write entries in one transaction and return them with their ``seq``.

        Raises:
            UserError: the ledger cannot be written (read-only, disk full, no connection), the file
                is not a ledger, or others hold it too long.
        """
        for entry in entries:
            check(entry)
        with self._database.writing() as connection:
            table = _TABLES[connection.dialect.name]
            prepare(connection, table)
            # The only writer counts: places have no gaps, and no later entry is seen before an
            # earlier one.
            last = connection.execute(select(func.coalesce(func.max(table.c.seq), 0))).scalar_one()
            written = [replace(entry, seq=last + n) for n, entry in enumerate(entries, 1)]
            if written:
                connection.execute(insert(table), [to_row(entry) for entry in written])
        return written

    def entries(self, model: str | None = None, kind: Kind | None = None) -> list[Entry]:
        """Entries in the order they were written, of one model and of one kind where given.

        Raises:
            UserError: the ledger cannot be read, or the file is not one.
        """
        with self._database.reading() as connection:
            if connection is None:
                return []
            table = _TABLES[connection.dialect.name]
            if not inspect(connection).has_table(table.name):
                return []
            query = select(table).order_by(table.c.seq)
            if model is not None:
                query = query.where(table.c.model == model)
            if kind is not None:
                query = query.where(table.c.kind == kind)
            return [from_row(dict(row)) for row in connection.execute(query).mappings()]

    def last(self, model: str) -> int:
        """The place of a model's last entry; 0 without any. It tells whether to read again.

        Raises:
            UserError: the ledger cannot be read, or the file is not one.
        """
        with self._database.reading() as connection:
            if connection is None:
                return 0
            table = _TABLES[connection.dialect.name]
            if not inspect(connection).has_table(table.name):
                return 0
            query = select(func.max(table.c.seq)).where(table.c.model == model)
            return connection.execute(query).scalar() or 0

    def history(self, model: str) -> History:
        """All entries of one model, to be asked about it.

        Raises:
            UserError: the ledger cannot be read, or the file is not one.
        """
        return History(model, self.entries(model))

    @contextmanager
    def alone(self, wait: float) -> "Iterator[Ledger]":
        """Hold the one lock of decisions; yields the ledger to use meanwhile.

        The lock is freed when its holder dies.

        Raises:
            UserError: another process holds it longer than ``wait`` seconds, or the ledger's place
                cannot be written.
        """
        with self._database.alone(wait) as database:
            yield Ledger(database)
