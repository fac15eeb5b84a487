"""What the rules read of each record, on random records."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from components.validation.roles import occurrences, visible_labels

KEYS = st.sampled_from(["a", "b", "c", None])


@given(st.lists(KEYS), st.lists(KEYS))
def test_occurrences_count_over_batches(first, second):
    before: Counter[str] = Counter()
    found = occurrences(first, before) + occurrences(second, before)
    whole = first + second
    assert found == [None if k is None else whole[: i + 1].count(k) for i, k in enumerate(whole)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "val", "test", "odd", None]),
            KEYS,
            st.sampled_from(["x", "y", None]),
        )
    )
)
def test_hidden_labels_do_not_pass(records):
    splits, ids, labels = ([r[i] for r in records] for i in range(3))
    shown = visible_labels(labels, splits, ids, frozenset({"a"}))
    for split, key, label, seen in zip(splits, ids, labels, shown, strict=True):
        assert seen == (label if split in ("val", "test") or key == "a" else None)
    assert visible_labels(labels, splits, ids, None) == labels
