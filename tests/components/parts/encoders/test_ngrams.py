import itertools
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.feature_extraction.text import CountVectorizer

from components.parts import loading as parts
from components.parts.encoders import _ngrams
from components.parts.encoders._scripts import UNSPACED


def encode(texts, **options):
    config = parts.configure("encoders", "ngrams", options)
    return parts.load("encoders", "ngrams").build(config, kind=None).encode(texts)


def grams(text):
    """All grams of a text, one by one: the oracle of the windows."""
    runs, last = [], " "
    for c in unicodedata.normalize("NFKC", text).casefold():
        category = unicodedata.category(c)[0]
        sort = "border"
        if category in "LMN":
            sort = "unspaced" if any(a <= ord(c) <= b for a, b in UNSPACED) else "spaced"
        elif category in "PS":
            sort = "symbol"
        if sort == last and sort in ("spaced", "unspaced"):
            runs[-1][1].append(c)
        else:
            runs.append((sort, [c]))
        last = sort
    runs = [(sort, "".join(cs)) for sort, cs in runs]
    words = [run if sort == "spaced" else None for sort, run in runs if sort.endswith("spaced")]
    found = [("word", w) for w in words if w]
    found += [("pair", a, b) for a, b in itertools.pairwise(words) if a and b]
    for sort, run in runs:
        if sort == "symbol":
            found.append(("piece", run))
        elif sort.endswith("spaced"):
            padded = f" {run} " if sort == "spaced" else run
            found += [
                ("piece", padded[i : i + n])
                for n in (1, 2, 3, 4)
                for i in range(len(padded) - n + 1)
                if padded[i : i + n] != " "
            ]
    return Counter(found)


MIXED = "Red shoe, red SHOE!! a\niPhone手机壳 红色的鞋子 สวัสดี नमस्ते 12 ½ ☃"


@given(st.lists(st.one_of(st.text("aB 红色!\n\u0e2a", max_size=12), st.just(MIXED)), max_size=4))
def test_the_counts_are_those_of_all_grams_one_by_one(texts):
    found = encode(texts, buckets=2**24)
    for row, text in zip(found, texts, strict=True):
        wanted = grams(text)
        words = sum(n for gram, n in wanted.items() if gram[0] != "piece")
        assert sorted(row.data) == sorted(wanted.values())
        assert row.data[row.indices < 2**23].sum() == words


def test_a_gram_has_the_same_bucket_in_every_text():
    texts = ["red shoe", "blue shoe", "红色的鞋", "蓝色的鞋"]
    found = encode(texts, buckets=2**24).toarray() > 0
    for i, a in enumerate(texts):
        for j, b in enumerate(texts):
            assert (found[i] & found[j]).sum() == len(grams(a) & grams(b))


def test_words_and_pairs_are_those_of_scikit_learn():
    texts = ["red shoe red", "the red shoe", "b c b c"]
    vectorizer = CountVectorizer(ngram_range=(1, 2), tokenizer=str.split, token_pattern=None)
    wanted = vectorizer.fit_transform(texts).toarray()
    found = encode(texts, buckets=2**24).toarray()[:, : 2**23]
    assert [sorted(r[r > 0]) for r in found] == [sorted(r[r > 0]) for r in wanted]


def test_words_spread_evenly_over_the_buckets():
    rng = np.random.default_rng(0)
    texts = ["".join(map(chr, row)) for row in rng.integers(97, 123, (5_000, 8))]
    words = encode(texts, buckets=1_024)[:, :512]
    assert 1e-3 < chisquare(np.bincount(words.indices, minlength=512)).pvalue < 1 - 1e-3


def test_many_texts_are_counted_as_few(monkeypatch):
    texts = ["red shoe", "", "a", MIXED] * 5
    whole = encode(texts)
    monkeypatch.setattr(_ngrams, "_AT_ONCE", 10)
    assert (encode(texts) != whole).nnz == 0


@pytest.mark.parametrize("text", ["", "  \n", "\ud800", "\U0010ffff", "\x00"])
def test_a_text_without_letters_has_no_counts(text):
    assert encode([text]).nnz == 0
