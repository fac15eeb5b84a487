// How far an answer can be relied on, and what people say of it.

import { post } from "./api.js";
import { button, fill, h, newId } from "./dom.js";
import { errorBox } from "./errors.js";
import { familiarity, list, named, percent, quoted, sureness } from "./words.js";

/** Paragraphs on how sure the model is, how familiar the record, and whether it is a guess. */
export function sentences(found) {
  const out = [];
  if (typeof found.confidence === "number") {
    const p = found.confidence;
    out.push(h("p", {}, `The model is ${sureness(p)}: of answers like this, about `,
      h("strong", {}, percent(p)), " are right."));
  } else if (!Object.keys(found.labels ?? {}).length) {
    out.push(h("p", {}, "No class is likely enough."));
  }
  if (found.abstained) {
    out.push(h("p", { class: "warn" },
      "This is a guess: answers as unsure as this one are more often wrong than right."));
  }
  const strange = familiarity(found.ood_score);
  if (strange) out.push(h("p", { class: "warn" }, strange));
  return out;
}

/** A warning of classes that are new to the model, which may be misspelt; null without one. */
function unknown(model, given) {
  const strange = [given].flat().filter((name) => !model.classes.includes(name));
  if (!strange.length) return null;
  return h("p", { class: "warn" }, `The model does not know ${list(strange.map(quoted))}.`
    + " If that is misspelt, correct it and save again.");
}

/** Say whether an answer is right, or what is; saved as feedback. */
export function verdict(model, found, label) {
  const multi = model.target === "multi";
  const list = newId();
  const input = h("input", { type: "text", list, autocomplete: "off", id: newId() });
  const known = h("datalist", { id: list }, model.classes.map((c) => h("option", { value: c })));
  const status = h("div", { role: "status" });
  const right = button("Yes, right", () => save(label));
  const form = h("form", { class: "row", novalidate: true, on: {
    submit: (event) => {
      event.preventDefault();
      const words = multi ? input.value.split(",").map((w) => w.trim()).filter(Boolean)
        : input.value.trim();
      if (multi || words) save(words);
      else {
        fill(status, "Type the right class first.");
        input.focus();
      }
    } } },
  h("label", { for: input.id }, multi ? "No, it is (separated by commas)" : "No, it is"),
  input, known, h("button", { type: "submit" }, "Save"));

  async function save(given) {
    const said = Array.isArray(given) ? { labels: given } : { label: given };
    try {
      await post("v1/feedback", { answer_id: found.answer_id, ...said });
      fill(status, h("p", { class: "good" }, `Saved: ${named(given)}. Thank you.`),
        unknown(model, given));
    } catch (error) {
      fill(status, errorBox(error, () => save(given)));
    }
  }
  return h("section", { class: "verdict" }, h("h3", {}, "Is this right?"),
    h("div", { class: "row" }, right, form), status);
}
