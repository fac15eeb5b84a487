"""Pictures and names of glyphs as one query: the sum, a learned composer, and each alone."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods._real import encoded
from benchmarks.methods._student import answers, fitted
from components.config.composer import ComposerConfig
from components.features.categories import Categories, categories
from components.features.store import Features
from components.training.composer import embedded, fit
from components.training.judged_composer import found_among_first
from components.training.triplets import differing_in_one, triplets

COMPOSER = ComposerConfig(reference="image", text="text")
QUERIES = 2000


def on_glyphs(seed: int) -> dict[str, float]:
    """R@10 of test triplets among the pictures of all test records, by what searches."""
    data = encoded("glyphs", "all", seed, training={"seed": 0}).without(["image/cnn"])
    model = fitted(
        data,
        names=("image", "text"),
        losses={"cross_entropy": {}, "info_nce": {"weight": 1.0}},
        training={"epochs": 30},
        seed=seed,
    )
    rows, i, j = _asked(data, seed)
    vectors = answers(model, data, rows).embeddings
    z, t = vectors["image"][i], vectors["text"][j]
    learned = fit(embedded(model, data, triplets(data, COMPOSER, seed), COMPOSER), COMPOSER, seed)
    added = z + t
    queries = {"image": z, "text": t, "sum": added, "composer": learned(z, t)}
    gallery = data.present[rows, data.names.index("image")]
    place = np.cumsum(gallery) - 1
    groups = np.unique([data.groups[row] for row in rows[gallery]], return_inverse=True)[1]
    return {
        f"glyphs, {name}": float(
            found_among_first(q @ vectors["image"][gallery].T, groups, place[i], place[j]).mean()
        )
        for name, q in queries.items()
    }


def _asked(
    data: Features, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The test rows, and positions in them of references and targets that differ in one field."""
    rows, known = data.rows("test"), categories(data)
    own = Categories(names=known.names, codes=known.codes[rows])
    image, text = (data.present[rows, data.names.index(name)] for name in ("image", "text"))
    rng = np.random.default_rng([seed, 7])
    i, j, _ = differing_in_one(own, image, image & text, QUERIES, rng)
    groups = np.array(data.groups, dtype=np.str_)[rows]
    other = groups[i] != groups[j]
    return rows, i[other], j[other]
