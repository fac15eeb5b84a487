"""Accuracy of `concord plan`: predicted and measured runs at two sizes of the glyph set.

Rates are measured on samples of 250 and 1,000 records alone. The measured run is that of the step
table without Prefect, in a fresh process.

On a busy machine wall clocks do not compare, so both are measured by the processor's clock too
(with the seconds of child processes): it shows how good the laws are, the wall clock how good the
answer was that day.

Run: ``nice python -m benchmarks.plan_accuracy`` (about five minutes on two cores).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIZES = (2000, 5810)


def processor() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


CLOCKS = {"wall": time.perf_counter, "processor": processor}


def predict(path: Path, data: Path, clock: str) -> dict[str, Any]:
    """Rates measured in this process by one clock, and the plans that follow."""
    from flows import engines

    engines.quiet()
    from components.config import run as configuration
    from components.data.manifest import load_manifest
    from components.plan.estimate import Planner
    from components.plan.measure import measure as measured
    from components.plan.sample import survey
    from flows.commands.plan import stages

    config, base = configuration.load(path, str(data)), path.resolve().parent
    surveyed = survey(config.data, load_manifest(config.data.uri, config.data.manifest, base))
    rates = measured(config, surveyed, table=stages(base), now=CLOCKS[clock])
    planner = Planner(config=config, profile=rates)
    return {
        "seconds": rates.seconds,
        "load": rates.load,
        "plans": [asdict(planner.estimate(n)) for n in SIZES],
    }


def measure(path: Path, data: Path, home: Path) -> dict[str, dict[str, float]]:
    """Both clocks, steps and bytes of every stage, done in this process, in an empty home."""
    from flows import engines

    engines.quiet()
    import torch  # noqa: F401 - as `concord run` does before its steps, and plans before measuring

    from components.config import run as configuration
    from components.config.home import Home
    from components.core.refs import Ref, digest_folder
    from components.data.manifest import load_manifest
    from flows.steps.step import Call, Job
    from flows.steps.table import steps_for

    config = configuration.load(path, str(data))
    known = {"data": Ref(uri=str(data), digest="")}
    job = Job(
        config=config,
        base=path.resolve().parent,
        home=Home(root=home),
        manifest=load_manifest(config.data.uri, config.data.manifest),
        data=known["data"],
    )
    found = {}
    for step in steps_for(config, job.manifest, job.base):
        out = home / "out" / step.name
        out.mkdir(parents=True)
        start = {name: now() for name, now in CLOCKS.items()}
        step.work(Call(step=step, job=job, inputs=step.given(known), key="", out=out))
        known[step.name] = Ref(uri=str(out), digest=digest_folder(out))
        line: dict[str, float] = {name: now() - start[name] for name, now in CLOCKS.items()}
        line["bytes"] = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
        fitted = [
            json.loads(p.read_text())["steps"]
            for p in sorted(out.rglob("history.json"))
            if "model" not in p.parts
        ]
        line["steps"] = sum(fitted) if step.task else 0
        found[step.name] = line
        sys.stderr.write(f"  measured {step.name}: {line['wall']:.1f} s\n")
    return found


def table(
    at: int, predicted: dict[str, dict[str, Any]], measured: dict[str, dict[str, float]]
) -> str:
    """Predicted, measured and their ratios for each stage, in Markdown."""
    plans = {clock: found["plans"][at] for clock, found in predicted.items()}
    head = [f"{clock} s {what}" for clock in CLOCKS for what in ("predicted", "measured", "ratio")]
    lines = [
        f"| {SIZES[at]:,} records | {' | '.join(head)} | steps p/m | written p/m |",
        "|---" * (len(head) + 3) + "|",
    ]
    for number, stage in enumerate(plans["wall"]["stages"]):
        real = measured[stage["name"]]
        cells = [_cells(plans[clock]["stages"][number]["seconds"], real[clock]) for clock in CLOCKS]
        steps = f"{stage['steps']} / {real['steps']:.0f}" if stage["steps"] else ""
        lines.append(
            f"| {stage['name']} | {' | '.join(cells)} | {steps} "
            f"| {stage['written_bytes'] / real['bytes']:.2f} |"
        )
    totals = [
        _cells(plans[clock]["seconds"], sum(r[clock] for r in measured.values()))
        for clock in CLOCKS
    ]
    return "\n".join([*lines, f"| all | {' | '.join(totals)} | | |"])


def _cells(predicted: float, measured: float) -> str:
    return f"{predicted:.1f} | {measured:.1f} | {predicted / measured:.2f}"


def main() -> None:
    """Make the sets, predict, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "conf" / "demo.yaml")
    parser.add_argument(
        "--predict", nargs=2, metavar=("DATA", "CLOCK"), help="only predict; prints JSON"
    )
    parser.add_argument(
        "--measure", nargs=2, metavar=("DATA", "HOME"), help="only measure; prints JSON"
    )
    given = parser.parse_args()
    if given.predict:
        sys.stdout.write(
            json.dumps(predict(given.config, Path(given.predict[0]), given.predict[1]))
        )
        return
    if given.measure:
        sys.stdout.write(json.dumps(measure(given.config, *map(Path, given.measure))))
        return
    from components.config import run as configuration
    from components.data.manifest import load_manifest
    from components.glyphs.glyphs import make_glyphs
    from components.plan.sample import survey, write

    with tempfile.TemporaryDirectory(prefix="concord-plan-accuracy-") as folder:
        scratch = Path(folder)
        whole, small = scratch / "glyphs", scratch / "small"
        make_glyphs(whole)
        config = configuration.load(given.config, str(whole))
        manifest = load_manifest(config.data.uri, config.data.manifest, given.config.parent)
        write(config.data, survey(config.data, manifest), SIZES[0], small)
        predicted = {
            clock: _own("--config", given.config, "--predict", whole, clock) for clock in CLOCKS
        }
        for clock, found in predicted.items():
            sys.stdout.write(
                f"rates by the {clock} clock: {found['seconds']:.0f} s, load {found['load']:.1f}\n"
            )
        runs = ((small, _without_labels(given.config, scratch)), (whole, given.config))
        for at, (data, path) in enumerate(runs):
            measured = _own("--config", path, "--measure", data, scratch / f"home-{at}")
            sys.stdout.write(f"\n{table(at, predicted, measured)}\nload {os.getloadavg()[0]:.1f}\n")
            sys.stdout.flush()


def _own(*arguments: object) -> Any:  # noqa: ANN401 - JSON
    """Run this benchmark in a fresh process and return its output."""
    command = [sys.executable, "-m", "benchmarks.plan_accuracy", *map(str, arguments)]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def _without_labels(config: Path, folder: Path) -> Path:
    """The same run for a sample, whose hidden labels are not in it."""
    import yaml

    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree["data"].pop("labels", None)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
