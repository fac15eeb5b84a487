"""The plan for a number of records: measured rates, carried there by lines."""

import math
from dataclasses import dataclass

from components.config.run import RunConfig
from components.config.trainer import KubernetesTrainer
from components.plan.rates import Fit, Profile, StageRates
from components.shards.cut import media_in_store


@dataclass(frozen=True, kw_only=True)
class StageEstimate:
    """One stage at one size, done by one process on the machine of the profile."""

    name: str
    seconds: float
    read_bytes: int
    """Of its inputs, each once."""
    written_bytes: int
    epochs: int
    steps: int
    """Optimiser steps of all models that it fits."""
    checkpoints: int
    """How many it writes, at most."""
    checkpoint_bytes: int
    """Of all these checkpoints."""
    exchange_bytes: int
    """Through the exchange of a cluster: inputs, checkpoints and results."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A whole run at one size."""

    records: int
    stages: tuple[StageEstimate, ...]
    seconds: float
    gpu_hours: float | None
    """Of training; None where the profile has no GPU."""
    cpu_hours: float
    """Of all that runs on a processor: hours of one process."""
    vector_bytes: int
    query_seconds: float
    """One exact search among the vectors of one modality."""
    beyond: float
    """Times the larger sample that rates were measured on."""


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Estimates the run of one configuration with the rates of one profile."""

    config: RunConfig
    profile: Profile

    def estimate(self, records: int) -> Estimate:
        """The plan for this many records like those of the data set."""
        profile = self.profile
        stages = tuple(self._stage(rates, records) for rates in profile.stages)
        total = sum(stage.seconds for stage in stages)
        trained = sum(
            stage.seconds
            for stage, rates in zip(stages, profile.stages, strict=True)
            if rates.training and profile.machine.gpu
        )
        return Estimate(
            records=records,
            stages=stages,
            seconds=total,
            gpu_hours=trained / 3600 if profile.machine.gpu else None,
            cpu_hours=(total - trained) / 3600,
            vector_bytes=round(profile.vector_bytes * records),
            query_seconds=profile.search_seconds * records,
            beyond=records / profile.samples[1],
        )

    def _stage(self, rates: StageRates, records: int) -> StageEstimate:
        fits = [fit for fit in rates.fits if records >= fit.since]
        batches = [self._batches(fit, records) for fit in fits]
        count = sum(self._checkpoints(*trained) for trained in batches)
        steps = sum(epochs * per_epoch for epochs, per_epoch in batches)
        rows = sum(fit.epochs * fit.share * records for fit in fits)
        # Every model's checkpoint counts as the mean of those that the sample fitted.
        measured = sum(fit.since == 0 for fit in rates.fits)
        kept = round(count * rates.checkpoint_bytes / max(1, measured))
        return StageEstimate(
            name=rates.name,
            seconds=self._seconds(rates, records)
            + steps * rates.step_seconds.fixed
            + rows * rates.step_seconds.slope,
            read_bytes=round(sum(self._size(name, records) for name in rates.inputs)),
            written_bytes=round(rates.written_bytes.at(records)),
            epochs=max((fit.epochs for fit in fits), default=0),
            steps=steps,
            checkpoints=count,
            checkpoint_bytes=kept,
            exchange_bytes=round(self._exchanged(rates, records, kept)),
        )

    def _seconds(self, rates: StageRates, records: int) -> float:
        """Seconds without steps.

        A slope that noise hides is at least that of writing and hashing the output.
        """
        least = rates.written_bytes.slope * self.profile.output_byte_seconds
        return rates.seconds.fixed + max(rates.seconds.slope, least) * records

    def _batches(self, fit: Fit, records: int) -> tuple[int, int]:
        """Epochs of a model, and batches of each, as many as the training data give."""
        rows = round(fit.share * records)
        return fit.epochs, max(1, math.ceil(rows / self.config.training.batch_size))

    def _checkpoints(self, epochs: int, per_epoch: int) -> int:
        """After epochs, and on a cluster also after steps; the few that coincide count twice."""
        trainer = self.config.trainer
        count = math.ceil(epochs / self.config.training.checkpoint_every)
        if isinstance(trainer, KubernetesTrainer):
            count += epochs * per_epoch // trainer.checkpoint_steps
        return count

    def _size(self, name: str, records: int) -> float:
        """Bytes of a stage's output, or of the data set."""
        for rates in self.profile.stages:
            if rates.name == name:
                return rates.written_bytes.at(records)
        return (self.profile.record_bytes + self.profile.media_bytes) * records

    def _exchanged(self, rates: StageRates, records: int, checkpoints: int) -> float:
        """Bytes through the exchange, if the stage runs in pods."""
        trainer = self.config.trainer
        if not isinstance(trainer, KubernetesTrainer):
            return 0.0
        written = rates.written_bytes.at(records)
        sizes = {name: self._size(name, records) for name in rates.inputs}
        if rates.training:
            # An input goes in once for all stages, and out to every node of each.
            earlier = self.profile.stages[: self.profile.stages.index(rates)]
            there = {name for stage in earlier if stage.training for name in stage.inputs}
            brought = sum(size for name, size in sizes.items() if name not in there)
            return brought + trainer.nodes * sum(sizes.values()) + checkpoints + 2 * written
        if rates.divided and trainer.shards > 1:
            where = media_in_store(self.config.data.uri, trainer.exchange.uri)
            # Parts hold the records of the other inputs, and media that pods cannot read.
            sizes["data"] = 0 if where else self.profile.media_bytes * records
            return 2 * (sum(sizes.values()) + written)
        return 0.0
