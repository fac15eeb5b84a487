"""What searches among the test records find, as tiles of the report."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluation.held_out import HeldOut
from components.evaluation.previews import Previews, cut, told
from components.features.store import Features
from components.model.outputs import Inference

_QUERIES, _RESULTS = 4, 6


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One record in a gallery: its picture, text or fields, with a caption."""

    body: Markup
    caption: str
    note: str = ""
    hit: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What a few queries found."""

    source: str
    target: str
    rows: list[tuple[Tile, list[Tile]]]


def galleries(
    held_out: HeldOut, test: NDArray[np.int64], vectors: Inference, previews: Previews
) -> list[Gallery]:
    """Search of test records among test records: between text and media, and among media.

    Where all modalities are of one type, between the first two.

    Args:
        held_out: validation and test records.
        test: ``(t,)`` positions of the test records among the held-out ones.
        vectors: the chosen model's outputs for the test records.
        previews: small forms of records.
    """
    features = held_out.features
    of_type = {
        raw: [n for n in features.names if features.specs[n].raw == raw]
        for raw in ("text", "bytes", "fields")
    }
    firsts = [names[0] for names in of_type.values() if names][:2]
    if len(firsts) == 1:
        firsts = features.names[:2]
    pairs = [(a, b) for a in firsts for b in firsts if a != b]
    last = (of_type["bytes"] or firsts)[0]
    return [_gallery(held_out, test, vectors, previews, a, b) for a, b in [*pairs, (last, last)]]


def _gallery(
    held_out: HeldOut,
    test: NDArray[np.int64],
    vectors: Inference,
    previews: Previews,
    source: str,
    target: str,
) -> Gallery:
    features = held_out.features
    has = {name: held_out.present[test, features.names.index(name)] for name in (source, target)}
    both, gallery = np.flatnonzero(has[source] & has[target]), np.flatnonzero(has[target])
    rows = []
    for query in both[evenly(len(both), _QUERIES)]:
        scores = vectors.embeddings[target][gallery] @ vectors.embeddings[source][query]
        if source == target:
            scores[gallery == query] = -np.inf
        best = np.argsort(-scores, kind="stable")[:_RESULTS]
        record = held_out.rows[test[query]]
        found = [
            _tile(
                features,
                previews,
                held_out.rows[test[gallery[i]]],
                target,
                record,
                float(scores[i]),
            )
            for i in best
            if np.isfinite(scores[i])
        ]
        rows.append((_tile(features, previews, record, source), found))
    return Gallery(source=source, target=target, rows=rows)


def _tile(
    features: Features,
    previews: Previews,
    row: int,
    modality: str,
    query: int | None = None,
    score: float | None = None,
) -> Tile:
    caption = told(features.target.decode(features.labels[[row]])[0]) or "no label"
    hit = None if query is None else features.groups[row] == features.groups[query]
    note = features.ids[row] if score is None else f"{score:.2f}"
    return Tile(
        body=previews.show(row, modality), caption=cut(caption, 40), note=cut(note, 40), hit=hit
    )


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Positions of at most so many of ``count`` things, evenly spaced, first and last among them.

    >>> evenly(9, 3).tolist(), evenly(0, 3).tolist()
    ([0, 4, 8], [])
    """
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64)
