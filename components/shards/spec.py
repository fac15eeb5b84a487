"""What the indexes of one Job do, as JSON: the rows of each, and the digests of what they need."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from components.core.refs import digest_json
from components.core.strict import Strict
from components.prediction.block import BLOCK

CHUNK = 2048
"""Rows that are lost with a killed index."""


class Part(Strict):
    """The rows of one index."""

    start: Annotated[int, Field(ge=0)]
    stop: int
    """The row after its last one."""
    records: str
    """Digest of an object of the exchange: rows, manifest and packed media (see ``media``)."""


class ShardSpec(Strict):
    """One task over all rows of a data set; index ``i`` of the Job does part ``i``."""

    task: Literal["encode", "predict"]
    source: dict[str, str]
    """Origin of the rows: name to content digest."""
    rows: Annotated[int, Field(ge=1)]
    parts: Annotated[list[Part], Field(min_length=1)]
    chunk: Annotated[int, Field(ge=BLOCK, multiple_of=BLOCK)] = CHUNK
    """Rows that are written at once, and then never done again."""
    media: str | None = None
    """Object store where pods read media; None where media are packed with the rows."""
    modalities: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of each modality's kind; ``encode``."""
    package: str | None = None
    """Digest of an object of the exchange: the model package; ``predict``."""

    @model_validator(mode="after")
    def _whole(self) -> "ShardSpec":
        edges = [(0, 0), *((p.start, p.stop) for p in self.parts), (self.rows, self.rows)]
        for (_, before), (after, stop) in pairwise(edges):
            if before != after or stop < after or (after % BLOCK and after != self.rows):
                raise ValueError(
                    f"parts: rows {before} to {after} of {self.rows} are in no part, in two, "
                    "or not whole blocks"
                )
        if (self.task == "predict") != (self.package is not None):
            raise ValueError("package: the task predict needs it, the task encode has none")
        return self

    def seal(self) -> str:
        """SHA-256 of all that a pod acts on: see ``TrainSpec.seal``."""
        return digest_json(self.model_dump(mode="json"))

    def digest(self) -> str:
        """SHA-256 of all that shapes the results of the parts: contents and the cut, not places."""
        return work_digest(
            task=self.task,
            source=self.source,
            rows=self.rows,
            count=len(self.parts),
            chunk=self.chunk,
            options={"modalities": self.modalities, "package": self.package},
        )


def work_digest(
    *, task: str, source: dict[str, str], rows: int, count: int, chunk: int, options: dict[str, Any]
) -> str:
    """The digest of a spec before its parts are cut, by which a later run finds them."""
    tree = {
        "task": task,
        "source": source,
        "rows": rows,
        "count": count,
        "chunk": chunk,
        "options": options,
    }
    return digest_json(tree)


def bounds(rows: int, shards: int, chunk: int = CHUNK) -> list[tuple[int, int]]:
    """Contiguous, even, non-empty ranges that cover all rows; there may be fewer than asked for.

    They consist of whole chunks or, where there are too few of those, of whole blocks. With whole
    chunks an encoder gets the same batches as in one process (except for repeated content), which
    matters because the last bits of a row may depend on its batch.

    >>> bounds(200, 3)
    [(0, 128), (128, 192), (192, 200)]
    >>> bounds(100, 5)
    [(0, 64), (64, 100)]
    >>> bounds(5000, 2)
    [(0, 4096), (4096, 5000)]
    """
    unit = chunk if -(-rows // chunk) >= shards else BLOCK
    units = -(-rows // unit)
    count = max(1, min(shards, units))
    edges = [units * i // count for i in range(count + 1)]
    edges = [edges[-1] - e for e in reversed(edges)]  # the longer ranges first
    return [(start * unit, min(stop * unit, rows)) for start, stop in pairwise(edges)]
