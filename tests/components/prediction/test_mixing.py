"""A package's composer joins one reference and one text; any other search takes the sum."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from components.core.errors import BadInput, UserError
from components.model.composer import COMPOSER
from components.prediction.asking import Ask, Example, Given
from components.prediction.predictor import Predictor
from tests.composed import weights, with_composer
from tests.packaged import packed

TEXT = {"text": "round ring"}
NAMES = ("image", "text")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor.load(with_composer(tmp_path_factory.mktemp("c") / "package"))


@pytest.fixture(scope="module")
def pair(predictor):
    """A picture alone and words alone."""
    source = packed().source
    picture = next(value for value in source.raws["image"] if value is not None)
    return predictor.examples(
        [Given(record={"image": picture}, place="a"), Given(record=TEXT, place="b")]
    )


def ranked(predictor, query, target="image"):
    """Brute force: every cosine of a target's vectors, best first."""
    stored = predictor.collection.vectors(target, predictor.collection.packaged.ids)
    scores = {i: float(v.astype(float) @ query) for i, v in stored.items()}
    return sorted(scores, key=lambda i: (-scores[i], i))[:10]


def unit(x):
    return x / np.linalg.norm(x)


def by_sum(predictor, *vectors, target="image"):
    return ranked(predictor, unit(np.sum(vectors, axis=0).astype(float)), target)


def ids(page):
    return [hit.id for hit in page.hits]


def test_a_picture_and_words_are_composed_by_the_formula_of_the_method(predictor, pair):
    picture, words = pair
    z, t = picture.vectors["image"].astype(float), words.vectors["text"].astype(float)
    w = weights(len(z))
    # The oracle is q = norm(z + W2 relu(W1 [z; t] + b1) + b2), written out.
    hidden = [
        max(0.0, sum(a * b for a, b in zip(row, (*z, *t), strict=True)) + bias)
        for row, bias in zip(w["hidden.weight"], w["hidden.bias"], strict=True)
    ]
    query = unit(z + w["out.weight"] @ hidden + w["out.bias"])
    page = predictor.searcher.search(Ask(like=pair, target="image", explain=True))
    assert ids(page) == ranked(predictor, query) != by_sum(predictor, z, t)
    assert page.hits[0].score == pytest.approx(page.hits[0].scores["image"], abs=1e-4)
    assert page.composed == "composer"
    turned = predictor.searcher.search(Ask(like=pair[::-1], target="image"))
    assert (ids(turned), turned.composed) == (ids(page), None)


@pytest.mark.parametrize("case", ["weights", "another target", "three", "unlike", "many", "fused"])
def test_any_other_search_is_the_weighted_sum(predictor, pair, case):
    picture, words = pair
    z, t = picture.vectors["image"], words.vectors["text"]
    heavy = Example(vectors=picture.vectors, weight=2.0)
    both = Example(vectors={"image": z, "text": t})
    with_fields = Example(vectors={"facts": t})
    asked, wanted = {
        "weights": (Ask(like=[heavy, words], target="image"), (2 * z, t)),
        "another target": (Ask(like=pair, target="text"), (z, t)),
        "three": (Ask(like=[*pair, words], target="image"), (z, t, t)),
        "unlike": (Ask(like=pair, unlike=[words], target="image"), (z, t, -0.4 * t)),
        "many": (Ask(like=[both, words], target="image"), (unit(z + t), t)),
        "fused": (Ask(like=[picture, with_fields], target="image"), (z, t)),
    }[case]
    page = predictor.searcher.search(Ask(**{**asked.__dict__, "explain": True}))
    assert ids(page) == by_sum(predictor, *wanted, target=asked.target)
    assert page.composed == "sum"


def test_a_package_without_a_composer_takes_the_sum(pair):
    page = Predictor.load(packed().package).searcher.search(
        Ask(like=pair, target="image", explain=True)
    )
    assert page.composed == "sum"
    alone = Predictor.load(packed().package).searcher.search(
        Ask(like=pair[:1], target="image", explain=True)
    )
    assert alone.composed is None


def test_a_composer_that_was_changed_is_refused(tmp_path):
    package = with_composer(tmp_path / "package")
    content = bytearray((package / COMPOSER).read_bytes())
    content[-1] ^= 1
    (package / COMPOSER).write_bytes(content)
    with pytest.raises(UserError, match=r"composer\.safetensors was changed"):
        Predictor.load(package)


def test_a_composer_that_is_not_in_the_list_is_not_opened(tmp_path, pair):
    package = with_composer(tmp_path / "package", listed=False)
    (package / COMPOSER).write_bytes(b"not weights")
    page = Predictor.load(package).searcher.search(Ask(like=pair, target="image", explain=True))
    assert page.composed == "sum"


def test_the_pages_of_a_composed_search_go_on_where_the_last_one_ended(predictor, pair):
    ask = {"like": pair, "target": "image", "k": 4, "asked": "x"}
    first = predictor.searcher.search(Ask(**ask))
    second = predictor.searcher.search(Ask(**ask, after=first.next))
    whole = predictor.searcher.search(Ask(**{**ask, "k": 8}))
    assert ids(first) + ids(second) == ids(whole)
    with pytest.raises(BadInput, match="after"):
        predictor.searcher.search(Ask(**{**ask, "asked": "y"}, after=first.next))


def test_a_service_without_torch_composes_the_same(tmp_path, predictor):
    package = with_composer(tmp_path / "package")
    ids_of = predictor.collection.packaged.ids
    image, text = (next(iter(predictor.collection.vectors(n, ids_of).items())) for n in NAMES)
    asked = [Example(vectors={n: v}) for n, (_, v) in zip(NAMES, (image, text), strict=True)]
    wanted = predictor.searcher.search(Ask(like=asked, target="image"))
    code = f"""
import sys, json
sys.modules["torch"] = None
from pathlib import Path
from components.prediction.asking import Ask, Example
from components.prediction.predictor import Predictor
predictor = Predictor.load(Path({str(package)!r}))
records = {{"image": {image[0]!r}, "text": {text[0]!r}}}
like = [Example(vectors={{n: predictor.collection.vectors(n, [r])[r]}}) for n, r in records.items()]
page = predictor.searcher.search(Ask(like=like, target="image", explain=True))
print(json.dumps([page.composed, [[hit.id, hit.score] for hit in page.hits]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    how, hits = json.loads(done.stdout.splitlines()[-1])
    assert how == "composer"
    assert [i for i, _ in hits] == ids(wanted)
    assert [s for _, s in hits] == pytest.approx([hit.score for hit in wanted.hits], abs=1e-4)
