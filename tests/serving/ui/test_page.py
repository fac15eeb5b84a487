"""The page in a browser, as people use it: typing, dropping, clicking, keys."""

import base64

import pytest

from serving.store.feedback import Feedback
from tests.packaged import packed
from tests.serving.ui.acts import asked, drop, go
from tests.synthetic import CLASSES

expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed").expect


def whole():
    return next(r for r in map(packed().source.raw, range(200)) if len(r) == 3)


def test_words_and_a_dropped_picture_find_records_and_a_result_leads_to_others(page):
    page.get_by_role("textbox", name="text").fill("round ring")
    drop(page, "main", whole()["image"])
    expect(page.get_by_alt_text("Your picture: shape.png")).to_be_visible()
    search = page.get_by_role("button", name="Search")
    sent = asked(page, "/v1/search", search.click)
    assert sent["query"]["text"] == "round ring"
    assert base64.b64decode(sent["query"]["image"]) == whole()["image"]
    results = page.get_by_role("list", name="Results")
    hits = results.locator("> li")
    expect(hits).to_have_count(12)
    expect(page.get_by_role("status").filter(has_text="nearest")).to_be_visible()
    picture = hits.locator("img").first
    expect(picture).to_have_js_property("naturalWidth", 8)  # it was fetched and shown

    second = hits.nth(1).locator(".id").inner_text()
    sent = asked(page, "/v1/search", hits.nth(1).get_by_role("button", name="More like").click)
    assert sent["like"] == [{"id": second}]
    expect(page.get_by_role("button", name="Remove like")).to_be_visible()
    expect(results).not_to_have_attribute("aria-busy", "true")
    third = hits.nth(2).locator(".id").inner_text()
    sent = asked(page, "/v1/search", hits.nth(2).get_by_role("button", name="Less like").click)
    assert (sent["like"], sent["unlike"]) == ([{"id": second}], [{"id": third}])

    expect(results).not_to_have_attribute("aria-busy", "true")
    page.get_by_role("button", name="Show more").click()
    expect(hits).to_have_count(24)
    expect(hits.nth(12).get_by_role("heading")).to_be_focused()


def test_filters_name_what_the_records_have(page):
    page.get_by_role("textbox", name="text").fill("round")
    page.locator("summary", has_text="Filters").click()
    page.get_by_role("group", name="facts: colour").get_by_label("green", exact=True).check()
    page.get_by_label("facts: weight, at most").fill("12")
    sent = asked(page, "/v1/search", page.get_by_role("button", name="Search").click)
    assert sent["filter"] == {"and": [
        {"field": "facts.colour", "in": ["green"]}, {"field": "facts.weight", "at_most": 12},
    ]}  # fmt: skip
    hits = page.get_by_role("list", name="Results").locator("> li")
    hits.first.scroll_into_view_if_needed()
    expect(hits.first).to_contain_text("green")
    facts = {i: f for i, f in zip(packed().source.ids, packed().source.raws["facts"], strict=True)}
    for name in hits.locator(".id").all_inner_texts():
        assert facts[name]["colour"] == "green"
        assert facts[name]["weight"] <= 12


def test_results_and_refusals_below_the_window_are_scrolled_to(page):
    page.set_viewport_size({"width": 390, "height": 700})
    page.locator("summary", has_text="Filters").click()
    search = page.get_by_role("button", name="Search")
    search.click()
    expect(page.locator(".error")).to_be_in_viewport()
    page.get_by_role("textbox", name="text").fill("round")
    search.click()
    expect(page.get_by_role("list", name="Results").locator("> li").first).to_be_in_viewport()
    go(page, "Classify")
    page.get_by_role("textbox", name="text").fill("round")
    page.get_by_role("button", name="Classify").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer.get_by_role("heading", level=2)).to_be_in_viewport()


@pytest.mark.parametrize(
    ("name", "kind", "content", "said"),
    [
        ("empty.png", "image/png", b"", "empty.png is empty."),
        ("notes.txt", "text/plain", b"notes", "notes.txt is not a picture."),
    ],
)
def test_a_file_that_is_no_picture_is_refused_when_it_is_given(page, name, kind, content, said):
    drop(page, ".zone", content, name, kind)
    expect(page.locator(".zone").get_by_role("alert")).to_contain_text(said)
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".error")).to_contain_text("nothing to search for")


def test_a_file_that_is_no_picture_inside_is_refused_in_plain_words(page):
    drop(page, ".zone", b"not a picture")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".error")).to_contain_text("got a file that cannot be read; needs an image")


def test_a_class_that_the_model_does_not_know_is_saved_with_a_warning(page):
    go(page, "Classify")
    page.get_by_role("textbox", name="text").fill("plus crossing")
    page.get_by_role("button", name="Classify").click()
    page.get_by_label("No, it is").fill("lime")
    page.get_by_role("button", name="Save").click()
    status = page.locator(".verdict").get_by_role("status")
    expect(status).to_contain_text("Saved: lime.")
    expect(status).to_contain_text("The model does not know “lime”.")


def test_a_record_with_empty_fields_is_classified_and_each_part_says_its_own(
    page, predictor, store
):
    go(page, "Classify")
    page.get_by_role("textbox", name="text").fill("plus crossing")
    page.get_by_label("weight").fill("10")
    sent = asked(page, "/v1/classify", page.get_by_role("button", name="Classify").click)
    record = {"text": "plus crossing", "facts": {"weight": 10}}
    assert sent == {"records": [record], "explain": True}
    wanted, *each = predictor.predict([record, *({m: v} for m, v in record.items())])
    answer = page.get_by_role("region", name="Answer")
    label = answer.get_by_role("heading", level=2)
    expect(label).to_have_text(wanted.label)
    expect(answer).to_contain_text("of answers like this")
    for name, alone in zip(record, each, strict=True):
        said = answer.get_by_role("listitem").filter(has_text=f"{name} says {alone.label}")
        expect(said).to_contain_text("agrees" if alone.label == wanted.label else "differs")
    expect(answer).to_contain_text("Left empty: image.")

    page.get_by_label("No, it is").fill("line")
    page.get_by_role("button", name="Save").click()
    expect(answer.get_by_role("status")).to_have_text("Saved: line. Thank you.")
    assert Feedback(store).all()[-1].labels == ["line"]


def test_the_review_queue_is_labelled_with_one_key_each_and_undone(page, store):
    go(page, "Review")
    record = page.get_by_role("region", name="Record to label")
    expect(record).to_be_focused()
    first = record.locator(".id").inner_text()
    sent = asked(page, "/v1/feedback", lambda: page.keyboard.press("2"))
    assert sent == {"record_id": first, "label": CLASSES[1]}
    status = page.get_by_role("status").filter(has_text="so far")
    expect(status).to_have_text(f"Saved {CLASSES[1]}. 1 label so far.")
    expect(record.locator(".id")).not_to_have_text(first)
    second = record.locator(".id").inner_text()

    page.keyboard.press("ArrowRight")
    expect(record.locator(".id")).not_to_have_text(second)
    page.keyboard.press("ArrowLeft")
    expect(record.locator(".id")).to_have_text(second)
    page.keyboard.press("ArrowLeft")
    expect(record.locator(".id")).to_have_text(first)
    assert first not in {one.record for one in Feedback(store).all()}
    sent = asked(page, "/v1/feedback", lambda: page.keyboard.press("4"))
    assert sent == {"record_id": first, "label": CLASSES[3]}
    expect(status).to_have_text(f"Saved {CLASSES[3]}. 1 label so far.")
    (given,) = [one for one in Feedback(store).all() if one.record == first]
    assert given.labels == [CLASSES[3]]

    page.reload()  # what was labelled does not come again
    expect(record).to_be_focused()
    expect(record.locator(".id")).to_have_text(second)

    page.get_by_label("Label with keys").uncheck()
    expect(record.locator(".id")).to_have_text(second)
    page.keyboard.press("1")
    expect(record.locator(".id")).to_have_text(second)
