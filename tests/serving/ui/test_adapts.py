"""The page follows what the model and the service say: kinds, targets, names, tokens, refusals."""

import base64
import io

import numpy as np
import pytest
import soundfile

from tests import browser, sounds
from tests.serving.ui.acts import drop, go
from tests.serving.ui.models import answers, field, modality, model
from tests.synthetic import picture

pytestmark = pytest.mark.slow
expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed").expect

EVIL = '<img src=x onerror="document.title=666">'
REF = {"name": "made", "version": 1, "package_digest": "0" * 64}


def told(page, made, **paths):
    """Show another model than the service's; returns what is sent."""
    sent = answers(page, model=made, **paths)
    page.reload()
    page.wait_for_selector("h1")
    return sent


def found(*hits, **more):
    return {"model": REF, "answer_id": "a", "target": "fused", "hits": list(hits),
            "next": None, **more}  # fmt: skip


def hit(name, label, media=(), **more):
    media = {m: f"/v1/records/{name}/media/{m}" for m in media}
    return {"id": name, "score": 0.5, "label": label, "predicted": label, "media": media, **more}


def test_names_from_data_are_text_and_never_html(page):
    made = model(
        [modality(EVIL, "text"), modality("facts", "tabular", [field(EVIL, "category")])],
        classes=[EVIL, "b"], name=EVIL, card=f"# {EVIL}\n\n{EVIL}\n\n| {EVIL} |\n|---|\n| x |",
    )  # fmt: skip
    answer = {
        "answer_id": EVIL, "label": EVIL, "confidence": 0.5, "probabilities": {EVIL: 0.5},
        "abstained": True, "ood_score": 0.995, "modalities": [EVIL],
        "contributions": {EVIL: {"label": EVIL, "confidence": 0.5, "probability": 0.5}},
    }  # fmt: skip
    item = {"id": EVIL, "predicted": EVIL, "confidence": 0.5, "disagreement": 1.0,
            "votes": {EVIL: EVIL, "facts": "b"}, "media": {}}  # fmt: skip
    problem = {"field": EVIL, "got": EVIL, "wanted": EVIL}
    told(
        page, made, search=found(hit(EVIL, EVIL, scores={EVIL: 0.5, "facts": 0.1})),
        classify={"model": REF, "answers": [answer]}, review={"model": REF, "items": [item]},
        feedback={"status": 422, "json": {"message": EVIL, "problems": [problem]}},
    )  # fmt: skip
    page.get_by_role("textbox", name=EVIL).first.fill("x")
    page.keyboard.press("Enter")
    expect(page.locator(".card h2")).to_have_text(EVIL)
    page.get_by_role("button", name="More like").click()
    go(page, "Classify")
    page.get_by_role("textbox", name=EVIL).first.fill("x")
    page.keyboard.press("Enter")
    answer = page.get_by_role("region", name="Answer")
    expect(answer.get_by_role("heading", level=2)).to_have_text(EVIL)
    expect(answer).to_contain_text("This is a guess")
    expect(answer).to_contain_text("do not rely on the answer")
    go(page, "Review")
    page.keyboard.press("1")
    expect(page.get_by_role("alert").filter(has_text=EVIL)).to_be_visible()
    go(page, "About")
    expect(page.get_by_role("cell").or_(page.get_by_role("columnheader")).first).to_have_text(EVIL)
    assert page.locator("main img").count() == 0
    assert page.title() == f"About the model · {EVIL}"


def test_a_file_that_is_dropped_where_no_field_is_is_told_where_to_go(page):
    go(page, "About")
    drop(page, "main", picture("circle", np.random.default_rng(0)), "one.png")
    advice = page.get_by_text("Open Search and drop it there")
    expect(advice).to_be_visible()
    go(page, "Search")
    expect(advice).not_to_be_visible()


def test_a_file_for_a_model_of_texts_is_refused_everywhere(page):
    told(page, model([modality("title", "text")]))
    for name in ("About", "Search"):
        go(page, name)
        drop(page, "main", picture("circle", np.random.default_rng(0)), "one.png")
        expect(page.get_by_text("This model has no field for one.png")).to_be_visible()


def test_two_pictures_and_a_sound_have_a_field_each(page):
    made = model([modality("front", "image"), modality("back", "image"),
                  modality("voice", "audio", max_seconds=9.0)])  # fmt: skip
    sent = told(page, made, search=found())
    for name in ("one.png", "two.png"):
        drop(page, "main", picture("circle", np.random.default_rng(0)), name)
        expect(page.get_by_alt_text(name)).to_be_visible()
    drop(page, "main", sounds.tone(), "tone.wav", "audio/wav")
    expect(page.get_by_label("Your sound: tone.wav")).to_be_visible()
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status").filter(has_text="No record matches")).to_be_visible()
    query = sent[-1][1]["query"]
    assert sorted(query) == ["back", "front", "voice"]
    assert base64.b64decode(query["voice"]) == sounds.tone()


def test_a_recording_is_sent_as_a_wav_file(page):
    sent = told(page, model([modality("voice", "audio")]), search=found())
    page.get_by_role("button", name="Record for voice").click()
    page.wait_for_timeout(1200)
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_label("Your sound: recording.wav")).to_be_visible()
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status").filter(has_text="No record matches")).to_be_visible()
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sent[-1][1]["query"]["voice"])))
    assert (rate, samples.ndim) == (16_000, 1)
    assert 0.3 < len(samples) / rate < 5


def test_without_a_microphone_it_says_what_to_do(page):
    page.add_init_script("delete Navigator.prototype.mediaDevices")
    told(page, model([modality("voice", "audio")]))
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert").filter(has_text="choose a sound file instead")).to_be_visible()


def test_sets_of_classes_are_chosen_with_keys_and_saved_with_enter(page):
    item = {"id": "r1", "predicted": ["b"], "confidence": 0.5, "disagreement": 0.0,
            "votes": {}, "media": {}}  # fmt: skip
    made = model([modality("title", "text")], classes=["a", "b", "c"], target="multi")
    sent = told(page, made, review={"model": REF, "items": [item]},
                feedback={"status": 201, "json": {"feedback_id": "f"}})  # fmt: skip
    go(page, "Review")
    expect(page.get_by_role("button", name="2 b")).to_have_attribute("aria-pressed", "true")
    for key in ("3", "2", "1", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("That is all for now")).to_be_visible()
    (saved,) = [body for name, body in sent if name == "feedback"]
    assert saved == {"record_id": "r1", "labels": ["c", "a"]}


def test_many_classes_are_found_by_their_first_letters(page):
    item = {"id": "r1", "predicted": "class 30", "confidence": 0.5, "disagreement": 0.5,
            "votes": {"title": "class 7"}, "media": {}}  # fmt: skip
    classes = [f"class {n}" for n in range(40)] + ["zebra", "zero"]
    sent = told(page, model([modality("title", "text")], classes=classes),
                review={"model": REF, "items": [item, {**item, "id": "r2"}]},
                feedback={"status": 201, "json": {"feedback_id": "f"}})  # fmt: skip
    go(page, "Review")
    expect(page.get_by_role("button", name="1 class 30")).to_be_visible()  # likely ones first
    expect(page.get_by_role("button", name="2 class 7", exact=True)).to_be_visible()
    page.keyboard.type("zer")
    expect(page.get_by_role("status").filter(has_text="Enter chooses zero")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved zero. 1 label so far.")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_text("Saved class 30. 2 labels so far.")).to_be_visible()
    saved = [body for name, body in sent if name == "feedback"]
    assert saved == [{"record_id": "r1", "label": "zero"}, {"record_id": "r2", "label": "class 30"}]


def test_a_model_without_classes_only_searches(page):
    told(page, model([modality("title", "text")], classes=(), target="none"))
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == [
        "Search", "About",
    ]  # fmt: skip


def test_filters_are_of_what_the_model_declares(page):
    fields = [field("weight", "number", unit="kg"), field("colour", "category")]
    made = model([modality("facts", "tabular", fields), modality("title", "text")])
    sent = told(page, made, search=found())
    page.get_by_role("textbox", name="title").fill("x")
    page.locator("summary", has_text="Filters").click()
    label = page.get_by_role("group", name="Label")
    label.get_by_label("a", exact=True).check()
    label.get_by_label("leave these out").check()
    page.get_by_role("group", name="Has").get_by_label("title", exact=True).check()
    page.get_by_label("facts: weight, at least").fill("2.5")
    page.get_by_label("facts: colour").fill("red, blue")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status").filter(has_text="No record matches")).to_be_visible()
    assert sent[-1][1]["filter"] == {"and": [
        {"not": {"field": "label", "in": ["a"]}},
        {"field": "has", "in": ["title"]},
        {"field": "facts.weight", "at_least": 2.5},
        {"field": "facts.colour", "in": ["red", "blue"]},
    ]}  # fmt: skip
    page.get_by_role("button", name="Clear all filters").click()
    expect(page.locator("summary", has_text="in use")).to_have_count(0)


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (429, {"Retry-After": "7"}, "busy right now. Nothing is lost. Try"
         " again in 7 seconds."),
        (503, {"Retry-After": "60"}, "is not ready. Nothing is lost. Try again in 60 seconds."),
        (504, {}, "took too long"),
        (403, {}, "Your token does not allow this"),
        (403, {}, "needs that"),
        (413, {}, "too large"),
        (500, {}, "tell whoever runs the service"),
    ],
)  # fmt: skip
def test_refusals_are_told_in_plain_words_with_what_to_do(page, status, headers, says):
    body = {"message": "m", "problems": [{"field": "body", "got": "this", "wanted": "that"}]}
    answers(page, search={"status": status, "headers": headers, "json": body})
    page.get_by_role("textbox", name="text").fill("x")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text=says)).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card").first).to_be_visible()


def test_a_service_that_is_gone_is_told(page):
    page.route("**/v1/search", lambda route: route.abort())
    page.get_by_role("textbox", name="text").fill("x")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()


def test_another_version_that_answers_is_told(page):
    other = found() | {"model": {**REF, "package_digest": "1" * 64}}
    answers(page, search=other)
    page.get_by_role("textbox", name="text").fill("x")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Another version of the model is in use now")).to_be_visible()


def test_a_token_is_asked_for_once_and_sent_with_previews_too(chromium, guarded):
    url, token, _ = guarded
    with browser.opened(chromium, url) as page:
        dialog = page.get_by_role("dialog", name="Access token")
        text = page.get_by_label("Token", exact=True)
        expect(text).to_be_focused()
        text.fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("does not know this token")
        text.fill(token)
        page.keyboard.press("Enter")
        page.get_by_role("textbox", name="text").fill("round")
        page.keyboard.press("Enter")
        expect(page.locator(".card img").first).to_be_visible()
        page.reload()  # the tab keeps it
        expect(page.get_by_role("heading", name="Search")).to_be_visible()
        expect(dialog).not_to_be_visible()


def test_a_token_can_be_replaced_without_closing_the_tab(chromium, guarded):
    url, token, judges = guarded
    with browser.opened(chromium, url) as page:
        page.get_by_label("Token", exact=True).fill(judges)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Your token does not allow this")).to_be_visible()
        page.get_by_role("button", name="Use another token").click()
        page.get_by_label("Token", exact=True).fill(token)
        page.keyboard.press("Enter")
        page.get_by_role("textbox", name="text").fill("round")
        page.keyboard.press("Enter")
        expect(page.locator(".card img").first).to_be_visible()


def test_without_a_token_it_says_whom_to_ask(chromium, guarded):
    with browser.opened(chromium, guarded[0]) as page:
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("alert").filter(has_text="Ask whoever runs")).to_be_visible()


def test_a_model_whose_records_have_times_filters_by_them(page):
    made = model([modality("title", "text")], timed=True)
    sent = told(page, made, search=found())
    page.get_by_role("textbox", name="title").fill("ring")
    page.locator("summary", has_text="Filters").click()
    page.get_by_label("Time, from").fill("2025-01-11T10:30")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status").filter(has_text="No record matches")).to_be_visible()
    where = sent[-1][1]["filter"]
    local = page.evaluate("new Date('2025-01-11T10:30').toISOString()")
    assert where == {"field": "time", "at_least": local}


def test_the_moments_of_a_filter_are_wide_enough_to_be_read(page):
    told(page, model([modality("text", "text")], timed=True))
    page.locator("summary", has_text="Filters").click()
    moment = page.get_by_label("Time, from")
    hidden = "input => input.scrollWidth - input.clientWidth"
    assert moment.evaluate(hidden) <= 0
    assert moment.bounding_box()["width"] >= 190  # of "mm/dd/yyyy, --:-- --" and its icon
