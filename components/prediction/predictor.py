"""A model package loaded for answers: classify and search, from raw values, exactly as evaluation did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import BadInput, UserError, unknown_name
from components.core.files import read_json
from components.core.refs import digest_file, digest_listing
from components.features.spec import Modality
from components.model import network as models
from components.model.calibration import softmax
from components.model.inference import Inference, infer
from components.model.subsets import patterns
from components.parts import loading as parts
from components.parts.contracts import Raw, decoded
from components.prediction.package import FILES, PREVIEW_ROWS, read_files

FUSED = "fused"
_RANK_OFFSET = 60  # of reciprocal rank fusion, Cormack et al. 2009
_JOINED = 1000  # ranks that are joined; what is further down in every list cannot come to the top

Record = Mapping[str, Raw]
Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The answer for one record.

    Attributes:
        label: the most probable class.
        confidence: its calibrated probability.
        probabilities: class to calibrated probability.
        modalities: those of the record, sorted; the answer rests on them.
        embeddings: modality, and ``fused``, to unit vector ``(dim,)``.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    modalities: tuple[str, ...]
    embeddings: dict[str, Vector]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A record that was found.

    Attributes:
        id: of the record.
        score: cosine with the query; for a query of several modalities, the sum of reciprocal ranks.
        label: where it is known.
        predicted: the model's own answer.
        modalities: those of the record.
    """

    id: str
    score: float
    label: str | None
    predicted: str | None
    modalities: tuple[str, ...]


class Predictor:
    """Answers of one model package. Made by ``Predictor.load``; may be used from several threads.

    Attributes:
        path: the package.
        digest: SHA-256 of the package, as `refs.digest_folder` gives it.
        classes: sorted class names.
        modalities: name to what decodes and checks its raw values.
        temperatures: key of a subset of modalities to its temperature.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self.path, self.digest = path, digest
        self._model = models.load(path)
        self.classes: list[str] = self._model.classes
        self.modalities: dict[str, Modality] = {
            name: self._model.specs[name].build(name) for name in self._model.names
        }
        self.temperatures = {
            key: float(str(value)) for key, value in read_json(path / "calibration.json").items()
        }
        # `read_table` would import pandas, where it is installed.
        table = pq.ParquetFile(path / "index" / "ids.parquet").read()
        self._ids: list[str] = table["id"].to_pylist()
        self._row_of = {record: row for row, record in enumerate(self._ids)}
        self._labels: list[str | None] = table["label"].to_pylist()
        self._predicted: list[str | None] = table["predicted"].to_pylist()
        self._present: NDArray[np.bool_] = np.load(path / "index" / "present.npy")
        self._indexes = {target: self._index(target) for target in (*self._model.names, FUSED)}

    @classmethod
    def load(cls, package: Path, verify: bool = True) -> "Predictor":
        """Load a package.

        Args:
            package: its folder.
            verify: read every file and compare it with the package's list.

        Raises:
            UserError: no package, or a file that is missing or differs from the list.
        """
        digest = check_package(package, verify)
        try:
            return cls(package, digest)
        except (OSError, KeyError) as error:
            raise UserError(
                f"model package {package} is incomplete ({error}); build or fetch it again"
            ) from error

    def __len__(self) -> int:
        """Records in the index."""
        return len(self._ids)

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures that were measured before packaging."""
        return read_json(self.path / "metrics.json")

    def predict(self, records: Sequence[Record]) -> list[Prediction]:
        """Classify records; each may have any non-empty subset of the modalities.

        Raises:
            BadInput: a record without any, an unknown modality, or a value that breaks a limit; it names record and field.
        """
        if not records:
            return []
        found, present = self._infer(records, "records")
        answers = []
        for row, key in enumerate(patterns(present, self._model.names)):
            p = softmax(found.logits[row : row + 1], self.temperatures.get(key, 1.0))[0]
            best = int(p.argmax())
            names = tuple(key.split("+"))
            answers.append(
                Prediction(
                    label=self.classes[best],
                    confidence=float(p[best]),
                    probabilities=dict(zip(self.classes, p.tolist(), strict=True)),
                    modalities=names,
                    embeddings={
                        **{n: found.embeddings[n][row] for n in names},
                        FUSED: found.fused[row],
                    },
                )
            )
        return answers

    def embed(self, modality: str, raw: Raw) -> Vector:
        """The unit vector ``(dim,)`` of one raw value.

        Raises:
            BadInput: unknown modality, or a value that breaks a limit.
        """
        vector: Vector = self._infer([{modality: raw}], None)[0].embeddings[modality][0]
        return vector

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
            by: search with this modality of the query alone; all of them by default. In the fused space they make one
                vector; among the vectors of a modality each of them searches, and the rankings are joined.
            target: what is searched: the vectors of a modality, or ``fused``.
            k: hits wanted.
            labels: only records with one of these known labels.

        Raises:
            BadInput: what `predict` refuses, an unknown target or label, or a ``by`` that the query lacks.

        Source: reciprocal rank fusion, Cormack et al. 2009, ``sum_m 1 / (60 + rank_m)``.
        """
        if target not in self._indexes:
            raise BadInput("target", repr(target), unknown_name("target", target, self._indexes))
        if k < 1:
            raise BadInput("k", str(k), "at least 1")
        if by is not None:
            if by not in query:
                raise BadInput(
                    "by",
                    repr(by),
                    f"a modality of the query: {', '.join(sorted(query)) or 'it has none'}",
                )
            query = {by: query[by]}
        allowed = self._allowed(labels)
        found, _ = self._infer([query], "query")
        index = self._indexes[target]
        if target == FUSED or len(query) == 1:
            vectors = found.fused if target == FUSED else found.embeddings[next(iter(query))]
            (hits,) = index.search(vectors, k, allowed)
            return [
                self._hit(int(row), float(score))
                for row, score in zip(hits.rows, hits.scores, strict=True)
            ]
        joined: dict[int, float] = {}
        for name in sorted(query):
            (hits,) = index.search(found.embeddings[name], max(_JOINED, k), allowed)
            for rank, row in enumerate(hits.rows.tolist(), start=1):
                joined[row] = joined.get(row, 0.0) + 1.0 / (_RANK_OFFSET + rank)
        best = sorted(joined.items(), key=lambda item: (-item[1], self._ids[item[0]]))[:k]
        return [self._hit(row, score) for row, score in best]

    def preview(self, record: str, modality: str) -> bytes | str | None:
        """The small form of one modality of an indexed record; None where there is no such record or modality.

        A picture is bytes, a text is itself, fields are JSON.
        """
        row = self._row_of.get(record)
        if row is None or modality not in self.modalities:
            return None
        file = pq.ParquetFile(self.path / "index" / "previews.parquet")
        group = file.read_row_group(row // PREVIEW_ROWS, columns=[modality])
        value: bytes | str | None = group[modality][row % PREVIEW_ROWS].as_py()
        return value

    def _index(self, target: str) -> Any:  # noqa: ANN401 - parts are chosen by name
        vectors = np.load(self.path / "index" / f"{target}.npy", mmap_mode="r")
        has = (
            self._present.any(axis=1)
            if target == FUSED
            else self._present[:, self._model.names.index(target)]
        )
        config = parts.configure("index", "exact", {})
        return parts.load("index", "exact").build(
            config, ids=self._ids, vectors=vectors, present=has
        )

    def _allowed(self, labels: Sequence[str] | None) -> NDArray[np.bool_] | None:
        if labels is None:
            return None
        for label in labels:
            if label not in self.classes:
                raise BadInput("labels", repr(label), unknown_name("label", label, self.classes))
        wanted = set(labels)
        return np.fromiter(
            (label in wanted for label in self._labels), dtype=bool, count=len(self._labels)
        )

    def _hit(self, row: int, score: float) -> Hit:
        names = tuple(
            n for n, has in zip(self._model.names, self._present[row], strict=True) if has
        )
        return Hit(
            id=self._ids[row],
            score=score,
            label=self._labels[row],
            predicted=self._predicted[row],
            modalities=names,
        )

    def _infer(
        self, records: Sequence[Record], where: str | None
    ) -> tuple[Inference, NDArray[np.bool_]]:
        """Decode, encode and answer; the second value says which modalities each record has ``(n, modalities)``."""
        for number, record in enumerate(records):
            self._check_names(record, _place(where, number))
        names = self._model.names
        present = np.array([[name in record for name in names] for record in records])
        arrays: dict[str, NDArray[Any]] = {}
        for column, name in enumerate(names):
            arrays |= self._encode(name, records, present[:, column], where)
        return infer(self._model, arrays, present), present

    def _check_names(self, record: Record, place: str) -> None:
        for name in record:
            if name not in self.modalities:
                raise BadInput(
                    f"{place}{name}", "a value", unknown_name("modality", name, self.modalities)
                )
        if not record:
            wanted = f"at least one of {', '.join(self.modalities)}"
            raise BadInput(place.rstrip(".") or "record", "no modality", wanted)

    def _encode(
        self, name: str, records: Sequence[Record], has: NDArray[np.bool_], where: str | None
    ) -> dict[str, NDArray[Any]]:
        """View name to inputs ``(records, *shape)``; rows without the modality are zeros."""
        modality = self.modalities[name]
        at: list[int] = np.flatnonzero(has).tolist()
        values = decoded(modality.kind, [records[i][name] for i in at], modality.detail)
        for i, value in zip(at, values, strict=True):
            if isinstance(value, BadInput):
                field = value.field.removeprefix(name)
                raise BadInput(f"{_place(where, i)}{name}{field}", value.got, value.wanted)
        arrays = {}
        for view, encoder in modality.encoders.items():
            arrays[view] = np.zeros((len(records), *encoder.shape), dtype=encoder.dtype)
            if at:
                arrays[view][at] = encoder.encode(values)
        return arrays

    @property
    def kinds(self) -> dict[str, str]:
        """Modality name to kind."""
        return {name: modality.spec.kind for name, modality in self.modalities.items()}


def check_package(package: Path, verify: bool = True) -> str:
    """The digest of a package after its files were compared with its list.

    Raises:
        UserError: no package, or a file that is missing or differs.
    """
    try:
        listed = read_files(package)
        own = digest_file(package / FILES)
    except FileNotFoundError as error:
        raise UserError(
            f"{package} is no model package: {FILES} is missing; name one that a run has written"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"model package {package}: {FILES} is damaged ({error}); build or fetch the package again"
        ) from error
    for name, wanted in listed.items():
        path = package / name
        if not path.is_file():
            raise UserError(
                f"model package {package}: {name} is missing; build or fetch the package again"
            )
        if verify and (got := digest_file(path)) != wanted:
            raise UserError(
                f"model package {package}: {name} was changed or damaged: got SHA-256 {got[:12]}, wanted {wanted[:12]}; "
                "build or fetch the package again"
            )
    # Without reading everything once more; files that are not listed do not count.
    return digest_listing({**listed, FILES: own})


def _place(where: str | None, number: int) -> str:
    """Prefix of a field, as the caller of a batch or of a query sees it."""
    return "" if where is None else f"{where}.{number}." if where == "records" else f"{where}."
