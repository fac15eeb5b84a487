"""Run the experiments that are missing: ``python -m benchmarks.methods [ID ...]``.

Each line of the results is one cell: an experiment (``bed``, or ``real`` for what a method adds on
top of the default) and a seed. Cells that are there are not run again, so it can be stopped at any
time. ``--page`` writes ``docs/methods.md``, and what ``concord methods`` shows, from the results
and runs nothing. ``--short`` prints the short form of each and writes nothing.

An experiment is a file here, named by its id in lower case. It has ``CLAIM``, written before
anything was measured, ``run(seed, short) -> figures``, and perhaps ``real(seed) -> figures``,
``SLOW = True`` (its short form takes more than 5 s) or ``FAILS``: why its short form does not hold.
Real sets come from the folder that CONCORD_BENCH_DATA names.
"""

import argparse
import json
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import torch

from benchmarks import methods
from benchmarks.methods._claim import SEEDS, Figures, found, verdict_of

RESULTS = Path(__file__).parent / "results.jsonl"
REAL_SEEDS = 3


def experiments() -> dict[str, ModuleType]:
    """Id to experiment, in the order of ids."""
    names = sorted(m.name for m in pkgutil.iter_modules(methods.__path__) if m.name[0] != "_")
    found = [import_module(f"benchmarks.methods.{name}") for name in names]
    return {one.CLAIM.id: one for one in found}


def read(path: Path = RESULTS) -> list[dict[str, Any]]:
    """The lines of the results."""
    return [json.loads(x) for x in path.read_text().splitlines()] if path.exists() else []


def figures(lines: Sequence[dict[str, Any]], id_: str, part: str) -> list[Figures]:
    """What the seeds of an experiment measured."""
    return [x["figures"] for x in lines if (x["id"], x["part"]) == (id_, part)]


def tell(module: ModuleType, cells: Sequence[Figures]) -> None:
    """Print what the checks say so far."""
    for check in module.CLAIM.checks:
        one = found(check.value, cells)
        if one is not None:
            text = f"{module.CLAIM.id}: {check.what}: {one}: {verdict_of(check, one)}"
            sys.stderr.write(text + "\n")


def main() -> None:
    """Run them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", help="methods, all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--real-seeds", type=int, default=REAL_SEEDS)
    parser.add_argument("--short", action="store_true", help="the short forms; writes nothing")
    parser.add_argument("--page", action="store_true", help="write docs/methods.md; runs nothing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.page:
        from benchmarks.methods._page import write

        write(experiments(), read(chosen.out))
        return
    known = experiments()
    if unknown := sorted(set(chosen.ids) - set(known)):
        parser.error(f"no experiment {', '.join(unknown)}; there are {', '.join(known)}")
    for id_ in chosen.ids or known:
        module = known[id_]
        if chosen.short:
            begun = perf_counter()
            seen = module.run(0, short=True)
            said = "holds" if module.CLAIM.direction(seen) else "DOES NOT HOLD"
            sys.stdout.write(f"{id_}: {said} ({perf_counter() - begun:.1f} s) {seen}\n")
            continue
        for part, seeds in (("bed", chosen.seeds), ("real", chosen.real_seeds)):
            _cells(module, part, seeds, chosen.out)
        tell(module, figures(read(chosen.out), id_, "bed"))


def _cells(module: ModuleType, part: str, seeds: int, out: Path) -> None:
    """Run the seeds of one part that are missing."""
    work = module.run if part == "bed" else getattr(module, "real", None)
    done = {(x["id"], x["part"], x["seed"]) for x in read(out)}
    for seed in range(seeds if work else 0):
        if (module.CLAIM.id, part, seed) in done:
            continue
        begun = perf_counter()
        seen = work(seed, short=False) if part == "bed" else work(seed)
        line = {
            "id": module.CLAIM.id,
            "part": part,
            "seed": seed,
            "figures": {name: round(float(value), 5) for name, value in seen.items()},
            "seconds": round(perf_counter() - begun, 1),
        }
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        sys.stderr.write(f"{json.dumps(line)}\n")


if __name__ == "__main__":
    main()
