"""The guessed manifest as YAML, with a comment wherever the user should check it."""

from itertools import chain, count
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from components.core.names import FUSED
from components.data.importing.report import Report
from components.data.importing.uses import Use

_FACTS = "facts"
"""Modality of the columns that are fields."""
_LONGEST = 60
"""Characters of a column's name that names a modality too."""
_LONG_KEY = 100
"""Characters of a longest key without a question mark; PyYAML's own emitter has 128."""


def manifest_text(
    roles: dict[str, str], uses: dict[str, Use], table: pa.Table, source: Path, report: Report
) -> str:
    """The guessed manifest, with a comment wherever the user should check it."""
    lines = [
        f"# Guessed from {_printable(source.name)}: please read and correct it, then run "
        "`concord data check DIR` with this folder.",
        f"id: {_yaml(roles['id'])}",
        _target(roles.get("label"), table),
        f"group: {_yaml(roles['group'])}"
        if "group" in roles
        else "# group: COLUMN    # records that must not be in two splits",
        "# time: COLUMN     # the moment that a record is from; searches can filter by it",
    ]
    if "split" in roles:
        lines.append(f"split: {{column: {_yaml(roles['split'])}}}")
    else:
        lines.append(
            "split: {salt: concord, validation: 0.1, test: 0.2}"
            "    # by hash; do not change the salt later"
        )
    lines.append("modalities:")
    for column, name in _names(uses).items():
        kind = uses[column].kind
        lines.append(f"  {_yaml(name)}: {{kind: {kind}, column: {_yaml(column)}}}")
    fields = {c: use for c, use in uses.items() if use.type != "modality"}
    for kind in dict.fromkeys(use.kind for use in fields.values()):
        lines += [
            f"  {_FACTS}:    # remove columns that give the class away",
            f"    kind: {kind}",
            "    columns:",
        ]
        lines += [
            f"      {_key(c)}: {{type: {use.type}, null: missing}}"
            for c, use in fields.items()
            if use.kind == kind
        ]
        lines.append(
            "      # an empty cell that means a value: {type: number, null: {default: 0}}; "
            "a list: {type: set, separator: ','}"
        )
    lines += [line for said in report.lines for line in _comments(said)]
    return "\n".join(lines) + "\n"


def _target(column: str | None, table: pa.Table) -> str:
    """The line that names what is predicted."""
    if column is None:
        return "target: {kind: none}    # nothing is predicted: alignment and search alone"
    label = table[column]
    sets = pa.types.is_list(label.type)
    classes = pc.count_distinct(pc.list_flatten(label) if sets else label).as_py()
    return (
        f"target: {{column: {_yaml(column)}, kind: {'multi' if sets else 'single'}}}"
        f"    # {classes} class{'' if classes == 1 else 'es'}, {label.null_count} unlabelled"
    )


def _names(uses: dict[str, Use]) -> dict[str, str]:
    """The name of each modality: that of its column where it may be one, else its kind."""
    names: dict[str, str] = {}
    taken = {_FACTS, FUSED}
    columns = [column for column, use in uses.items() if use.type == "modality"]
    for column in sorted(columns, key=lambda column: not _is_name(column)):
        kind = uses[column].kind
        numbered = (f"{kind}{n}" for n in count(2))
        options = chain([column] if _is_name(column) else [], [kind], numbered)
        names[column] = next(name for name in options if name not in taken)
        taken.add(names[column])
    return {column: names[column] for column in columns}


def _is_name(column: str) -> bool:
    """Whether a column's name may name a modality, and with it files and columns."""
    return column.isidentifier() and column.isascii() and len(column) <= _LONGEST


def _yaml(name: str) -> str:
    """A column's name as YAML text, in one line."""
    if name.isidentifier() and name.lower() not in ("y", "n") and yaml.safe_load(name) == name:
        return name
    quoted = yaml.safe_dump(name, default_style='"', allow_unicode=True, width=float("inf"))
    return quoted.removesuffix("\n")


def _key(name: str) -> str:
    """A column's name as a key of YAML; a parser takes a long one only behind a question mark."""
    text = _yaml(name)
    return text if len(text) < _LONG_KEY else f"? {text}\n      "


def _comments(text: str) -> list[str]:
    """Lines of comment, without the characters that YAML forbids even there."""
    return [f"# {_printable(line)}" for line in text.splitlines()]


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
