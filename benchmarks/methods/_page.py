"""``docs/methods.md`` and the line that ``concord methods`` shows, from the cells that were run."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks._loop import ROOT
from benchmarks.methods._claim import (
    SEEDS,
    Check,
    Claim,
    Figures,
    found,
    verdict,
    verdict_of,
)
from components.parts.methods import MEASURED, Method, catalogue

PAGE = ROOT / "docs" / "methods.md"
INTRO = Path(__file__).parent / "intro.md"
"""The text before the table, with places for ``minutes`` and ``told``, the count of verdicts."""


def write(experiments: Mapping[str, ModuleType], lines: Sequence[dict[str, Any]]) -> None:
    """Write both files."""
    claims = {id_: module.CLAIM for id_, module in experiments.items()}
    cells = {id_: _figures(lines, id_, "bed") for id_ in claims}
    real = {id_: _figures(lines, id_, "real") for id_ in claims}
    verdicts = {id_: verdict(claim, cells[id_]) for id_, claim in claims.items()}
    told_of = {id_: verdicts[id_] or _so_far(cells[id_]) for id_ in claims}
    counts = Counter(v or "with fewer than five seeds" for v in verdicts.values())
    told = ", ".join(f"{n} {what}" for what, n in counts.most_common())
    minutes = sum(line["seconds"] for line in lines) / 60
    intro = INTRO.read_text(encoding="utf-8")
    text = [intro.format(minutes=round(minutes), told=f"Of {len(claims)} claims: {told}.")]
    text.append(_table(claims, told_of, real))
    text += [_section(claim, cells[id_], real[id_]) for id_, claim in claims.items()]
    PAGE.write_text("\n".join(text), encoding="utf-8")
    measured = {
        id_: {"verdict": verdicts[id_], "result": _line(claim, cells[id_], real[id_])}
        for id_, claim in claims.items()
        if cells[id_] or real[id_]
    }
    MEASURED.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _figures(lines: Sequence[dict[str, Any]], id_: str, part: str) -> list[Figures]:
    return [x["figures"] for x in lines if (x["id"], x["part"]) == (id_, part)]


def _so_far(cells: Sequence[Figures]) -> str:
    return f"{len(cells)} of {SEEDS} seeds" if cells else "not measured"


def _methods(id_: str) -> list[Method]:
    """The methods behind a claim: its own, the variants of its id, or what it is a variant of."""
    every = catalogue()
    own = [m for m in every if m.id == id_] or [m for m in every if m.id[:3] == id_]
    return own or [m for m in every if m.id == id_[:3]]


def _name(id_: str) -> str:
    return "; ".join(m.name for m in _methods(id_)) or "-"


def _adds(claim: Claim, real: Sequence[Figures]) -> list[str]:
    """Each figure of a claim on a real set, with where it was measured."""
    each = ((where, found(value, real)) for where, value in claim.adds.items())
    return [f"{one} ({where})" for where, one in each if one]


def _table(
    claims: Mapping[str, Claim], verdicts: Mapping[str, str], real: Mapping[str, Any]
) -> str:
    """One row for each claim."""
    rows = ["| id | method | claim | on top of the default |", "|---|---|---|---|"]
    for id_, claim in claims.items():
        over = "; ".join(_adds(claim, real[id_])) or "-"
        rows.append(f"| [{id_}](#{id_.lower()}) | {_name(id_)} | {verdicts[id_]} | {over} |")
    return "\n".join([*rows, ""])


def _section(claim: Claim, cells: Sequence[Figures], real: Sequence[Figures]) -> str:
    """All about one claim."""
    text = [f"## {claim.id}", ""]
    text += [f"{m.id}, {m.name}: {m.purpose}. Needs {m.needs}. `{m.use}`\n" for m in
             _methods(claim.id)]  # fmt: skip
    text += [f"Claimed beforehand: {claim.says}\n", f"Tried on {claim.bed}.\n"]
    text += ["| what | measured | wanted | |", "|---|---|---|---|"]
    for check in claim.checks:
        one = found(check.value, cells)
        said = verdict_of(check, one) if one and one.seeds >= SEEDS else _so_far(cells)
        text.append(f"| {check.what} | {one or '-'} | {_bounds(check)} | {said} |")
    if adds := _adds(claim, real):
        text.append(f"\nOn top of the default: {'; '.join(adds)}.")
    return "\n".join([*text, *([f"\n{claim.note}"] if claim.note else []), ""])


def _bounds(check: Check) -> str:
    bounds = [f"above {check.above:g}"] if check.above is not None else []
    bounds += [f"below {check.below:g}"] if check.below is not None else []
    return ", ".join(bounds)


def _line(claim: Claim, cells: Sequence[Figures], real: Sequence[Figures]) -> str:
    """The first check, and what the method adds to the default."""
    first, adds = claim.checks[0], "; ".join(_adds(claim, real))
    one = found(first.value, cells)
    told = [
        f"{first.what}: {one}" if one else "",
        "" if not one or one.seeds >= SEEDS else f"{_so_far(cells)}, no verdict",
        f"on top of the default: {adds}" if adds else "",
    ]
    return "; ".join(text for text in told if text)
