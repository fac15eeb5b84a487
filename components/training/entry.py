"""What a training pod runs: ``python -m components.training.entry --config URI --out URI``.

Everything comes by URI and digest and is verified; nothing here knows an orchestrator, a registry or a service.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import ValidationError

from components.errors import UsageError, UserError
from components.progress import Log, Progress, silent, unlogged
from components.refs import Ref, digest_folder, written_aside
from components.training.spec import TrainSpec


def run(
    spec: TrainSpec,
    *,
    out: Path,
    checkpoints: Path | None = None,
    log: Log = unlogged,
    progress: Progress = silent,
) -> dict[str, int]:
    """Do one training task.

    Args:
        spec: the task and its inputs.
        out: an empty folder; see ``components.training.tasks`` for what it takes.
        checkpoints: a folder that survives a kill; the same spec then goes on where it stopped.
        log: takes figures of each epoch.
        progress: told after every step.

    Returns:
        Optimiser steps behind the result (``steps``), and how many of them an interrupted run had done (``resumed_from``).

    Raises:
        UserError: an input is missing or not what its digest says, or there is nothing to learn from.
    """
    from components.features import Features
    from components.training import tasks

    with ExitStack() as stack:

        def place(name: str) -> Path:
            ref = getattr(spec, name)
            if ref is None:
                raise UsageError(f"task {spec.task!r} needs `{name}` (uri and digest); it was not given")
            return stack.enter_context(fetched(ref, name))

        features = Features.load(place("features"))
        trainer = tasks.Trainer(spec=spec, features=features, checkpoints=checkpoints, log=log, progress=progress)
        if spec.task == "teach":
            tasks.teach(trainer, out)
        elif spec.task == "train":
            tasks.train(trainer, teacher=place("teacher"), pseudo=place("pseudo"), out=out)
        else:
            tasks.baselines(trainer, student=place("student"), pseudo=place("pseudo"), out=out)
    return {"steps": trainer.steps, "resumed_from": trainer.resumed}


@contextmanager
def fetched(ref: Ref, name: str) -> Iterator[Path]:
    """The folder behind a reference, local and verified; a remote one is copied for the time of the block.

    Raises:
        UserError: nothing there, or other content than the digest says.
    """
    with ExitStack() as stack:
        folder = ref.path
        if _remote(ref.uri):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / name
            _filesystem(ref.uri).get(ref.uri.rstrip("/") + "/", str(folder) + "/", recursive=True)
        if not folder.is_dir():
            raise UserError(f"{name}: no folder at {ref.uri}; run the step that writes it")
        digest = digest_folder(folder)
        if digest != ref.digest:
            raise UserError(
                f"{name}: {ref.uri} holds other content (digest {digest[:12]}) than was asked for ({ref.digest[:12]}); "
                "run the step that writes it again"
            )
        yield folder


def main(arguments: list[str] | None = None) -> int:
    """Read a spec from a URI, do it, and put the result at another; figures go to standard error, one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m components.training.entry", description=main.__doc__)
    parser.add_argument("--config", required=True, help="URI of a TrainSpec as JSON")
    parser.add_argument("--out", required=True, help="URI of the folder to write")
    parser.add_argument("--checkpoints", type=Path, help="local folder that survives a restart")
    given = parser.parse_args(arguments)
    try:
        result = _run_between(given.config, given.out, given.checkpoints)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def _run_between(config: str, out: str, checkpoints: Path | None) -> dict[str, int]:
    import fsspec

    try:
        with fsspec.open(config, "rt", encoding="utf-8") as file:
            spec = TrainSpec.model_validate_json(file.read())
    except FileNotFoundError as error:
        raise UsageError(f"--config: nothing at {config}") from error
    except ValidationError as error:
        raise UsageError(f"--config: {config} is no TrainSpec: {error}") from error

    def log(metrics: dict[str, float], step: int) -> None:
        sys.stderr.write(json.dumps({"step": step, **metrics}) + "\n")
        sys.stderr.flush()

    if not _remote(out):
        with written_aside(Path(out.removeprefix("file://"))) as folder:
            return run(spec, out=folder, checkpoints=checkpoints, log=log)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "out"
        folder.mkdir()
        result = run(spec, out=folder, checkpoints=checkpoints, log=log)
        _filesystem(out).put(str(folder) + "/", out.rstrip("/") + "/", recursive=True)
    return result


def _remote(uri: str) -> bool:
    return "://" in uri and not uri.startswith("file://")


def _filesystem(uri: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    import fsspec

    return fsspec.core.url_to_fs(uri)[0]


if __name__ == "__main__":
    sys.exit(main())
