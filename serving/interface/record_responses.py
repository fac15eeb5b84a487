"""Responses about records: vectors, hits, writes, and what a person should look at."""

from typing import Any, Literal

from serving.interface.responses import ModelRef, Strict


class IndexRef(Strict):
    """Which state of an index gave an answer."""

    package_digest: str
    through: int
    """The number of the last write that it had seen."""


class EmbedResponse(Strict):
    """Unit vectors in the order of the records."""

    model: ModelRef
    dim: int
    embeddings: list[dict[str, list[float]]]
    """Modality, and `fused`, to its vector. Those of modalities share one space."""


class Hit(Strict):
    """One record that was found."""

    id: str
    score: float
    """Cosine of query and record, or the sum of reciprocal ranks.

    The latter is used when several modalities search in one modality's space. With `hubness`, what
    is common to almost all queries is subtracted.
    """
    label: str | list[str] | None
    """Its label, if known: a class, or a list where a record has a set of them."""
    predicted: str | list[str] | None
    """The model's own answer for it; null without a classifier."""
    media: dict[str, str]
    """Modality to the address of its preview."""
    scores: dict[str, float] | None = None
    """Modality to its cosine with the query, if `explain` asks for it."""


class SearchResponse(Strict):
    """Hits, best first."""

    model: ModelRef
    index: IndexRef
    answer_id: str
    """Identifies this answer in feedback."""
    target: str
    hits: list[Hit]
    next: str | None
    """`after` of the next page; null on the last one."""
    changed: bool = False
    """Whether records were written since the previous page."""
    composed: Literal["composer", "sum"] | None = None
    """What joined several examples into one query, if `explain` asks for it: the learned composer
    of the model, or the weighted sum. Null for one example."""


class Written(Strict):
    """A record that was written and can be found from now on."""

    model: ModelRef
    index: IndexRef
    id: str
    created: bool
    """Whether no record had this id before."""


class WrittenAll(Strict):
    """Records that were written and can be found from now on."""

    model: ModelRef
    index: IndexRef
    written: int


class Deleted(Strict):
    """Records that can no longer be found."""

    model: ModelRef
    index: IndexRef
    deleted: int
    """Number of them that existed."""


class RecordResponse(Strict):
    """A record of the index."""

    model: ModelRef
    index: IndexRef
    id: str
    label: str | list[str] | None
    predicted: str | list[str] | None
    confidence: float | None
    """How sure the model is of `predicted`; null if it was not measured."""
    votes: dict[str, str | list[str] | None]
    """Modality to what the model answers by it alone."""
    modalities: list[str]
    fields: dict[str, dict[str, Any]]
    """Modality of fields to its fields."""
    time: str | None
    """Its time, if the data set has times: RFC 3339, in UTC."""
    media: dict[str, str]
    """Modality to the address of its preview."""


class ReviewItem(Strict):
    """A record without a label that a person should look at."""

    id: str
    predicted: str | list[str] | None
    confidence: float
    disagreement: float
    """Share of pairs of its modalities whose answers differ."""
    votes: dict[str, str | list[str] | None]
    """Modality to what the model answers by it alone."""
    media: dict[str, str]


class ReviewResponse(Strict):
    """Records, most doubtful first: the model is least sure, or modalities disagree."""

    model: ModelRef
    items: list[ReviewItem]
