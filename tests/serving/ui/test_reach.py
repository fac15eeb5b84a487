"""The page reaches everybody: keyboard, screen reader, contrast, phone, less motion."""

import pytest

from tests import browser
from tests.serving.ui.acts import go

pytestmark = pytest.mark.slow
expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed").expect
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core").Axe()

OUTSIDE = """() => [...document.querySelectorAll("main *, header *")].filter((e) => {
  const { left, right } = e.getBoundingClientRect();
  const scrolls = e.closest(".scrolls, .unseen, .hidden-file, .skip");
  return !scrolls && right - left > 1 && (right > innerWidth + 1 || left < -1);
}).map((e) => e.outerHTML.slice(0, 120))"""
FOCUSED = """() => {
  const e = document.activeElement;
  if (e === document.body) return null;
  const seen = e.matches(".hidden-file") ? e.nextElementSibling : e;
  const { outlineStyle, outlineWidth } = getComputedStyle(seen);
  const box = seen.getBoundingClientRect();
  return {
    name: (e.labels?.[0] ?? e).innerText || e.ariaLabel || e.title || e.placeholder,
    outline: outlineStyle === "none" ? 0 : parseFloat(outlineWidth),
    top: Math.round(box.top + scrollY), inside: box.right > 0 && box.bottom > 0,
  };
}"""


def every_state(page):
    """Go through the views, with results where there are any."""
    page.get_by_role("textbox", name="text").fill("round ring")
    page.keyboard.press("Enter")
    page.locator(".card").first.scroll_into_view_if_needed()
    expect(page.locator(".card img").first).to_be_visible()
    page.get_by_role("button", name="More like").nth(1).click()
    expect(page.get_by_role("button", name="Remove like")).to_be_visible()
    page.locator("summary", has_text="Filters").click()
    page.locator("summary", has_text="Why").first.click()
    yield "search"
    page.locator("summary", has_text="Filters").click()
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert").filter(has_text="nothing to search")).to_be_visible()
    yield "search refused"
    go(page, "Classify")
    page.get_by_role("textbox", name="text").fill("plus crossing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Answer").get_by_role("heading").first).to_be_visible()
    yield "classify"
    go(page, "Review")
    page.keyboard.press("1")
    expect(page.get_by_text("1 label so far")).to_be_visible()
    yield "review"
    go(page, "About")
    yield "about"


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_lies_outside_in_any_state(chromium, url, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 740}}
    with browser.opened(chromium, url, **options, reduced_motion="reduce") as page:
        for state in every_state(page):
            found = axe.run(page)
            assert not found.violations_count, f"{state}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, state
            assert page.evaluate(OUTSIDE) == [], state


def test_the_search_is_free_of_faults_that_axe_knows(page):
    found = axe.run(page)
    assert not found.violations_count, found.generate_report()


def test_the_keyboard_goes_through_everything_in_order_and_out_again(page):
    page.locator("body").press("Tab")
    names = []
    before = -1
    while (focused := page.evaluate(FOCUSED)) is not None:
        names.append(focused["name"].split("\n")[0])
        assert focused["outline"] >= 2, focused  # it can be seen where the focus is
        assert focused["inside"], focused
        if focused["name"] not in ("Skip to the content",):
            assert focused["top"] >= before - 40, focused  # from the top to the bottom
            before = focused["top"]
        assert len(names) < 60, names
        page.keyboard.press("Tab")
    first = ["Skip to the content", "Search", "Classify", "Review", "About", "text"]
    assert names[: len(first)] == first
    assert names[-2:] == ["Search", "Filters"]


def test_a_page_that_is_gone_to_has_the_focus(page):
    go(page, "About")
    expect(page.get_by_role("heading", name="About the model")).to_be_focused()


def test_the_link_that_skips_goes_to_the_content(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_search_and_a_choice_of_class_need_no_mouse(page):
    page.get_by_role("textbox", name="text").focus()
    page.keyboard.type("round ring")
    page.keyboard.press("Enter")
    more = page.get_by_role("button", name="More like").first
    more.focus()
    page.keyboard.press("Enter")
    # The button goes away with its result; the focus is at what has come of it.
    expect(page.locator(".status")).to_be_focused()
    expect(page.locator(".status")).to_contain_text("nearest")


def test_less_motion_is_asked_for_and_given(chromium, url):
    with browser.opened(chromium, url, reduced_motion="reduce") as page:
        moving = """() => [...document.querySelectorAll("*")].filter((e) =>
          parseFloat(getComputedStyle(e).transitionDuration) > 0
          || getComputedStyle(e).animationName !== "none").length"""
        assert page.evaluate(moving) == 0
