"""A loaded model package: a classifier and a searcher that belong together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.core.errors import BadInput, UserError
from components.core.files import read_json
from components.core.names import FUSED
from components.features.spec import Modality
from components.parts.contracts import Target
from components.prediction.classifier import Classifier, Prediction, Record
from components.prediction.format import METRICS, check_package
from components.prediction.searcher import Hit, Searcher


class Predictor:
    """Answers of one model package. Made by ``Predictor.load``; may be used from several threads.

    Attributes:
        path: the package.
        digest: SHA-256 of the package, as `refs.digest_folder` gives it.
        classifier: answers records.
        searcher: finds records.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self.path, self.digest = path, digest
        self.classifier = Classifier(path)
        self.searcher = Searcher(path, self.classifier.names, self.classes)

    @classmethod
    def load(cls, package: Path, verify: bool = True, digest: str | None = None) -> "Predictor":
        """Load a package.

        Args:
            package: its folder.
            verify: read every file and compare it with the package's list.
            digest: the digest that the package must have; None accepts any.

        Raises:
            UserError: not a package, one of another digest, or a file that is missing or differs
                from the list.
        """
        found = check_package(package, verify, digest)
        try:
            return cls(package, found)
        except (OSError, KeyError) as error:
            raise UserError(
                f"model package {package} is incomplete ({error}); build or fetch it again"
            ) from error

    def __len__(self) -> int:
        """Number of records in the index."""
        return len(self.searcher)

    @property
    def classes(self) -> list[str]:
        """Sorted class names."""
        return self.classifier.classes

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.classifier.target

    @property
    def modalities(self) -> dict[str, Modality]:
        """Modality name to what decodes and checks its raw values."""
        return self.classifier.modalities

    @property
    def kinds(self) -> dict[str, str]:
        """Modality name to kind."""
        return {name: modality.spec.kind for name, modality in self.modalities.items()}

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures that were measured before packaging."""
        return read_json(self.path / METRICS)

    def predict(self, records: Sequence[Record]) -> list[Prediction]:
        """Classify records; see `Classifier.predict`."""
        return self.classifier.predict(records)

    def search(
        self,
        query: Record,
        *,
        by: str | None = None,
        target: str = FUSED,
        k: int = 10,
        labels: Sequence[str] | None = None,
    ) -> list[Hit]:
        """Find the records nearest to a query, best first.

        Args:
            query: any non-empty subset of the modalities.
            by: search with this modality of the query alone; all of them by default. In the fused
                space they make one vector. Among the vectors of a modality each of them searches
                by itself, and the rankings are joined.
            target: what is searched: the vectors of a modality, or ``fused``.
            k: hits wanted.
            labels: only records with one of these known labels.

        Raises:
            BadInput: as for `predict`, or an unknown target or label, or a ``by`` that the query
                lacks.
        """
        self.searcher.check(target, k, labels)
        query = self.classifier.read(query, "query")
        if by is not None:
            if by not in query:
                has = ", ".join(sorted(query)) or "it has none"
                raise BadInput("by", repr(by), f"a modality of the query: {has}")
            query = {by: query[by]}
        vectors = self.classifier.embed(query)
        chosen = [FUSED] if target == FUSED else sorted(query)
        return self.searcher.search(
            {name: vectors[name] for name in chosen}, target=target, k=k, labels=labels
        )

    def preview(self, record: str, modality: str) -> bytes | str | None:
        """The small form of one modality of an indexed record; see `Searcher.preview`."""
        return self.searcher.preview(record, modality)
