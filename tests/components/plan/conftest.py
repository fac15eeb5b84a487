"""One tiny data set, really validated and encoded: the oracle for what a plan computes."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from components.config import run as configuration
from components.config.run import RunConfig
from components.features.encode import encode
from components.features.spec import build_modalities
from components.features.store import Features
from components.plan import estimate, steps, work
from components.plan.profile import Disk, Line, Machine, Profile, Stage, shape_of
from components.plan.survey import Survey, survey
from components.validation.accept import validate
from tests import tiny


@dataclass(frozen=True)
class Real:
    """The configuration, what a plan sees of its data, and the features that a run makes of it."""

    config: RunConfig
    base: Path
    surveyed: Survey
    features: Features

    def planner(
        self, profile: Profile | None = None, config: RunConfig | None = None
    ) -> estimate.Planner:
        config = config or self.config
        return estimate.Planner(
            config=config,
            base=self.base,
            profile=profile or rates(self),
            surveyed=self.surveyed,
            specs=self.features.specs,
            checkpoint_bytes=estimate.checkpoint_sizes(
                config, self.features.specs, self.surveyed.classes, self.base
            ),
        )


def rates(
    real: Real, gpu: str | None = None, step: Line | None = None, **changed: object
) -> Profile:
    """Made-up rates of this shape: every stage 1 s and 1 ms a record, every step 1 ms and 10 us a row."""
    stage = Stage(
        seconds=Line(fixed=1.0, slope=1e-3), written_bytes=Line(fixed=1000.0, slope=100.0)
    )
    names = steps.model_names(real.config, real.surveyed.names)
    found = Profile(
        machine=Machine(processor="p", cores=2, memory_bytes=16_000_000_000, gpu=gpu),
        versions={"python": "3.11"},
        shape=shape_of(real.config, real.features.specs, len(real.surveyed.classes)),
        sample_records=(50, 100),
        seconds=1.0,
        load=0.0,
        stages=dict.fromkeys(work.STAGES, stage),
        steps=dict.fromkeys(names, step or Line(fixed=1e-3, slope=1e-5)),
        step_rows=(8, 32),
        encoder_seconds=dict.fromkeys(real.surveyed.names, 1e-3),
        record_bytes=50.0,
        media_bytes=300.0,
        retrieval_cell_seconds=1e-9,
        search_row_seconds=1e-8,
        hash_bytes_per_second=1e9,
        disk=Disk(write_bytes_per_second=1e9, read_bytes_per_second=1e9, random_read_seconds=1e-4),
    )
    return found.model_copy(update=changed)


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Real:
    folder = tmp_path_factory.mktemp("plan")
    path = tiny.config(folder, tiny.make(folder / "data"))
    config = configuration.load(path)
    for name in ("accepted", "features"):
        (folder / name).mkdir()
    validate(data=config.data, modalities=config.modalities, out=folder / "accepted")
    encode(
        accepted=folder / "accepted",
        data_uri=config.data.uri,
        modalities=config.modalities,
        cache=folder / "cache",
        out=folder / "features",
    )
    return Real(config, folder, survey(config.data), Features.load(folder / "features"))


@pytest.fixture
def modalities(real):
    from components.data.manifest import load_manifest

    built = build_modalities(load_manifest(real.config.data.uri), real.config.modalities)
    return {name: m.spec for name, m in built.items()}, built
