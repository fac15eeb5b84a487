"""The model package behind the service, loaded once, with an interface in terms of HTTP."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import BadInput, UserError, one_of
from components.parts.contracts import cost
from components.parts.effort import effort
from serving.defaults import MAX_HITS
from serving.interface import responses
from serving.interface.limits import Limits
from serving.interface.record_responses import IndexRef
from serving.live.budget import Cost
from serving.live.telling import told

# Importing torch takes seconds; neither the build of a Bento nor BentoML's own process needs it.
if TYPE_CHECKING:
    from components.prediction.asking import Hit
    from components.prediction.classifier import Record
    from components.prediction.journal import Write
    from components.prediction.made import Known
    from components.prediction.prediction import Prediction
    from components.prediction.predictor import Predictor
    from components.prediction.seen import Seen
    from serving.live.records import Records


class NotLive(BadInput):
    """A version that was asked for and does not serve."""


class NotThere(BadInput):
    """A record, or a modality of one, that the index does not have."""


class Answers:
    """Answers of one loaded package.

    Args:
        predictor: the loaded package.
        limits: the package's limits.
        name: name of the model.
        version: its version in the registry, if the launcher knows it.
        records: what users write; None where nobody does.
    """

    def __init__(
        self,
        predictor: "Predictor",
        *,
        limits: Limits,
        name: str,
        version: int | None,
        records: "Records | None" = None,
    ) -> None:
        self.predictor, self.limits, self.records = predictor, limits, records
        self.ref = responses.ModelRef(name=name, version=version, package_digest=predictor.digest)

    @classmethod
    def load(
        cls,
        package: Path,
        *,
        limits: Limits,
        name: str,
        version: int | None,
        digest: str | None = None,
        records: "Records | None" = None,
    ) -> "Answers":
        """Load the model and its index (this imports torch), and apply what users wrote.

        Raises:
            UserError: the package is damaged, or not the one of the digest.
        """
        from components.prediction.predictor import Predictor

        journal = records.journal if records else None
        predictor = Predictor.load(package, digest=digest, journal=journal, warm=True)
        if records:
            records.follow(predictor.collection)
        return cls(predictor, limits=limits, name=name, version=version, records=records)

    def costs(self, records: "Mapping[str, Record]") -> dict[str, Cost]:
        """What values take, from their headers.

        Args:
            records: path of each record in the request to its values.

        Returns:
            Path of each value to its cost.

        Raises:
            BadInput: as for `classify`, as far as headers tell.
        """
        found = {}
        for place, record in records.items():
            for name, raw in self.predictor.classifier.read(record, place).items():
                modality = self.predictor.modalities[name]
                try:
                    found[f"{place}.{name}"] = Cost(
                        memory=cost(modality.kind, raw, modality.detail),
                        seconds=effort(modality.kind, modality.encoders.values(), raw),
                    )
                except BadInput as error:
                    raise BadInput(f"{place}.{error.field}", error.got, error.wanted) from error
        return found

    def has(self, record: str) -> bool:
        """Whether the index has a record."""
        return record in self.predictor.collection

    def check_classifier(self) -> None:
        """Check that there are classes.

        Raises:
            UserError: the model has no classifier.
        """
        if not self.limits.classes:
            from components.prediction.classifier import NO_CLASSIFIER

            raise UserError(NO_CLASSIFIER)

    def told(
        self, found: "Sequence[Prediction]", *, explain: bool = False
    ) -> list[responses.Answer] | list[responses.SetAnswer]:
        """Predictions as answers; ``explain``: with the answer of each modality alone."""
        return told(self.predictor.classifier, found, explain=explain)

    def nearest(self, query: "Prediction") -> "list[Hit]":
        """The record nearest to a query that was embedded."""
        from components.prediction.asking import Ask, Example

        return self.predictor.searcher.search(
            Ask(like=[Example(vectors=query.embeddings)], k=1)
        ).hits

    def check_labels(self, labels: "Iterable[object]") -> None:
        """Check that a filter names classes of the model; one without a classifier has any.

        Raises:
            BadInput: it names another one.
        """
        for label in labels if self.limits.classes else ():
            if label not in self.limits.classes:
                wanted = one_of(str(label)[:80], self.limits.classes)
                raise BadInput("filter.labels", repr(label)[:80], wanted)

    def check_writes(self, writes: "Sequence[Write]", places: Sequence[str]) -> None:
        """Check what a model need not compute for: labels.

        Raises:
            BadInput: an unknown one.
        """
        from components.prediction.made import check_label

        for write, place in zip(writes, places, strict=True):
            check_label(write, f"{place.removesuffix('record')}label", self.predictor.target)

    def write(
        self, writes: "Sequence[Write]", places: Sequence[str], found: "Sequence[Prediction]"
    ) -> int:
        """Commit writes and apply them; the number of the last one.

        Args:
            writes: records of distinct ids.
            places: path of each record in the request.
            found: the model's prediction for each record that is not deleted.
        """
        assert self.records is not None, "there are routes to write only where there is a journal"
        return self.records.write(self.predictor.collection, writes, places, found)

    def index(self, through: int) -> IndexRef:
        """The state of the index, by the number of the last write that it had seen."""
        return IndexRef(package_digest=self.ref.package_digest, through=through)

    def known(self, record: str) -> "Known":
        """The model's prediction for a record.

        Raises:
            NotThere: no such record.
        """
        found = self.predictor.collection.known(record)
        if found is None:
            raise NotThere("id", repr(record)[:80], "the id of a record of the index")
        return found

    def preview(self, record: str, modality: str) -> tuple[bytes, str]:
        """The small form of one modality of an indexed record, and its media type.

        Raises:
            NotThere: no such record, or it lacks this modality.
        """
        known = self.limits.modalities
        if modality not in known:
            raise NotThere("modality", repr(modality), one_of(modality, known))
        found = self.predictor.preview(record, modality)
        if found is None:
            raise NotThere(
                "id", repr(record), f"a record of the index that has the modality {modality!r}"
            )
        content = found if isinstance(found, bytes) else found.encode()
        return content, known[modality].preview_type(found)

    @cached_property
    def _seen(self) -> "Mapping[tuple[str, str], Seen]":
        from components.prediction.seen import seen

        specs = {name: m.spec for name, m in self.predictor.modalities.items()}
        return seen(self.predictor.collection.packaged, specs)

    def info(self) -> responses.ModelInfo:
        """The answer to ``GET /v1/model``."""
        limits = self.limits
        return responses.ModelInfo(
            **self.ref.model_dump(),
            classes=limits.classes,
            target=limits.target,
            modalities=limits.described(self._seen),
            targets=limits.targets,
            max_batch=limits.serving.max_batch,
            max_value_mb=limits.serving.max_value_mb,
            max_request_mb=limits.serving.max_request_mb,
            max_request_bytes=limits.max_request_bytes,
            max_hits=MAX_HITS,
            records=len(self.predictor),
            timed="time" in self.predictor.collection.declared,
            runtime=responses.RuntimeInfo(
                name=self.predictor.runtime.name, reason=self.predictor.runtime.reason
            ),
            metrics=self.predictor.metrics,
            card=limits.card,
        )
