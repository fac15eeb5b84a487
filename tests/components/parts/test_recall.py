"""The watched recall: the share of true records that a search found, counted by hand."""

import numpy as np

from components.parts import loading as parts
from components.parts.indexing import Found
from components.parts.recall import RecallWatch


def _index():
    module = parts.load("index", "exact")
    index = module.build(module.Config(), dim=2, attributes={})
    angles = np.linspace(0, 1, 8)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    index.upsert([str(i) for i in range(8)], vectors, {})
    return index, vectors


def test_recall_is_the_share_of_true_records_that_were_found():
    (index, vectors), watch = _index(), RecallWatch()
    assert watch.recall is None
    true = index.search(vectors[:1], 4)
    watch.check(index, vectors[:1], 4, None, true)
    assert (watch.recall, watch.checked) == (1.0, 1)
    worse = Found(ids=["0", "1", "6", "7"], scores=(vectors[[0, 1, 6, 7]] @ vectors[0]))
    watch.check(index, vectors[:1], 4, None, [worse])
    assert (watch.recall, watch.checked) == (6 / 8, 2)


def test_the_given_share_of_searches_is_repeated():
    watch = RecallWatch(share=0.1)
    assert 70 < sum(watch.due() for _ in range(1000)) < 130
    assert not any(RecallWatch(share=0).due() for _ in range(100))
