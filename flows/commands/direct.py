"""A registered version that answers in this process, where no endpoint runs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.config.home import Home
from components.features.modality import Modality
from components.parts import loading as parts
from components.parts.filters import parse
from components.prediction.asking import Ask, Example, Given
from components.prediction.prediction import Prediction
from components.prediction.predictor import Predictor
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion


class Direct:
    """Answers in the form of an endpoint, see `serving.client.Client`.

    Args:
        home: the state folder.
        model: registered name.
        version: a number, ``champion`` or ``challenger``.

    Raises:
        UserError: no such version, or its package is not what was registered.
    """

    def __init__(self, home: Home, model: str, version: str) -> None:
        promotion = Promotion(home, model)
        self.version: RegisteredVersion = promotion.versions().named(version)
        package = promotion.package_of(self.version)  # it is compared with the ledger's digest
        self._predictor = Predictor.load(package, verify=False)
        self._ref = {
            "name": model,
            "version": self.version.version,
            "package_digest": self.version.package_digest,
        }

    def model(self) -> dict[str, Any]:
        """The modalities, as far as the command line reads them."""
        return {**self._ref, "modalities": [_described(m) for m in self._modalities()]}

    def classify(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Classify records."""
        found = self._predictor.predict(records)
        return {"model": self._ref, "answers": [_answer(p) for p in found]}

    def embed(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The unit vectors of records."""
        found = [self._predictor.classifier.embed(record) for record in records]
        vectors = [{name: v.tolist() for name, v in each.items()} for each in found]
        return {"model": self._ref, "dim": len(next(iter(vectors[0].values()))),
                "embeddings": vectors}  # fmt: skip

    def search(
        self,
        query: Mapping[str, Any] | None,
        *,
        target: str,
        k: int,
        like: Sequence[Mapping[str, str]] = (),
        unlike: Sequence[Mapping[str, str]] = (),
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Find the records nearest to a query, and to others by id, in the package's index."""
        predictor = self._predictor
        given = [] if query is None else [Given(record=query)]
        wanted = predictor.examples([*given, *(Given(id=e["id"], place="like") for e in like)])
        where = None if filter is None else parse(filter, predictor.collection.declared)
        page = predictor.searcher.search(
            Ask(
                like=wanted,
                unlike=[Example(id=e["id"], place="unlike") for e in unlike],
                target=target,
                k=k,
                where=where,
            )
        )
        shown = [
            {"id": h.id, "score": h.score, "label": h.label, "predicted": h.predicted}
            for h in page.hits
        ]
        return {"model": self._ref, "target": target, "hits": shown}

    def _modalities(self) -> Iterable[Modality]:
        return self._predictor.modalities.values()


def _described(modality: Modality) -> dict[str, Any]:
    module = parts.load("kinds", modality.spec.kind, modality.spec.base)
    return {"name": modality.name, "raw": modality.spec.raw, "accepts": module.ACCEPTS}


def _answer(found: Prediction) -> dict[str, Any]:
    told = {
        "probabilities": found.probabilities,
        "ood_score": found.ood_score,
        "modalities": list(found.modalities),
    }
    if found.label is None:
        return {"labels": {name: found.probabilities[name] for name in found.labels}, **told}
    one = {"label": found.label, "confidence": found.confidence, "abstained": found.abstained}
    return {**one, **told}
