"""``docs/methods.md`` and the line that ``concord methods`` shows, from the cells that were run."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks._loop import ROOT
from benchmarks.methods._claim import Check, Claim, Figures, Found, found, verdict, verdict_of
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
    counts = Counter(v or "not measured" for v in verdicts.values())
    told = ", ".join(f"{n} {what}" for what, n in counts.most_common())
    minutes = sum(line["seconds"] for line in lines) / 60
    intro = INTRO.read_text(encoding="utf-8")
    text = [intro.format(minutes=round(minutes), told=f"Of {len(claims)} claims: {told}.")]
    text.append(_table(claims, verdicts, real))
    text += [_section(claim, cells[id_], real[id_]) for id_, claim in claims.items()]
    PAGE.write_text("\n".join(text), encoding="utf-8")
    measured = {
        id_: {"verdict": verdicts[id_], "result": _line(claim, cells[id_], real[id_])}
        for id_, claim in claims.items()
        if verdicts[id_]
    }
    MEASURED.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _figures(lines: Sequence[dict[str, Any]], id_: str, part: str) -> list[Figures]:
    return [x["figures"] for x in lines if (x["id"], x["part"]) == (id_, part)]


def _methods(id_: str) -> list[Method]:
    """The methods behind a claim: its own, or the variants of its id."""
    own = [m for m in catalogue() if m.id == id_]
    return own or [m for m in catalogue() if m.id[:3] == id_]


def _name(id_: str) -> str:
    return "; ".join(m.name for m in _methods(id_)) or "-"


def _adds(claim: Claim, real: Sequence[Figures]) -> Found | None:
    return found(claim.adds, real) if claim.adds else None


def _table(
    claims: Mapping[str, Claim], verdicts: Mapping[str, str | None], real: Mapping[str, Any]
) -> str:
    """One row for each claim."""
    rows = ["| id | method | claim | on top of the default |", "|---|---|---|---|"]
    for id_, claim in claims.items():
        adds = _adds(claim, real[id_])
        over = f"{adds} ({claim.on})" if adds else "-"
        rows.append(
            f"| [{id_}](#{id_.lower()}) | {_name(id_)} | {verdicts[id_] or 'not measured'} "
            f"| {over} |"
        )
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
        said = verdict_of(check, one) if one else "not measured"
        text.append(f"| {check.what} | {one or '-'} | {_bounds(check)} | {said} |")
    adds = _adds(claim, real)
    if adds:
        text.append(f"\nOn top of the default, {claim.on}: {adds}.")
    return "\n".join([*text, *([f"\n{claim.note}"] if claim.note else []), ""])


def _bounds(check: Check) -> str:
    bounds = [f"above {check.above:g}"] if check.above is not None else []
    bounds += [f"below {check.below:g}"] if check.below is not None else []
    return ", ".join(bounds)


def _line(claim: Claim, cells: Sequence[Figures], real: Sequence[Figures]) -> str:
    """The first check, and what the method adds to the default."""
    first, adds = claim.checks[0], _adds(claim, real)
    line = f"{first.what}: {found(first.value, cells)}"
    return line + (f"; on top of the default, {claim.on}: {adds}" if adds else "")
