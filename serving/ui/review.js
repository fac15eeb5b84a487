// Review: records that the model is least sure of, labelled with one key press.

import { get, post, remove } from "./api.js";
import { button, fill, h } from "./dom.js";
import { errorBox } from "./errors.js";
import { classPicker, KEYS } from "./picker.js";
import { previews } from "./records.js";
import { count, named, percent } from "./words.js";

const AT_ONCE = 20;
const FEW = 3; // records left when more are fetched

export function reviewView(model) {
  const done = []; // what was labelled or skipped, in order: {item, label, feedback}
  const seen = new Set();
  let queue = [];
  let current = null;
  let fetched = null;
  let busy = false;

  const status = h("p", { class: "status", role: "status" });
  const trouble = h("div");
  const place = h("section", { class: "task", "aria-label": "Record to label", tabindex: "-1" });
  const keys = h("input", { type: "checkbox", id: "keys", checked: true });
  const element = h("div", {},
    h("h1", { tabindex: "-1" }, "Review"),
    h("p", { class: "lead" }, "Help the model: label the records that it is least sure of, or whose"
      + " parts disagree. Each label is saved at once, for the next training."),
    h("div", { class: "check" }, keys, h("label", { for: "keys" },
      `Label with keys: ${model.classes.length > KEYS ? "number or letters" : "number"} for a class,`
      + " → to skip, ← to undo")),
    trouble, status, place);
  const picker = classPicker(model, { pick: label });

  async function more() {
    const k = Math.min(model.max_hits, AT_ONCE + seen.size);
    fetched ??= get(`v1/review?k=${k}`).finally(() => (fetched = null));
    const { items } = await fetched;
    const waiting = new Set([...seen, ...queue.map((item) => item.id)]);
    queue.push(...items.filter((item) => !waiting.has(item.id)));
  }

  async function next() {
    fill(trouble);
    try {
      if (!queue.length) await more();
      else if (queue.length <= FEW) more().catch(() => {}); // asked for again when empty
      show(queue.shift() ?? null);
    } catch (error) {
      fill(place);
      fill(trouble, errorBox(error, next));
    }
  }

  function show(item) {
    current = item;
    if (item === null) {
      fill(place, h("p", { class: "empty" }, done.length
        ? "That is all for now. Thank you." : "No record needs a label."));
      if (done.length) place.append(button("Undo", undo));
      place.focus();
      return;
    }
    seen.add(item.id);
    picker.reset(item);
    const back = button("← Undo", undo);
    back.disabled = !done.length;
    fill(place, h("div", { class: "panel look" },
      previews(model, item.id, item.media ?? {}, { large: true }),
      h("div", {},
        h("h2", { dir: "auto" }, `The model says ${named(item.predicted) ?? "nothing"}`),
        h("p", { class: "quiet id" }, item.id), reasons(item), picker.element,
        h("div", { class: "row" }, back, button("Skip →", skip)))));
    place.focus({ preventScroll: true });
  }

  /** Do one thing at a time: one key press, one label. */
  async function once(work) {
    if (busy) return;
    busy = true;
    fill(trouble);
    try {
      await work();
    } catch (error) {
      fill(trouble, errorBox(error, () => once(work)));
    } finally {
      busy = false;
    }
  }

  function label(given) {
    const item = current;
    if (item === null) return;
    const said = Array.isArray(given) ? { labels: given } : { label: given };
    once(async () => {
      const { feedback_id } = await post("v1/feedback", { record_id: item.id, ...said });
      done.push({ item, label: given, feedback: feedback_id });
      const labels = done.filter((one) => one.label !== null).length;
      status.textContent = `Saved ${named(given)}. ${count(labels, "label")} so far.`;
      if (current === item) await next();
    });
  }

  function skip() {
    const item = current;
    if (item === null) return;
    once(async () => {
      done.push({ item, label: null });
      status.textContent = "Skipped.";
      await next();
    });
  }

  function undo() {
    once(async () => {
      const last = done.at(-1);
      if (!last) return;
      if (last.label !== null) await withdraw(last.feedback);
      done.pop();
      if (current !== null) queue.unshift(current);
      show(last.item);
      status.textContent = last.label === null ? "Back to the record that you skipped."
        : `Back to the last record. Its label ${named(last.label)} is deleted.`;
    });
  }

  function press(event) {
    if (!element.isConnected || !keys.checked || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (picker.press(event)) return;
    if (event.target.closest("input, textarea, select, audio")) return;
    if (event.key === "ArrowRight") skip();
    else if (event.key === "ArrowLeft") undo();
    else return;
    event.preventDefault();
  }
  document.addEventListener("keydown", press);

  return { title: "Review", element, entered: () => current === null && next() };
}

/** Delete what was said, unless it is gone already. */
async function withdraw(feedback) {
  try {
    await remove(`v1/feedback/${feedback}`);
  } catch (error) {
    if (error.status !== 404) throw error;
  }
}

/** Why a person should look at it. */
function reasons(item) {
  const votes = Object.entries(item.votes ?? {});
  const split = item.disagreement > 0 && votes.length > 1;
  return [
    typeof item.confidence === "number"
      ? h("p", {}, `About ${percent(item.confidence)} of answers like this are right.`) : null,
    split ? h("p", {}, "Its parts do not agree:") : null,
    split ? h("ul", { class: "said" }, votes.map(([name, vote]) =>
      h("li", {}, h("strong", {}, name), " ",
        h("span", { dir: "auto" }, `says ${named(vote)}`)))) : null,
  ];
}
