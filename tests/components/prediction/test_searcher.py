"""Searches equal brute force over the vectors of the index: mixes, filters, pages, explanations."""

import numpy as np
import pytest

from components.core.errors import BadInput
from components.parts.filters import In, Not, Range, parse
from components.prediction.asking import Ask, Example, Given
from components.prediction.hubness import corrected
from components.prediction.journal import Write
from components.prediction.predictor import Predictor
from tests.components.prediction.journals import MemoryJournal
from tests.packaged import packed


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(packed().package)


@pytest.fixture(scope="module")
def source():
    return packed().source


def vectors(predictor, target):
    """All vectors of a target, by id."""
    packaged = predictor.collection.packaged
    return predictor.collection.vectors(target, packaged.ids)


def ranked(stored, query, without=()):
    """Brute force: every cosine, sorted by score and id."""
    scores = {i: np.float32(v.astype(float) @ query.astype(float)) for i, v in stored.items()}
    return sorted(((-float(s), i) for i, s in scores.items() if i not in without))


def unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def found(page):
    return [(-hit.score, hit.id) for hit in page.hits]


def assert_near(given, wanted):
    assert [i for _, i in given] == [i for _, i in wanted]
    assert [s for s, _ in given] == pytest.approx([s for s, _ in wanted], abs=1e-5)


def test_more_like_a_record_finds_its_neighbours_and_not_itself(predictor):
    page = predictor.searcher.search(Ask(like=[Example(id="r0003")], k=20))
    fused = vectors(predictor, "fused")
    assert_near(found(page), ranked(fused, fused["r0003"], {"r0003"})[:20])


def test_more_like_these_and_less_like_that(predictor):
    (example,) = predictor.examples([Given(record={"text": "round ring"}, weight=2.0)])
    ask = Ask(like=[example, Example(id="r0004")], unlike=[Example(id="r0005", weight=1.5)], k=15)
    fused = vectors(predictor, "fused")
    query = 2 / 3 * example.vectors["fused"] + 1 / 3 * fused["r0004"] - 0.3 * fused["r0005"]
    wanted = ranked(fused, unit(query), {"r0004", "r0005"})[:15]
    assert_near(found(predictor.searcher.search(ask)), wanted)


def test_a_mix_in_the_space_of_one_modality_takes_the_mean_of_each_example(predictor):
    texts, images = vectors(predictor, "text"), vectors(predictor, "image")
    one, two = [i for i in texts if i in images][:2]
    ask = Ask(like=[Example(id=one), Example(id=two)], by="text", target="image", k=12)
    query = unit(texts[one] + texts[two])
    assert_near(found(predictor.searcher.search(ask)), ranked(images, query, {one, two})[:12])


def test_an_explained_hit_tells_the_cosine_with_each_of_its_modalities(predictor):
    (example,) = predictor.examples([Given(record={"text": "thin long bar"})])
    page = predictor.searcher.search(Ask(like=[example], k=5, explain=True))
    for hit in page.hits:
        wanted = {
            name: float(vectors(predictor, name)[hit.id] @ example.vectors["text"])
            for name in hit.modalities
        }
        assert hit.scores == pytest.approx(wanted, abs=1e-5)
    (plain, *_) = predictor.searcher.search(Ask(like=[example], k=1)).hits
    assert plain.scores is None


def test_hubness_is_corrected_among_the_candidates(predictor):
    (example,) = predictor.examples([Given(record={"text": "round ring"})])
    ask = Ask(like=[example], target="image", k=10, hubness=True)
    images, texts = vectors(predictor, "image"), vectors(predictor, "text")
    ids = list(images)
    gallery = np.stack(list(images.values()))
    # All records are fewer than a bank, so that the banks are all of them.
    banks = [np.stack(list(stored.values())) for stored in (texts, images)]
    fair = corrected(gallery @ example.vectors["text"], gallery, *banks)
    wanted = sorted((-s, i) for s, i in zip(fair.tolist(), ids, strict=True))[:10]
    assert_near(found(predictor.searcher.search(ask)), wanted)


FILTERS = {
    "label": (In("label", ("circle",)), lambda s, r: s.label[r] == "circle"),
    "has": (In("has", ("text",)), lambda s, r: s.raws["text"][r] is not None),
    "number": (
        Range(field="facts.weight", at_least=5.0, below=25.0),
        lambda s, r: 5.0 <= cell(s, r, "weight", np.nan) < 25.0,
    ),
    "category": (In("facts.colour", ("red",)), lambda s, r: cell(s, r, "colour") == "red"),
    "set": (In("facts.tags", ("t1",)), lambda s, r: "t1" in cell(s, r, "tags", [])),
    "not": (Not(In("facts.colour", ("red",))), lambda s, r: cell(s, r, "colour") != "red"),
    "id": (In("id", ("r0001", "r0007")), lambda s, r: s.ids[r] in ("r0001", "r0007")),
}


def cell(source, row, column, nothing=None):
    value = (source.raws["facts"][row] or {}).get(column)
    return nothing if value is None else value


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_on_any_attribute_finds_what_a_loop_over_the_raw_records_finds(
    predictor, source, name
):
    where, keeps = FILTERS[name]
    wanted = {i for row, i in enumerate(source.ids) if keeps(source, row)}
    assert 0 < len(wanted) < len(source.ids)
    page = predictor.searcher.search(Ask(like=[Example(id="r0000")], k=500, where=where))
    assert {hit.id for hit in page.hits} == wanted - {"r0000"}


def test_an_unknown_attribute_is_refused_with_those_that_exist(predictor):
    with pytest.raises(BadInput, match=r"facts\.colour"):
        parse({"field": "facts.color", "in": ["red"]}, predictor.collection.declared)


def pages(searcher, **ask):
    """All hits of a search page by page."""
    hits, after = [], None
    while True:
        page = searcher.search(Ask(**ask, after=after))
        hits += found(page)
        after = page.next
        if after is None:
            return hits


@pytest.mark.parametrize("options", [{}, {"hubness": True, "target": "image"}, {"by": "text"}])
@pytest.mark.parametrize("k", [7, 50])
def test_pages_together_are_the_whole_ranking(predictor, options, k):
    (example,) = predictor.examples([Given(record={"text": "round ring", "facts": {"weight": 3}})])
    like = [Example(id="r0000")] if "by" in options else [example]
    ask = {"like": like, **options, **({"target": "text"} if "by" in options else {})}
    whole = found(predictor.searcher.search(Ask(**ask, k=500)))
    assert len(whole) > 100
    assert pages(predictor.searcher, **ask, k=k) == whole


def writer():
    return Predictor.load(packed().package, verify=False, journal=MemoryJournal())


def test_pages_go_on_where_many_records_have_the_same_score():
    found_ = writer()
    record = {"text": "one and the same text"}
    ids = [f"same{i:02d}" for i in range(30)]
    writes = [Write(id=i, record=record) for i in reversed(ids)]
    found_.collection.write(writes, ids)
    (example,) = found_.examples([Given(record=record)])
    where = In("id", tuple(ids))
    assert [i for _, i in pages(found_.searcher, like=[example], k=7, where=where)] == ids


def test_a_page_tells_that_records_were_written_since_and_repeats_and_loses_none():
    found_ = writer()
    searcher = found_.searcher
    ask = {"like": [Example(id="r0000")], "k": 10}
    whole = found(searcher.search(Ask(**ask | {"k": 500})))
    first = searcher.search(Ask(**ask))
    # Records before and after the page's end, one of them the record itself once more.
    twin = packed().source.raw(0)
    found_.collection.write([Write(id=f"new{i}", record=twin) for i in range(40)], ["r"] * 40)
    found_.collection.write([Write(id=whole[12][1], record=None)], ["r"])
    second = searcher.search(Ask(**ask, after=first.next))
    assert not first.changed
    assert second.changed
    assert found(second) == [whole[10], whole[11], *whole[13:21]]


@pytest.mark.parametrize("text", ["", "x", "bm9uc2Vuc2U", "W10", "é" * 9, "A" * 3000])
def test_what_is_no_cursor_is_refused(predictor, text):
    with pytest.raises(BadInput, match=r"after.*previous page"):
        predictor.searcher.search(Ask(like=[Example(id="r0000")], after=text))


def test_a_cursor_of_another_search_or_another_version_is_refused(predictor):
    ask = {"like": [Example(id="r0000")], "k": 5}
    cursor = predictor.searcher.search(Ask(**ask)).next
    with pytest.raises(BadInput, match="another search"):
        predictor.searcher.search(Ask(**ask, after=cursor, where=In("has", ("text",))))
    other = writer()
    other.collection.digest = "f" * 64
    with pytest.raises(BadInput, match="another version"):
        other.searcher.search(Ask(**ask, after=cursor))


def test_an_id_that_does_not_exist_is_named(predictor):
    with pytest.raises(BadInput, match=r"like\.1\.id.*'nobody'"):
        predictor.searcher.search(
            Ask(like=[Example(id="r0000"), Example(id="nobody", place="like.1.id")])
        )
