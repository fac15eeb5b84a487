"""The code that a Bento contains, and the digest that follows it."""

from functools import cache
from pathlib import Path

from components.core.refs import digest_file, digest_json

ROOT = Path(__file__).parents[1]
SERVED = (
    "components/__init__.py",
    "components/config/__init__.py",
    "components/config/chosen_parts.py",
    "components/config/composer.py",
    "components/config/home.py",
    "components/config/pods.py",
    "components/config/run.py",
    "components/config/trainer.py",
    "components/core/*.py",
    "components/data/__init__.py",
    "components/data/manifest.py",
    "components/data/modality.py",
    "components/data/target.py",
    "components/exchange/*.py",
    "components/features/__init__.py",
    "components/features/fields.py",
    "components/features/format_1.py",
    "components/features/modality.py",
    "components/features/rows.py",
    "components/features/spec.py",
    "components/features/stored.py",
    "components/features/target.py",
    "components/features/tfidf.py",
    "components/model/*.py",
    "components/parts/*.py",
    "components/parts/encoders/*.py",
    "components/parts/fusion/*.py",
    "components/parts/index/*.py",
    "components/parts/kinds/*.py",
    "components/parts/projectors/*.py",
    "components/parts/targets/*.py",
    "components/prediction/__init__.py",
    "components/prediction/asking.py",
    "components/prediction/attributes.py",
    "components/prediction/classifier.py",
    "components/prediction/collection.py",
    "components/prediction/composing.py",
    "components/prediction/cursor.py",
    "components/prediction/format.py",
    "components/prediction/hubness.py",
    "components/prediction/indexes.py",
    "components/prediction/journal.py",
    "components/prediction/made.py",
    "components/prediction/mixing.py",
    "components/prediction/packaged.py",
    "components/prediction/prediction.py",
    "components/prediction/predictor.py",
    "components/prediction/review.py",
    "components/prediction/searcher.py",
    "components/prediction/seen.py",
    "components/registry/__init__.py",
    "components/registry/database.py",
    "components/registry/history.py",
    "components/registry/ledger.py",
    "components/registry/ledger_entry.py",
    "components/registry/packages.py",
    "components/registry/postgres_server.py",
    "components/registry/postgres_url.py",
    "components/registry/sqlite_file.py",
    "components/registry/sqlite_writer.py",
    "components/registry/versions.py",
    "serving/__init__.py",
    "serving/access.py",
    "serving/defaults.py",
    "serving/http/*.py",
    "serving/interface/*.py",
    "serving/live/*.py",
    "serving/service.py",
    "serving/store/*.py",
    "serving/ui/*.css",
    "serving/ui/*.html",
    "serving/ui/*.js",
    "serving/ui/*.svg",
    "serving/worker.py",
)
"""The code that a Bento contains: whole folders, or the modules that it needs of one.

A change elsewhere does not make a new Bento.
"""
_ROOMS = ("components", "serving")


def served_files() -> list[Path]:
    """The files of `SERVED`, relative to the folder of the code."""
    return sorted(path.relative_to(ROOT) for name in SERVED for path in ROOT.glob(name))


@cache
def code_digest() -> str:
    """SHA-256 of the code that a Bento contains, part of the key of the step that builds one."""
    return digest_json({file.as_posix(): digest_file(ROOT / file) for file in served_files()})


def has_todays_code(bento: Path) -> bool:
    """Whether a Bento contains the code that one would be built with now."""
    source = bento / "src"
    carried = {p.relative_to(source) for room in _ROOMS for p in (source / room).rglob("*.py")}
    return carried == {f for f in served_files() if f.suffix == ".py"} and all(
        digest_file(source / file) == digest_file(ROOT / file) for file in served_files()
    )
