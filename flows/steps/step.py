"""What a step is: a row of the step table, its key, and how it is run or found again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from components.config.home import Home
from components.config.run import RunConfig
from components.core.errors import UserError
from components.core.libraries import library_versions
from components.core.progress import Cleanup, Progress, Say, silent, unheard
from components.core.refs import Ref
from components.data.digest import data_digest
from components.data.manifest import Manifest, load_manifest
from components.features.suited import with_suited
from components.parts import loading as parts
from components.parts import own
from flows.steps.store import StepKey, StepResult, StepStore

if TYPE_CHECKING:
    from components.training.spec import Task

DATA = "data"
"""Name of the data set among the outputs that steps read."""

StepInputs = Mapping[str, Ref]
"""Input name of a step to the output that it reads."""
Outputs = Mapping[str, Ref]
"""Name of a row (or ``data``) to what it wrote."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every step of a run may use.

    Attributes:
        config: the run's configuration.
        base: folder of the configuration file; parts given by path are relative to it.
        home: the state folder.
        manifest: meaning of the data set's columns.
        data: the data set, by the digest of its content.
        progress: called after every piece of work.
        run: id of the run; it labels what a step starts elsewhere.
        say: receives messages for the user.
        choices: what was chosen by the data where the configuration is silent, in words.
    """

    config: RunConfig
    base: Path
    home: Home
    manifest: Manifest
    data: Ref
    progress: Progress = silent
    run: str = "bare"
    say: Say = unheard
    choices: tuple[str, ...] = ()

    @classmethod
    def opened(cls, config: RunConfig, *, base: Path, home: Home) -> Self:
        """Read the manifest and digest the data set of a configuration.

        The job's configuration names the encoders that suit the data, where it named none.

        Raises:
            UserError: the data set does not exist, or its manifest is wrong.
        """
        manifest = load_manifest(config.data.uri, config.data.manifest, base)
        labels = config.data.labels.file if config.data.labels else None
        digest = data_digest(config.data.uri, manifest, cache=home.cache, labels=labels)
        data = Ref(uri=config.data.uri, digest=digest)
        config, choices = with_suited(config, manifest, base)
        return cls(
            config=config, base=base, home=home, manifest=manifest, data=data, choices=choices
        )

    @property
    def store(self) -> StepStore:
        """The step store of the home."""
        return StepStore(self.home.steps)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One execution of a step's work.

    Attributes:
        step: the row of the table.
        job: configuration, places and callbacks of the run.
        inputs: input name to the output that it reads.
        key: digest of the step's key; whatever the work caches below the step is keyed by it.
        out: an empty folder for the output.
    """

    step: "Step"
    job: Job
    inputs: StepInputs
    key: str
    out: Path


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row of the step table.

    Attributes:
        name: unique in the table. The name of a repeated box ends with its round: ``train@2``.
        version: raise it when the step's code changes its result (a golden test watches).
        inputs: input name, as the work calls it, to the earlier row (or ``data``) that it reads.
        config: the step's own part of the configuration.
        chosen: parts that the configuration and the manifest choose by name: ``(family, name)``.
        libraries: installed libraries whose versions shape the result.
        code: digest of code that the output carries; empty where it carries none.
        work: does the step; it may return a clean-up to call once the output is stored.
        divided: whether pods may each do a part of the records.
        task: the training task, where the step is one; such steps may run in pods.
        volatile: output names that carry times and are left out of the output's digest.
    """

    name: str
    version: int
    inputs: Mapping[str, str]
    config: Mapping[str, Any]
    libraries: tuple[str, ...]
    work: Callable[[Call], Cleanup | None]
    chosen: tuple[tuple[str, str], ...] = ()
    code: str = ""
    divided: bool = False
    task: "Task | None" = None
    volatile: tuple[str, ...] = ()

    @property
    def box(self) -> str:
        """The box of the picture: the name without its round."""
        return self.name.partition("@")[0]

    def given(self, outputs: Outputs) -> dict[str, Ref]:
        """This step's inputs out of all outputs."""
        return {name: outputs[row] for name, row in self.inputs.items()}


def key(step: Step, inputs: StepInputs, base: Path) -> StepKey:
    """The key of a step for these inputs.

    Args:
        step: the row of the table.
        inputs: what it reads.
        base: folder that parts given by path are relative to.
    """
    sources = {
        f"{family} {name}": parts.source_digest(family, name, base) for family, name in step.chosen
    }
    return StepKey(
        step=step.name,
        version=step.version,
        inputs={row: inputs[name].digest for name, row in step.inputs.items()},
        config=step.config,
        sources=sources | ({"code": step.code} if step.code else {}),
        libraries=library_versions(step.libraries),
    )


def execute(step: Step, inputs: StepInputs, job: Job) -> StepResult:
    """Run one step, or find its output."""
    after: list[Cleanup] = []
    step_key = key(step, inputs, job.base)

    def work(out: Path) -> None:
        call = Call(step=step, job=job, inputs=inputs, key=step_key.digest(), out=out)
        if cleanup := step.work(call):
            after.append(cleanup)

    try:
        result = job.store.run(step_key, work, volatile=step.volatile)
    except Exception as error:
        if isinstance(error, UserError) or (mistake := own.blamed(error)) is None:
            raise
        raise mistake from error
    for cleanup in after:
        try:
            cleanup()
        except UserError as error:  # the result is stored; leftovers elsewhere only take room
            job.say(f"{step.name}: could not clean up: {error}")
    return result


def walk(table: Iterable[Step], job: Job) -> Iterator[StepResult]:
    """Run or find each row in order; yield every result as soon as it exists."""
    outputs = {DATA: job.data}
    for step in table:
        result = execute(step, step.given(outputs), job)
        outputs[step.name] = result.ref
        yield result


def finished(table: Iterable[Step], job: Job) -> Iterator[StepResult]:
    """Results of the rows whose output exists, up to the first one whose output does not."""
    outputs = {DATA: job.data}
    for step in table:
        step_key = key(step, step.given(outputs), job.base)
        ref = job.store.find(step_key)
        if ref is None:
            return
        outputs[step.name] = ref
        yield StepResult.skipped(step_key, ref)


def named(table: Iterable[Step], name: str) -> Step:
    """The row of this name; ``ValueError`` if the table has none."""
    found = next((step for step in table if step.name == name), None)
    if found is None:
        raise ValueError(f"the step table has no row {name!r}")
    return found


def needed(table: tuple[Step, ...], name: str) -> tuple[Step, ...]:
    """The row of this name and all rows that it depends on, in the table's order."""
    wanted = {named(table, name).name}
    for step in reversed(table):
        if step.name in wanted:
            wanted |= set(step.inputs.values())
    return tuple(step for step in table if step.name in wanted)
