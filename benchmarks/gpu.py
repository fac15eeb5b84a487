"""The training path on a GPU, in one script of at most eight minutes: ``python -m benchmarks.gpu``.

Four JSON lines:

- ``gpu_losses``: the losses of one training in full precision, on the processor and on the device.
- ``gpu_path``: all steps between encode and evaluate on the device, with their seconds.
- ``gpu_steps``: training steps in bf16 over a bare loop of forward, backward and optimiser whose
  batches lie on the device already; ``ratio`` is bare seconds over ours.
- ``gpu_encode``: pictures a second through limits, decoding, frozen encoder and cache, in one
  process for every two cores, as parts of a Job encode. The encoder runs on processors.

``--short`` does the same in seconds on the processor; its figures say nothing of a GPU. Where
torch sees no CUDA device, only ``--short`` runs, and the figures of a GPU stay open.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks import training_loop
from benchmarks._timing import report
from components.config.home import Home
from components.config.run import DataConfig, RunConfig, TrainingConfig
from components.core.refs import Ref, digest_folder
from components.data.manifest import Manifest
from components.features.modality import build_modality, rebuilt
from components.features.store import FeaturesWriter
from components.features.target import build_target
from components.training.distributed import ALONE
from components.training.loop import fit
from components.training.objective import Objective
from components.training.state import TrainState

PATH = ("teach", "pseudo_label", "train", "baselines")
CLASSES = [f"class{c}" for c in range(10)]
STILL = {"augment": False, "modality_dropout": 0.0, "seed": 3}
"""A training that draws nothing on the device, so that two devices do the same."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is done.

    Attributes:
        device: ``cuda`` or ``cpu``.
        records: of the data set that the whole path learns from.
        epochs: of the trainings that are compared.
        batch: records of a timed step.
        steps: that are timed.
        pictures: that are encoded.
    """

    device: str
    records: int
    epochs: int
    batch: int
    steps: int
    pictures: int


LONG = Size(device="cuda", records=20_000, epochs=12, batch=1024, steps=200, pictures=100_000)
SHORT = Size(device="cpu", records=200, epochs=2, batch=64, steps=4, pictures=16)


def losses(size: Size) -> None:
    """Train the same model on both devices."""
    data, specs = training_loop.pixels(np.random.default_rng(0), 8 * size.batch)
    histories = []
    for device in ("cpu", size.device):
        model = training_loop.model(specs, dropout=0.0)
        config = TrainingConfig(batch_size=size.batch, device=device, precision="fp32", **STILL)
        fitted = fit(model, training_loop.losses(), data, config, epochs=size.epochs)
        histories.append([epoch["loss"] for epoch in fitted.history])
    here, there = (np.array(history) for history in histories)
    apart = float(np.max(np.abs(there - here) / here))
    figures = {"first": there[0], "last": there[-1], "largest_relative_difference": apart}
    met = apart <= 0.02 if size.device == "cuda" else None
    report("gpu_losses", target="within 0.02 of the processor's", met=met, **figures)


def path(size: Size) -> None:
    """Run the steps that learn, on records of three frozen views with clusters."""
    from flows.steps.step import Call, Job
    from flows.steps.table import steps_for

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        features = root / "features"
        written(features, size.records)
        training = TrainingConfig(device=size.device, epochs=size.epochs)
        config = RunConfig(name="gpu", data=DataConfig(uri=str(root)), training=training)
        modalities = {name: {"kind": name, "column": name} for name in training_loop.CACHED}
        manifest = Manifest.model_validate(
            {"target": {"column": "label"}, "modalities": modalities}
        )
        data = Ref(uri=str(root), digest="")
        home = Home(root=root / "home")
        job = Job(config=config, base=root, home=home, manifest=manifest, data=data)
        outputs, seconds = {"encode": _ref(features)}, {}
        for step in steps_for(config, manifest):
            if step.name not in PATH:
                continue
            out = root / step.name
            out.mkdir()
            start = time.perf_counter()
            inputs = step.given(outputs)
            step.work(Call(step=step, job=job, inputs=inputs, key=step.name, out=out))
            seconds[step.name] = time.perf_counter() - start
            outputs[step.name] = _ref(out)
    report("gpu_path", target="runs", met=set(seconds) == set(PATH), **seconds)


def _ref(folder: Path) -> Ref:
    return Ref(uri=str(folder), digest=digest_folder(folder))


def written(out: Path, records: int) -> None:
    """A features folder of random vectors around the centres of ten classes, a tenth labelled."""
    rng, every = np.random.default_rng(0), np.arange(records)
    specs = {n: build_modality(n, n, o, {}).spec for n, o in training_loop.CACHED.items()}
    out.mkdir(parents=True)
    writer = FeaturesWriter(out, specs, records, build_target("single", CLASSES), "single")
    code = rng.integers(0, len(CLASSES), records)
    inputs = {}
    for name, spec in specs.items():
        for view, encoder in rebuilt(name, spec).encoders.items():
            width = encoder.shape[0]
            centres = 0.3 * rng.standard_normal((len(CLASSES), width), np.float32)
            noise = rng.standard_normal((records, width), np.float32)
            inputs[view] = (every, centres[code] + noise)
    split = rng.choice(["train", "val", "test"], records, p=[0.8, 0.1, 0.1])
    shown = (split != "train") | (rng.random(records) < 0.1)
    label = [CLASSES[c] if seen else None for c, seen in zip(code, shown, strict=True)]
    ids = [f"r{row}" for row in every]
    table = pa.table({"id": ids, "group": ids, "split": split, "label": label})
    contents = {name: every + 1 for name in specs}
    writer.add(table, inputs, {name: [None] * records for name in specs}, contents)
    writer.close()


def steps(size: Size) -> None:
    """Time steps of the real loop and of a bare one, in turns; the best of each counts."""
    device = torch.device(size.device)
    data, specs = training_loop.pixels(np.random.default_rng(0), 8 * size.batch)
    config = TrainingConfig(batch_size=size.batch, device=size.device, precision="bf16")
    terms = training_loop.losses()
    state = TrainState(
        training_loop.model(specs), terms, data, config,
        epochs=size.steps, placement=(device, torch.bfloat16), world=ALONE,
    )  # fmt: skip
    bare = Objective(training_loop.model(specs), terms, config, torch.bfloat16, ALONE)
    bare = bare.to(device).train()
    optimiser = torch.optim.AdamW(bare.parameters(), lr=1e-3, fused=True)
    batches = [data.batch(rows, device) for rows in data.batches(size.batch, 0, 0)]
    at = iter(range(10**9))

    def step() -> None:
        optimiser.zero_grad()
        bare(batches[next(at) % len(batches)]).sum().backward()
        optimiser.step()

    state.advance(), step()
    waits = _waits(state.advance, size)
    times = [(_seconds(state.advance, size), _seconds(step, size)) for _ in range(4)]
    ours, least = (min(column) for column in zip(*times, strict=True))
    ratio = least / ours
    figures = {"ratio": ratio, "ms": 1000 * ours, "ms_bare": 1000 * least, "waits": waits}
    met = ratio >= 0.85 and not waits if size.device == "cuda" else None
    report("gpu_steps", target="on a GPU ratio >= 0.85, without waiting", met=met, **figures)


def _waits(step: Callable[[], None], size: Size) -> int:
    """1 if a step within an epoch makes the processor wait for the device, else 0."""
    if size.device != "cuda":
        return 0
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        sys.stderr.write(f"a step waits: {error}\n")
        return 1
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return 0


def _seconds(step: Callable[[], None], size: Size) -> float:
    """Seconds of one step, the mean of a quarter of all."""
    wait = torch.cuda.synchronize if size.device == "cuda" else (lambda: None)
    count = max(1, size.steps // 4)
    wait()
    start = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return (time.perf_counter() - start) / count


def encode(size: Size) -> None:
    """Encode pictures, each different, in parts."""
    processes = max(1, (os.cpu_count() or 1) // 2) if size.device == "cuda" else 1
    counts = [len(part) for part in np.array_split(np.arange(size.pictures), processes)]
    if processes == 1:
        seconds = [encoded(0, counts[0])]
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            seconds = list(pool.map(encoded, range(processes), counts))
    figures = {"pictures": size.pictures, "processes": processes, "seconds": max(seconds)}
    figures["pictures_per_second"] = size.pictures / max(seconds)
    report("gpu_encode", target="none", met=None, **figures)


def encoded(part: int, count: int) -> float:
    """Seconds of one part, without those in which its pictures are made."""
    from benchmarks.encode_pictures import files, ours

    given = files(count, seed=part)
    ours(given[:1])
    return ours(given)[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="seconds, on the processor")
    short = parser.parse_args(arguments).short
    if not short and not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device, so the figures of a GPU stay open; try --short")
    for measure in (losses, path, steps, encode):
        measure(SHORT if short else LONG)


if __name__ == "__main__":
    main()
