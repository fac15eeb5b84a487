"""How near `concord plan` comes: its prediction beside a measured run of the real steps, at two sizes of the glyph set.

Rates are measured on samples of 250 and 1,000 records alone. The measured run is that of ``flows.steps`` without Prefect, in a
fresh process. What only a teacher knows (how many pseudo-labels are accepted, whether the student is kept) is not told to
the plan.

On a busy machine wall clocks do not compare. A yardstick (fixed work that uses all cores) is therefore timed around
the measuring of rates and around every step; "at equal speed" is the measured time divided by how much slower the yardstick
was there. Both ratios are printed.

Run: ``nice python -m benchmarks.plan_accuracy`` (about five minutes on two cores).
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SIZES = (2000, 5810)


def yardstick() -> float:
    """Seconds of fixed work: products of matrices on all cores, and a hash on one."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(1200, 1200)).astype(np.float32)
    data = rng.bytes(32 << 20)
    start = time.perf_counter()
    for _ in range(12):
        matrix = matrix @ matrix
        matrix /= np.abs(matrix).max()
    for _ in range(4):
        hashlib.sha256(data).digest()
    return time.perf_counter() - start


def predict(config: Path, data: Path, scratch: Path) -> tuple[list[dict[str, Any]], float, float]:
    """The plan of both sizes from one set of rates, how long measuring took, and the yardstick around it."""
    profile = scratch / "profile.json"
    command = [sys.executable, "-m", "flows.cli", "plan", str(config), "--data", str(data), "--json"]
    command += [*(f"--records={n}" for n in SIZES), "--save-profile", str(profile)]
    speeds = [yardstick()]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    speeds.append(yardstick())
    answer = json.loads(done.stdout)
    return answer["plans"], answer["profile"]["seconds"], sum(speeds) / 2


def measure(config_path: Path, data: Path, home: Path) -> dict[str, dict[str, float]]:
    """Seconds and bytes of every step, in this process, into an empty state folder."""
    from components import config as configuration
    from components.home import Home
    from components.progress import silent
    from components.refs import Ref, digest_folder
    from flows import engines, steps

    engines.quiet()
    config = configuration.load(config_path, str(data))
    job = steps.Job(config=config, base=config_path.resolve().parent, home=Home(root=home), progress=silent)
    known = {"data": Ref(uri=str(data), digest="")}
    found = {}
    before = yardstick()
    for step in steps.STEPS:
        out = home / "out" / step.name
        out.mkdir(parents=True)
        start = time.perf_counter()
        step.work(job, {name: known[name] for name in step.inputs}, out)
        known[step.name] = Ref(uri=str(out), digest=digest_folder(out))
        seconds = time.perf_counter() - start
        after = yardstick()
        found[step.name] = {"seconds": seconds, "yardstick": (before + after) / 2}
        before = after
        found[step.name]["bytes"] = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
        history = [json.loads(p.read_text())["steps"] for p in sorted(out.rglob("history.json")) if "model" not in p.parts]
        found[step.name]["steps"] = sum(history) if step.name in ("teach", "train", "baselines") else 0
        sys.stderr.write(f"  measured {step.name}: {seconds:.1f} s\n")
    return found


def table(size: int, plan: dict[str, Any], measured: dict[str, dict[str, float]], speed: float) -> str:
    """Predicted, measured and their ratios for each stage, in Markdown."""
    lines = [f"| {size:,} records | predicted s | measured s | ratio | ratio at equal speed | steps p/m | written p/m |"]
    lines.append("|---|---|---|---|---|---|---|")
    totals = [0.0, 0.0]
    for stage in plan["stages"]:
        real = measured[stage["name"]]
        equal = real["seconds"] * speed / real["yardstick"]
        totals = [totals[0] + real["seconds"], totals[1] + equal]
        steps = f"{stage['steps']} / {real['steps']:.0f}" if stage["steps"] else ""
        lines.append(
            f"| {stage['name']} | {stage['seconds']:.1f} | {real['seconds']:.1f} | {stage['seconds'] / real['seconds']:.2f} | "
            f"{stage['seconds'] / equal:.2f} | {steps} | {stage['written_bytes'] / real['bytes']:.2f} |"
        )
    ratios = [f"{plan['seconds'] / total:.2f}" for total in totals]
    lines.append(f"| all | {plan['seconds']:.1f} | {totals[0]:.1f} | {ratios[0]} | {ratios[1]} | | |")
    low, high = plan["seconds_range"]
    return "\n".join([*lines, "", f"range of the plan (none, all pseudo-labelled): {low:.1f} to {high:.1f} s"])


def main() -> None:
    """Make the sets, predict, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "conf" / "demo.yaml")
    parser.add_argument("--measure", nargs=2, type=Path, metavar=("DATA", "HOME"), help="only measure; prints JSON")
    given = parser.parse_args()
    if given.measure:
        sys.stdout.write(json.dumps(measure(given.config, *given.measure)))
        return
    from components import config as configuration
    from components.data.glyphs import make_glyphs
    from components.plan.sample import write
    from components.plan.survey import survey

    with tempfile.TemporaryDirectory(prefix="concord-plan-accuracy-") as folder:
        scratch = Path(folder)
        whole, small = scratch / "glyphs", scratch / "small"
        make_glyphs(whole)
        config = configuration.load(given.config, str(whole))
        write(config.data, survey(config.data), SIZES[0], small)
        small_config = _without_labels(given.config, scratch)
        plans, took, speed = predict(given.config, whole, scratch)
        sys.stdout.write(f"rates measured in {took:.0f} s; yardstick {speed:.2f} s; load {os.getloadavg()[0]:.1f}\n\n")
        for size, data, path, plan in zip(SIZES, (small, whole), (small_config, given.config), plans, strict=True):
            command = [sys.executable, "-m", "benchmarks.plan_accuracy", "--config", str(path)]
            command += ["--measure", str(data), str(scratch / f"home-{size}")]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
            sys.stdout.write(table(size, plan, json.loads(done.stdout), speed) + "\n\n")
            sys.stdout.flush()


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
