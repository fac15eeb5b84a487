"""The plan for a number of records: measured rates carried there by laws that each figure names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.config.run import RunConfig
from components.config.trainer import KubernetesTrainer
from components.features.spec import ModalitySpec
from components.plan import sizes, steps
from components.plan.profile import Line, Profile, Stage
from components.plan.survey import Survey
from components.plan.work import (
    EXPECTED,
    POSSIBLE,
    STAGES,
    TRAINING,
    Outcome,
    Training,
    checkpoints,
    trainings,
)
from components.shards.cut import media_in_store
from components.training.objective import built

_PAGE = 4096
_INPUTS = {
    "teach": ("encode",),
    "train": ("encode", "teach", "pseudo_label"),
    "baselines": ("encode", "pseudo_label", "train"),
}
"""What a training's pods fetch; the stage that comes first with one also pays for bringing it there."""
_BROUGHT = {"teach": ("encode",), "train": ("teach", "pseudo_label"), "baselines": ("train",)}


@dataclass(frozen=True, kw_only=True)
class StageEstimate:
    """One stage at one size, done by one process on the machine of the profile."""

    name: str
    records: int
    """Records that it works on."""
    read_bytes: int
    written_bytes: int
    epochs: int
    steps: int
    seconds: float
    resident_bytes: int
    """What it holds in memory and grows with the records."""
    exchange_bytes: int = 0
    """Through the exchange of a cluster: inputs, checkpoints and results."""


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Of all models of a run: size of the whole model's, how many in all, and all their bytes."""

    bytes: int
    count: int
    traffic_bytes: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A whole run at one size."""

    records: int
    stages: list[StageEstimate]
    encoder_seconds: dict[str, float]
    """Modality name to seconds of its encoder; part of ``encode``."""
    checkpoints: Checkpoints
    feature_bytes: int
    vector_bytes: int
    query_seconds: float
    """One exact search among the vectors of one modality."""
    seconds: float
    seconds_range: tuple[float, float]
    """Least and most: none or all of the unlabelled pool pseudo-labelled, student or teacher kept."""
    gpu_hours: float | None
    """Of training; None where the profile has no GPU."""
    cpu_hours: float
    """Of everything that runs on a processor: hours of one process."""
    beyond: float
    """Times the larger sample that rates were measured on."""


@dataclass(frozen=True, kw_only=True)
class Planner:
    """All that estimates of one configuration share.

    Attributes:
        config: the run.
        base: folder of its file.
        profile: measured rates.
        surveyed: its data set.
        specs: what each modality's cached input is.
    """

    config: RunConfig
    base: Path | None
    profile: Profile
    surveyed: Survey
    specs: dict[str, ModalitySpec]
    checkpoint_bytes: dict[str, int] = field(default_factory=dict)
    """Model name to bytes of one checkpoint."""

    @property
    def shape(self) -> sizes.Shape:
        """What memory depends on."""
        return sizes.Shape(
            specs=self.specs,
            dim=self.config.model.dim,
            classes=len(self.surveyed.classes),
            surveyed=self.surveyed,
        )

    def estimate(self, records: int) -> Estimate:
        """The plan for this many records like those of the data set."""
        stages = [self._stage(name, records, EXPECTED) for name in STAGES]
        others = [
            sum(self._stage(name, records, outcome).seconds for name in STAGES)
            for outcome in POSSIBLE
        ]
        total = sum(s.seconds for s in stages)
        training = sum(s.seconds for s in stages if s.name in TRAINING)
        present = self.surveyed.present.mean(axis=0)
        gpu = self.profile.gpu
        return Estimate(
            records=records,
            stages=stages,
            encoder_seconds={
                name: self.profile.encoder_seconds[name] * records * float(present[column])
                for column, name in enumerate(self.surveyed.names)
            },
            checkpoints=self._checkpoints(records),
            feature_bytes=sizes.feature_bytes(self.specs, records),
            vector_bytes=sizes.vector_bytes(len(self.specs), self.config.model.dim, records),
            query_seconds=self.profile.search_row_seconds * records * float(present.max()),
            seconds=total,
            seconds_range=(min(total, *others), max(total, *others)),
            gpu_hours=training / 3600 if gpu else None,
            cpu_hours=(total - training if gpu else total) / 3600,
            beyond=records / self.profile.sample_records[1],
        )

    def parallel_step(self, model: str, processes: int) -> float:
        """Seconds of a step where each of several processes takes its part of the batch, without their exchange."""
        return self.profile.steps[model].at(self.config.training.batch_size / processes)

    def _stage(self, name: str, records: int, outcome: Outcome) -> StageEstimate:
        rates = self.profile.stages[name]
        work = (
            trainings(name, self.config, self.surveyed, records, self.base, outcome)
            if name in TRAINING
            else []
        )
        seconds = self._own_seconds(rates, records) + sum(
            self.training_seconds(t, records) for t in work
        )
        if name == "evaluate":
            seconds += self.profile.retrieval_cell_seconds * self._retrieval_cells(records)
        written = round(rates.written_bytes.at(records))
        return StageEstimate(
            name=name,
            records=self._worked_on(name, records, work),
            read_bytes=self._read(name, records, work),
            written_bytes=written,
            epochs=max((t.epochs for t in work), default=0),
            steps=sum(t.steps for t in work),
            seconds=seconds,
            resident_bytes=sizes.resident(name, self.shape, records),
            exchange_bytes=self._exchange(name, records, work, written),
        )

    def _own_seconds(self, rates: Stage, records: int) -> float:
        """A stage's line; a slope lost in the noise of small samples is at least that of writing and hashing the output."""
        disk = 1 / self.profile.disk.write_bytes_per_second + 1 / self.profile.hash_bytes_per_second
        least = rates.written_bytes.slope * disk
        return Line(fixed=rates.seconds.fixed, slope=max(rates.seconds.slope, least)).at(records)

    def training_seconds(self, training: Training, records: int) -> float:
        """Steps at the measured rate; where the features are larger than memory, each row is read from the disk too."""
        step = self.profile.steps[training.model].at(training.batch_rows)
        if sizes.feature_bytes(self.specs, records) > self.profile.machine.memory_bytes:
            reads = sum(
                -(-sizes.input_bytes(spec) // _PAGE) for spec in self._used(training).values()
            )
            step += training.batch_rows * reads * self.profile.disk.random_read_seconds
        return training.steps * step

    def _used(self, training: Training) -> dict[str, ModalitySpec]:
        alone = training.model.removeprefix("only-")
        return {alone: self.specs[alone]} if training.model.startswith("only-") else self.specs

    def _worked_on(self, name: str, records: int, work: Sequence[Training]) -> int:
        s = self.surveyed
        if name in TRAINING:
            return max((t.rows for t in work), default=0)
        if name == "pseudo_label":
            return round(records * (s.learnable(s.names, labelled=False) + s.split("val")))
        return (
            round(records * (s.split("val") + s.split("test"))) if name == "evaluate" else records
        )

    def _retrieval_cells(self, records: int) -> float:
        """Inner products of the search figures: every ordered pair of modalities on a bounded number of test records."""
        test = min(records * self.surveyed.split("test"), self.config.evaluation.retrieval_queries)
        share = self.surveyed.present.mean(axis=0)
        pairs = sum(a * b for i, a in enumerate(share) for j, b in enumerate(share) if i != j)
        return float(pairs * test * test)

    def _read(self, name: str, records: int, work: Sequence[Training]) -> int:
        source = (self.profile.record_bytes + self.profile.media_bytes) * records
        features = self.profile.stages["encode"].written_bytes.at(records)
        if name in ("validate", "encode"):
            return round(source)
        passes = sum(t.epochs * t.rows * self.shape.row(tuple(self._used(t))) for t in work)
        if name in TRAINING:
            return round(features + passes)
        s = self.surveyed
        shares = {
            "evaluate": s.split("val") + s.split("test"),
            "pseudo_label": s.split("val") + s.split("train"),
        }
        return round(features * shares.get(name, 1.0))

    def _exchange(self, name: str, records: int, work: Sequence[Training], written: int) -> int:
        """Bytes through the exchange: inputs once in and once to every node, checkpoints and results."""
        trainer = self.config.trainer
        if not isinstance(trainer, KubernetesTrainer):
            return 0

        def size(stages: Sequence[str]) -> int:
            return sum(
                round(self.profile.stages[stage].written_bytes.at(records)) for stage in stages
            )

        if name in TRAINING:
            kept = sum(checkpoints(self.config, t) * self.checkpoint_bytes[t.model] for t in work)
            return size(_BROUGHT[name]) + trainer.nodes * size(_INPUTS[name]) + kept + 2 * written
        if name == "encode" and trainer.shards > 1:
            apart = (
                self.surveyed.media_by_path
                and media_in_store(self.config.data.uri, trainer.exchange.uri) is None
            )
            packed = round(self.profile.media_bytes * records) if apart else 0
            return 2 * (size(["validate"]) + packed + written)
        return 0

    def _checkpoints(self, records: int) -> Checkpoints:
        work = [
            t
            for stage in TRAINING
            for t in trainings(stage, self.config, self.surveyed, records, self.base)
        ]
        return Checkpoints(
            bytes=self.checkpoint_bytes[steps.FULL],
            count=sum(checkpoints(self.config, t) for t in work),
            traffic_bytes=sum(
                checkpoints(self.config, t) * self.checkpoint_bytes[t.model] for t in work
            ),
        )


def checkpoint_sizes(
    config: RunConfig, specs: dict[str, ModalitySpec], classes: Sequence[str], base: Path | None
) -> dict[str, int]:
    """Bytes of a checkpoint of every model of a run."""
    found = {}
    for name in steps.model_names(config, tuple(sorted(specs))):
        model = steps.build(config, name, specs, tuple(classes), base)
        used, _ = built(config.losses, len(model.names), base)
        modules: dict[str, Any] = {loss: module for loss, (_, module) in used.items()}
        found[name] = sizes.checkpoint_bytes(model, modules)
    return found
