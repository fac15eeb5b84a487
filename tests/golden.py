"""The outputs of each step on the tiny data set; ``python -m tests.golden`` rewrites them."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml
from safetensors.numpy import load_file

from components.config import run as configuration
from components.config.home import Home
from components.config.run import RunConfig
from components.core.yaml_file import parse_yaml
from components.data.manifest import Manifest
from flows.steps import table
from flows.steps.step import Job, Step, walk
from tests import tiny

FILE = Path(__file__).with_name("golden.json")


def run_all(folder: Path) -> dict[str, Path]:
    """Run every step bare on the tiny data set; returns each step's output by name."""
    path = tiny.config(folder, tiny.make(folder / "data"))
    job = Job.opened(configuration.load(path), base=folder, home=Home(root=folder / "home"))
    rows = table.steps_for(job.config, job.manifest, job.base)
    return {result.name: result.ref.path for result in walk(rows, job)}


def rows() -> dict[str, Step]:
    """The step table of the tiny configuration, by name, without its data."""
    config = RunConfig.model_validate(yaml.safe_load(tiny.CONFIG.replace("OPTIONS", "{}")))
    manifest = Manifest.model_validate(parse_yaml(tiny.MANIFEST, "tiny").tree)
    return {step.name: step for step in table.steps_for(config, manifest)}


def summary(folder: Path, leave_out: tuple[str, ...] = ()) -> dict[str, list[float]]:
    """Map each file to a few numbers that follow its content but not a processor's rounding."""
    files = sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and p.relative_to(folder).parts[0] not in leave_out
    )
    return {
        p.relative_to(folder).as_posix(): [round(n, 4) for n in _numbers(p)]
        for p in files
        if _numbers(p)
    }


def _numbers(path: Path) -> list[float]:
    if path.suffix == ".json":
        return _statistics(list(_leaves(json.loads(path.read_text()))))
    if path.suffix == ".npy":
        return _statistics(np.load(path).ravel())
    if path.suffix == ".safetensors":
        return _statistics(np.concatenate([v.ravel() for _, v in sorted(load_file(path).items())]))
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        numeric = [c for c in table.columns if str(c.type) in ("float", "double", "int64", "bool")]
        values = [np.array(c.drop_null().to_pylist(), dtype=float) for c in numeric]
        return [
            float(table.num_rows),
            float(table.num_columns),
            *_statistics(np.concatenate([*values, np.zeros(1)])),
        ]
    return []


def _leaves(tree: object):
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(value)
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield float(tree)


def _statistics(values) -> list[float]:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return [float(len(values)), float(values.mean()), float(values.std())] if len(values) else []


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        outputs = run_all(Path(folder))
        by_name = rows()
        found = {
            n: {"version": by_name[n].version, "files": summary(p, _leave_out(n))}
            for n, p in outputs.items()
        }
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"wrote {FILE.name}\n")


def _leave_out(step: str) -> tuple[str, ...]:
    # BentoML adds its own metadata to the Bento; our part of it is the package.
    return (*rows()[step].volatile, "bento")


if __name__ == "__main__":
    main()
