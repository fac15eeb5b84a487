"""The demo's figures under several seeds of training: ``python -m benchmarks.demo_seeds 0 1 2``.

Runs the steps of ``conf/demo.yaml`` on ``data/glyphs`` (``concord demo`` makes it), and prints one
line for each seed and the spread. Only the seed of the training differs: the records, their split
and their hidden labels are those of the demo.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from components.config import run as configuration
from components.config.home import find, writable
from components.core.files import read_json
from flows import engines
from flows.steps.step import Job, needed, walk
from flows.steps.table import steps_for

CONFIG = Path(__file__).parents[1] / "conf" / "demo.yaml"
_LINE = "{:<12} {:>9} {:>12} {:>9} {:>14} {:>17} {:>16} {:>16}\n"


def figures(seed: int) -> dict[str, float]:
    """The figures of one seed, by name."""
    config = configuration.load(CONFIG)
    training = config.training.model_copy(update={"seed": seed})
    config = config.model_copy(update={"training": training})
    job = Job.opened(config, base=CONFIG.parent, home=writable(find()))
    table = needed(steps_for(job.config, job.manifest, job.base), "evaluate")
    *_, evaluated = walk(table, job)
    found: dict[str, Any] = read_json(evaluated.ref.path / "metrics.json")
    gains = found["intervals"]
    return {
        "chosen": found["accuracy"],
        "labels alone": found["supervised_only"]["accuracy"],
        "single": found["best_single"]["accuracy"],
        "gain": gains["fused_minus_best_single"]["difference"],
        "complete": gains["fused_minus_best_single_complete"]["difference"],
        "text->image": found["retrieval"]["text->image"]["recall@10"],
        "image->text": found["retrieval"]["image->text"]["recall@10"],
    }


def main() -> None:
    """Run the seeds and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1, 2])
    engines.quiet()
    lines = {seed: figures(seed) for seed in parser.parse_args().seeds}
    names = list(next(iter(lines.values())))
    head = [{"gain": "over single", "complete": "where complete"}.get(n, n) for n in names]
    sys.stdout.write(_LINE.format("seed", *head))
    for seed, found in lines.items():
        sys.stdout.write(_LINE.format(seed, *(f"{found[n]:.3f}" for n in names)))
    spread = [max(f[n] for f in lines.values()) - min(f[n] for f in lines.values()) for n in names]
    sys.stdout.write(_LINE.format("most - least", *(f"{s:.3f}" for s in spread)))


if __name__ == "__main__":
    main()
