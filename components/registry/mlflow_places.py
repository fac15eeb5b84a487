"""Where MLflow's database says that artifacts are, made true for a state folder that moved.

MLflow stores absolute paths. In a folder that was moved or copied they would name the earlier one,
and MLflow would write there.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
_WAIT = 30.0  # seconds for another writer


def settle(database: Path, artifacts: str) -> None:
    """Make the database name the folder of artifacts that lies beside it.

    Places that a person chose elsewhere stay as they are.

    Args:
        database: MLflow's SQLite file.
        artifacts: the folder of artifacts of the same state folder, as MLflow writes it.
    """
    with closing(sqlite3.connect(database, timeout=_WAIT, isolation_level=None)) as connection:
        earlier = set(_roots(connection, artifacts)) - {artifacts}
        if not earlier:
            return
        connection.execute("BEGIN IMMEDIATE")
        for root in sorted(earlier):
            for table, column in _COLUMNS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                    f"WHERE substr({column}, 1, ?) = ?",
                    (artifacts, len(root) + 1, len(root) + 1, f"{root}/"),
                )
        connection.execute("COMMIT")


def _roots(connection: sqlite3.Connection, artifacts: str) -> Iterator[str]:
    """Folders of artifacts that experiments of Concord name: ``.../mlflow/artifacts/NAME``."""
    below = "/".join(["", *artifacts.split("/")[-2:]])
    experiments = "SELECT name, experiment_id, artifact_location FROM experiments"
    for name, number, place in connection.execute(experiments):
        for last in (name, number):
            if place and place.endswith(f"{below}/{last}"):
                yield place.removesuffix(f"/{last}")
