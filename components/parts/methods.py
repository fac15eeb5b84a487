"""The catalogue of methods: the description in each file, and the verdicts of the experiments.

A file that holds a method has a literal ``METHOD`` (one, or a list of several) at its top level.
Files are read, not imported: a list of methods needs none of their libraries.
"""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.core.errors import UsageError, unknown_name

ROOT = Path(__file__).parents[1]
MEASURED = Path(__file__).parent / "measured.json"
"""Id of a method to ``verdict`` and ``result``; ``python -m benchmarks.methods --page`` writes."""
_DECLARED = re.compile(r"^METHOD\b", re.MULTILINE)
_SOURCE = re.compile(r"Sources?: (.+?)(?:\n\s*\n|$)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method.

    Attributes:
        id: its stable id, with the letter of a variant.
        name: the common name that readers of papers look for.
        purpose: what it is for.
        needs: what a data set must have.
        use: the line of YAML, or the command, that switches it on.
        source: papers, from the docstring of its file.
        file: where it is, relative to the packages.
        verdict: ``shown``, ``not shown`` or ``opposite`` of what was claimed; None: not measured.
        result: what was measured here, in one line.
    """

    id: str
    name: str
    purpose: str
    needs: str
    use: str
    source: str
    file: str
    verdict: str | None
    result: str


@cache
def catalogue() -> tuple[Method, ...]:
    """All methods, sorted by id."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if _DECLARED.search(text):
            found += _declared(path, text)
    return tuple(sorted(found, key=lambda method: method.id))


def chosen(name: str | None) -> list[Method]:
    """The methods with an id (``L01`` has the variants ``L01a``, ``L01b``), a family or a name.

    Raises:
        UsageError: there is none.
    """
    every = catalogue()
    if name is None:
        return list(every)
    wanted = name.casefold()
    if len(name) == 1:
        found = [m for m in every if m.id[0].casefold() == wanted]
    else:
        found = [m for m in every if re.fullmatch(f"{re.escape(wanted)}[a-z]?", m.id.casefold())]
    found = found or [m for m in every if wanted in m.name.casefold()]
    if not found:
        raise UsageError(unknown_name("method", name, [m.id for m in every]))
    return found


def _declared(path: Path, text: str) -> list[Method]:
    """The description that a file declares in ``METHOD``."""
    tree = ast.parse(text)
    (told,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and [getattr(t, "id", None) for t in node.targets] == ["METHOD"]
    )
    source = _SOURCE.search(ast.get_docstring(tree) or "")
    return [
        Method(
            id=one["id"],
            name=one["name"],
            purpose=one["for"],
            needs=one["needs"],
            use=one["use"],
            source="" if source is None else " ".join(source[1].split()),
            file=str(path.relative_to(ROOT.parent)),
            **_measured(one["id"]),
        )
        for one in (told if isinstance(told, list) else [told])
    ]


def _measured(name: str) -> dict[str, Any]:
    """Verdict and result of a method, or of the claim about all variants of its id."""
    nothing = {"verdict": None, "result": "not measured"}
    return dict(_results().get(name) or _results().get(name[:3]) or nothing)


@cache
def _results() -> dict[str, Any]:
    return dict(json.loads(MEASURED.read_text(encoding="utf-8"))) if MEASURED.exists() else {}
