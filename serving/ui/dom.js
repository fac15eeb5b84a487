// Elements from plain data. Whatever comes from a model or a record becomes text, never HTML.

const PROPERTIES = new Set(["checked", "disabled", "value", "hidden", "open", "selected"]);

/** An element; `on` holds its listeners, false and null attributes are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listen] of Object.entries(value)) element.addEventListener(event, listen);
    } else if (PROPERTIES.has(name)) element[name] = value;
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  put(element, ...children);
  return element;
}

/** Add children; a string is text, null is nothing. */
export function put(element, ...children) {
  for (const child of children.flat(2)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

/** Replace all children. */
export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

let last = 0;

/** An id that nothing else on the page has. */
export function newId() {
  last += 1;
  return `e${last}`;
}

export function button(text, press, attributes = {}) {
  return h("button", { type: "button", ...attributes, on: { click: press } }, text);
}

const SEEN = 120; // pixels of an element that are enough to notice it

/** Scroll to what was asked for, where it is outside the window. */
export function inView(element) {
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > window.innerHeight - SEEN) element.scrollIntoView({ block: "start" });
}

/** A bar of a share from 0 to 1; the number beside it says the same to those who do not see it. */
export function bar(share, kind = "") {
  const inner = h("span");
  inner.style.width = `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
  return h("span", { class: `bar ${kind}`, "aria-hidden": "true" }, inner);
}

/** A control and its label. */
export function labelled(text, control, attributes = {}) {
  control.id ||= newId();
  const label = h("label", { for: control.id }, text);
  return h("div", { class: "field", ...attributes }, label, control);
}
