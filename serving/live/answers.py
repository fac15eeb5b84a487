"""The model package behind the service, loaded once, with an interface in terms of HTTP."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from components.core.errors import BadInput, UserError, one_of
from components.parts.contracts import cost
from serving.defaults import MAX_HITS
from serving.http import responses
from serving.http.limits import Limits
from serving.store.ids import new_id

# Importing torch takes seconds; neither the build of a Bento nor BentoML's own process needs it.
if TYPE_CHECKING:
    from components.prediction.asking import Hit
    from components.prediction.classifier import Prediction, Record
    from components.prediction.predictor import Predictor


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
    """

    def __init__(
        self, predictor: "Predictor", *, limits: Limits, name: str, version: int | None
    ) -> None:
        self.predictor, self.limits = predictor, limits
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
    ) -> "Answers":
        """Load the model and its index (this imports torch).

        Raises:
            UserError: the package is damaged, or not the one of the digest.
        """
        from components.prediction.predictor import Predictor

        predictor = Predictor.load(package, digest=digest)
        return cls(predictor, limits=limits, name=name, version=version)

    def costs(self, records: "Mapping[str, Record]") -> dict[str, int]:
        """The memory that decoding takes, from the headers of the values.

        Args:
            records: path of each record in the request to its values.

        Returns:
            Path of each value to bytes.

        Raises:
            BadInput: as for `classify`, as far as headers tell.
        """
        found = {}
        for place, record in records.items():
            for name, raw in self.predictor.classifier.read(record, place).items():
                modality = self.predictor.modalities[name]
                try:
                    found[f"{place}.{name}"] = cost(modality.kind, raw, modality.detail)
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
        self, found: "Sequence[Prediction]"
    ) -> list[responses.Answer] | list[responses.SetAnswer]:
        """Predictions as answers: the class, or the set of classes, of each record."""
        if any(p.label is None for p in found):
            return [
                responses.SetAnswer(
                    answer_id=new_id(time()),
                    labels={name: p.probabilities[name] for name in p.labels},
                    probabilities=p.probabilities,
                    ood_score=p.ood_score,
                    modalities=list(p.modalities),
                )
                for p in found
            ]
        return [
            responses.Answer(
                answer_id=new_id(time()),
                label=str(p.label),
                confidence=float(p.confidence or 0.0),
                probabilities=p.probabilities,
                abstained=bool(p.abstained),
                ood_score=p.ood_score,
                modalities=list(p.modalities),
            )
            for p in found
        ]

    def check_search(
        self, query: "Record", *, by: str | None, target: str, k: int, labels: list[str] | None
    ) -> None:
        """Check what a search asks for, before anything is computed.

        Raises:
            BadInput: an unknown target, label or modality.
        """
        self.predictor.searcher.check(target, k)
        for label in labels or ():
            if label not in self.limits.classes:
                raise BadInput("filter.labels", repr(label), one_of(label, self.limits.classes))
        if by is not None and by not in query:
            has = ", ".join(sorted(query)) or "it has none"
            raise BadInput("by", repr(by), f"a modality of the query: {has}")

    def search(
        self, query: "Prediction", *, target: str, k: int, labels: list[str] | None
    ) -> "list[Hit]":
        """The records nearest to a query that was embedded."""
        from components.parts.filters import In
        from components.prediction.asking import Ask, Example

        where = None if labels is None else In("label", tuple(labels))
        ask = Ask(like=[Example(vectors=query.embeddings)], target=target, k=k, where=where)
        return self.predictor.searcher.search(ask).hits

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

    def info(self) -> responses.ModelInfo:
        """The answer to ``GET /v1/model``."""
        limits = self.limits
        return responses.ModelInfo(
            **self.ref.model_dump(),
            classes=limits.classes,
            target=limits.target,
            modalities=limits.described(),
            targets=limits.targets,
            max_batch=limits.serving.max_batch,
            max_value_mb=limits.serving.max_value_mb,
            max_request_mb=limits.serving.max_request_mb,
            max_request_bytes=limits.max_request_bytes,
            max_hits=MAX_HITS,
            records=len(self.predictor),
            runtime=responses.RuntimeInfo(
                name=self.predictor.runtime.name, reason=self.predictor.runtime.reason
            ),
            metrics=self.predictor.metrics,
            card=limits.card,
        )
