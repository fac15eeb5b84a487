"""A loaded model package: a classifier and a searcher that belong together."""

import importlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.core.errors import BadInput, UserError, one_of
from components.core.files import read_json
from components.core.names import FUSED
from components.features.modality import Modality
from components.model.composer import Composer
from components.model.runtime import Chosen
from components.parts.contracts import Raw, Target
from components.parts.filters import In
from components.prediction.asking import Ask, Example, Given, Hit
from components.prediction.classifier import Classifier, Record
from components.prediction.collection import Collection
from components.prediction.format import METRICS, check_package
from components.prediction.journal import Journal
from components.prediction.prediction import Prediction
from components.prediction.review import Review
from components.prediction.searcher import Searcher


class Predictor:
    """Answers of one model package. Made by ``Predictor.load``; may be used from several threads.

    Attributes:
        path: the package.
        digest: SHA-256 of the package, as `refs.digest_folder` gives it.
        classifier: answers records.
        collection: the records that may be found.
        searcher: finds them.
        review: the records that a person should look at.
    """

    def __init__(
        self, path: Path, digest: str, journal: Journal | None = None, *, warm: bool = False
    ) -> None:
        self.path, self.digest = path, digest
        self.classifier = Classifier(path)
        if warm:
            threading.Thread(target=self.classifier.open, daemon=True).start()
        self.collection = Collection(path, digest, self.classifier, journal)
        self.searcher = Searcher(self.collection, Composer.of_package(path))
        self.review = Review(self.collection)

    @classmethod
    def load(
        cls,
        package: Path,
        verify: bool = True,
        digest: str | None = None,
        journal: Journal | None = None,
        *,
        warm: bool = False,
    ) -> "Predictor":
        """Load a package.

        Writes of the journal are not applied yet; see `Collection.apply`.

        Args:
            package: its folder.
            verify: read every file and compare it with the package's list.
            digest: the digest that the package must have; None accepts any.
            journal: the records that users write; None where nobody does.
            warm: begin to read what the first record needs.

        Raises:
            UserError: not a package, one of another digest, or a file that is missing or differs
                from the list.
        """
        with ThreadPoolExecutor(1) as beside:
            checking = beside.submit(check_package, package, verify, digest)
            if warm:
                _import_libraries()
            found = checking.result()
        try:
            return cls(package, found, journal, warm=warm)
        except (OSError, KeyError) as error:
            raise UserError(
                f"model package {package} is incomplete ({error}); build or fetch it again"
            ) from error

    def __len__(self) -> int:
        """Number of records in the index."""
        return len(self.collection)

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
    def runtime(self) -> Chosen:
        """What computes the model, and why."""
        return self.classifier.runtime.chosen

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
        self.searcher.check(target, k)
        for label in labels or ():
            if label not in self.classes:
                raise BadInput("labels", repr(label), one_of(label, self.classes))
        (example,) = self.examples([Given(record=query)], by)
        where = None if labels is None else In("label", tuple(labels))
        ask = Ask(like=[example], by=by, target=target, k=k, where=where)
        return self.searcher.search(ask).hits

    def examples(self, given: Sequence[Given], by: str | None = None) -> list[Example]:
        """Embed the examples of a search that are records; those that are named stay so.

        Args:
            given: examples as a user gives them.
            by: only this modality of the records counts.

        Raises:
            BadInput: as for `predict`, or a ``by`` that a record lacks.
        """
        records, places = [], []
        for one in given:
            if one.record is not None:
                records.append(self._only(self.classifier.read(one.record, one.place), by))
                places.append(one.place)
        answers = iter(self.classifier.answers(records, places))
        return [
            Example(
                vectors=None if one.record is None else next(answers).embeddings,
                id=one.id,
                weight=one.weight,
                place=one.place,
            )
            for one in given
        ]

    def _only(self, record: dict[str, Raw], by: str | None) -> dict[str, Raw]:
        """The modalities of a query that search."""
        if by is None:
            return record
        if by not in record:
            has = ", ".join(sorted(record)) or "it has none"
            raise BadInput("by", repr(by), f"a modality of the query: {has}")
        return {by: record[by]}

    def preview(self, record: str, modality: str) -> bytes | str | None:
        """The small form of one modality of an indexed record; see `Collection.preview`."""
        return self.collection.preview(record, modality)


def _import_libraries() -> None:
    """What most packages need and takes a while to import; whoever needs it misses it."""
    for name in ("scipy.sparse", "onnxruntime"):
        with suppress(ImportError):
            importlib.import_module(name)
