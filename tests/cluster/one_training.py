"""A training run to be killed: ``python -m tests.cluster.one_training SPEC BLOCK OUT``.

SPEC and BLOCK (the trainer block) are JSON.
"""

import json
import signal
import sys
from pathlib import Path

from components.config.trainer import KubernetesTrainer
from components.training.spec import TrainSpec
from flows.places.trainer import train


def main(spec: str, block: str, out: str) -> None:
    """Train and print messages as they arrive."""
    folder = Path(out)
    folder.mkdir(parents=True)
    clean = train(
        TrainSpec.model_validate_json(Path(spec).read_text(encoding="utf-8")),
        out=folder,
        checkpoints=folder.parent / "state",
        progress=lambda what, done, total: _say(f"{what} {done}/{total}"),
        trainer=KubernetesTrainer.model_validate(
            json.loads(Path(block).read_text(encoding="utf-8"))
        ),
        run="killed",
        say=_say,
    )
    if clean:
        clean()


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # A worker of pytest-xdist ignores the signal, and so does what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(*sys.argv[1:])
