"""What people do on the page."""

import base64
import json

DROP = """([selector, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const moved = new DataTransfer();
  moved.items.add(new File([bytes], name, { type }));
  for (const event of ["dragenter", "dragover", "drop"]) {
    document.querySelector(selector).dispatchEvent(
      new DragEvent(event, { dataTransfer: moved, bubbles: true, cancelable: true }));
  }
}"""


def go(page, name):
    page.get_by_role("link", name=name, exact=True).click()
    page.locator("nav a[aria-current=page]", has_text=name).wait_for()
    if name == "Review":
        page.locator(".task:focus").wait_for()


def drop(page, selector, content, name="shape.png", kind="image/png"):
    page.evaluate(DROP, [selector, name, kind, base64.b64encode(content).decode()])


def asked(page, path, act):
    """The JSON that an action sends."""
    with page.expect_request(f"**{path}") as sent:
        act()
    return json.loads(sent.value.post_data)
