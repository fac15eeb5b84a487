"""What each ssl and balance part costs a training step, against plain steps of the same run.

``python -m benchmarks.ssl_cost``: cached views of three frozen encoders, batches of 128, as many
unlabelled records beside each. Trainings of all kinds take turns, and the least processor time
of each counts (one thread, so that other work on the machine matters little). The
plain step has the same losses and reads no unlabelled record.
"""

import time

import numpy as np
import torch

from benchmarks import training_loop
from benchmarks._timing import report
from components.config.run import Part, SslPart
from components.features.spec import ModalitySpec
from components.parts import loading as parts
from components.training.consistency import online
from components.training.data import TrainingData
from components.training.loop import fit

RECORDS, ROUNDS, EPOCHS = 2048, 4, 2
PLAIN = "plain"


def halves(data: TrainingData) -> TrainingData:
    """The same records, half of them without a label."""
    every = data.train
    shown, hidden = every[::2], every[1::2]
    weights = data.weights.copy()
    weights[hidden] = 0.0
    labels = data.labels.copy()
    labels[hidden] = -1
    return TrainingData(
        **{
            **vars(data),
            "labels": labels,
            "weights": weights,
            "supervised": shown,
            "hidden": hidden,
        }
    )


def seconds(
    data: TrainingData, specs: dict[str, ModalitySpec], name: str, family: str, **options: object
) -> float:
    """Processor seconds of one step, with one part or (no family) with none."""
    model = training_loop.model(specs)
    chosen = online(
        SslPart.model_validate({"name": name, **options}) if family == "ssl" else None,
        Part(name=name) if family == "balance" else None,
        model,
        data,
        None,
    )
    losses = training_loop.losses()
    start = time.process_time()
    done = fit(model, losses, data, training_loop.CONFIG, epochs=EPOCHS, online=chosen)
    return (time.process_time() - start) / done.steps


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    given, specs = training_loop.cached(np.random.default_rng(0), RECORDS)
    data = halves(given)
    cases = {PLAIN: ("", {})}
    cases |= {name: ("ssl", {}) for name in parts.available("ssl")}
    cases["fixmatch, running mean of weights"] = ("ssl", {"decay": 0.99})
    cases |= {name: ("balance", {}) for name in parts.available("balance")}
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(ROUNDS):
        for case, (family, options) in cases.items():
            name = case.partition(",")[0]
            best[case] = min(best[case], seconds(data, specs, name, family, **options))
    for case, taken in best.items():
        ratio = taken / best[PLAIN]
        report(
            f"ssl_cost: {case}",
            target="ratio <= 4",
            met=ratio <= 4,
            ratio=ratio,
            ms_per_step=1000 * taken,
        )


if __name__ == "__main__":
    main()
