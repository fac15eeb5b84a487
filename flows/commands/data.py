"""``concord data``: glyphs, import, check."""

from pathlib import Path

from components.config.home import find, writable
from components.core.commands import concord
from components.core.files import read_json
from components.core.places import in_utf8, is_url
from components.core.refs import digest_bytes
from flows import engines
from flows.commands.answer import Answer, table
from flows.display import Display


def glyphs(folder: Path, *, seed: int, faces: str) -> Answer:
    """Make the built-in set and its card."""
    from components.glyphs.card import write_accuracies
    from components.glyphs.glyphs import make_glyphs
    from components.glyphs.recipe import Recipe

    with Display() as display:
        make_glyphs(folder, Recipe(seed=seed, faces=faces), display.show)
    accuracies = write_accuracies(folder)
    rows = [
        [name, *(f"{value:.3f}" for value in figures.values())]
        for name, figures in accuracies.items()
    ]
    header = ["logistic regression", *next(iter(accuracies.values()))]
    text = f"made {folder}; its card: {folder / 'card.md'}\n\n{table(rows, header)}"
    value = {"folder": str(folder.absolute()), "accuracies": accuracies}
    return Answer(value=value, text=text, then="concord run conf/demo.yaml")


def import_(
    source: Path,
    folder: Path,
    named: dict[str, str],
    encoding: str | None,
    *,
    separator: str | None = None,
    outside: bool,
) -> Answer:
    """Turn a table or a folder of classes into a data set.

    Args:
        source: the table or folder.
        folder: the data set to make.
        named: role to the column that the user names for it.
        encoding: of a table of text, if the user names one.
        separator: of the classes in a label, if the user names one.
        outside: whether files outside the source's folder are packed too.
    """
    from components.data.importing.dataset import import_dataset

    with Display() as display:
        report = import_dataset(
            source,
            folder,
            display.show,
            named=named,
            separator=separator,
            encoding=encoding,
            outside=outside,
        )
    manifest = (folder / "dataset.yaml").read_text(encoding="utf-8")
    lines = [f"made {folder}: {report.sum}", *(f"- {line}" for line in report.lines)]
    lines += [f"correct its manifest, which was guessed from {source}:", "", manifest]
    value = {
        "folder": str(folder.absolute()),
        "records": report.records,
        "left_out": report.left_out,
        "notes": report.notes,
        "columns_not_used": report.columns,
    }
    return Answer(value=value, text="\n".join(lines), then=concord("data", "check", folder))


def _named(uri: str) -> str:
    """A folder's name for the results of a data set; no two sets share it.

    >>> _named("/data/new"), _named("/data/old/new")
    ('new-a39cc9effbd3', 'new-260f96707976')
    """
    last = uri.rstrip("/").rpartition("/")[2]
    return f"{last[:40] or 'set'}-{digest_bytes(uri.encode())[:12]}"


def check(folder: str, manifest: str | None) -> Answer:
    """Check a data set as a run would; its bad records and Data Docs are kept beside the state.

    Args:
        folder: the data set.
        manifest: a manifest beside a run's configuration, if the data set has none. Own kinds are
            searched beside it, else in the working directory.
    """
    engines.quiet()
    from components.config.run import DataConfig
    from components.core.files import written_aside
    from components.validation.accept import validate
    from flows.commands.copies import COPIES, copies_text, copies_value, search_in

    uri = in_utf8(folder) if is_url(folder) else in_utf8(Path(folder).resolve())
    place = writable(find()).root / "checks" / _named(uri)
    base = Path(manifest).resolve().parent if manifest else Path.cwd()
    with Display() as display, written_aside(place) as out:
        validate(
            data=DataConfig(uri=uri, manifest=manifest),
            out=out,
            base=base,
            progress=display.show,
        )
    with Display() as display:
        found = search_in(place, uri, base, display.show)
    summary = read_json(place / "summary.json")
    failed = [r for r in summary["rules"] if r["failed"]]  # type: ignore[attr-defined]
    reasons = place / "quarantine" / "reasons.json"
    examples = read_json(reasons)["examples"] if summary["quarantined"] else {}
    rows = [
        [r["severity"], r["name"], str(r["failed"]), *examples.get(r["name"], [""])[:1]]  # type: ignore[attr-defined]
        for r in failed
    ]
    lines = [
        f"{summary['records_in']} records: "
        f"{summary['accepted']} accepted, {summary['quarantined']} quarantined"
    ]
    lines += ["", table(rows, ["severity", "rule", "records", "for example"])] if rows else []
    # Of records in quarantine the table tells.
    told = summary["warnings"][1 if summary["quarantined"] else 0 :]  # type: ignore[index]
    lines += ["", *(f"- {line}" for line in told), ""] if told else []
    lines += [f"data docs: {place / 'data_docs' / 'index.html'}"]
    lines += [f"quarantine: {place / 'quarantine'}"] if summary["quarantined"] else []
    lines += copies_text(found, place / COPIES)
    value = summary | {
        "copies": copies_value(found),
        "data_docs": str(place / "data_docs" / "index.html"),
        "quarantine": str(place / "quarantine"),
    }
    then = f"look at {reasons}" if summary["quarantined"] else "concord run CONFIG"
    return Answer(
        value=value, text="\n".join(lines), then=then, exit_code=int(bool(summary["quarantined"]))
    )
