"""Invented rates of a run; tests compute the estimates by hand."""

import pytest

from components.config import run as configuration
from components.config.run import RunConfig
from components.plan.estimate import Planner
from components.plan.rates import Fit, Line, Machine, Profile, StageRates
from tests import tiny


def stage(name: str, inputs: tuple[str, ...], *fits: Fit, **changed: object) -> StageRates:
    """1 s and 1 ms a record, 1,000 bytes and 100 a record; a step has 1 ms and 10 us a row."""
    found = StageRates(
        name=name,
        inputs=inputs,
        training=bool(fits),
        divided=False,
        seconds=Line(fixed=1.0, slope=1e-3),
        written_bytes=Line(fixed=1000.0, slope=100.0),
        fits=fits,
        step_seconds=Line(fixed=1e-3, slope=1e-5),
        checkpoint_bytes=5000 * len(fits),
    )
    return found.model_copy(update=changed)


def rates(gpu: str | None = None, step: Line | None = None, **changed: object) -> Profile:
    """Five stages: one that is divided, one that is not, two that train, one that follows."""
    more = {"step_seconds": step} if step else {}
    found = Profile(
        machine=Machine(processor="p", cores=2, memory_bytes=16_000_000_000, gpu=gpu),
        libraries={"python": "3.11"},
        samples=(50, 100),
        seconds=1.0,
        load=0.0,
        stages=(
            stage("check", ("data",)),
            stage("divide", ("check", "data"), divided=True),
            stage("fit", ("divide",), Fit(epochs=15, share=0.25), **more),
            stage(
                "fit_again",
                ("divide", "fit"),
                Fit(epochs=4, share=0.5),
                Fit(epochs=2, share=0.1),
                **more,
            ),
            stage("use", ("fit_again",)),
        ),
        record_bytes=50.0,
        media_bytes=300.0,
        vector_bytes=256.0,
        search_seconds=1e-8,
        output_byte_seconds=2e-9,
    )
    return found.model_copy(update=changed)


@pytest.fixture(scope="session")
def config(tmp_path_factory) -> RunConfig:
    """The tiny run: batches of 32, a checkpoint after every epoch."""
    folder = tmp_path_factory.mktemp("plan")
    return configuration.load(tiny.config(folder, tiny.make(folder / "data")))


@pytest.fixture
def planner(config) -> Planner:
    return Planner(config=config, profile=rates())
