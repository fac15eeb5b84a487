// One record as a form: a field for each modality of the model, any of which may stay empty.

import { h, newId } from "./dom.js";
import { mediaField } from "./media.js";
import { tableField } from "./table.js";

/** The form of a record; `changed` hears of every change. */
export function recordForm(model, { changed = () => {} } = {}) {
  const fields = model.modalities.map((modality) => {
    if (modality.raw === "bytes") return mediaField(modality, changed);
    return modality.raw === "fields" ? tableField(modality, changed) : textField(modality, changed);
  });
  const texts = fields.filter((field) => field.raw === "text");
  const media = fields.filter((field) => field.raw === "bytes");
  const tables = fields.filter((field) => field.raw === "fields");
  if (tables.length === fields.length) tables[0].open();
  const element = h("div", { class: "record" },
    texts.map((field) => field.element),
    media.length ? h("div", { class: "media" }, media.map((field) => field.element)) : null,
    tables.map((field) => field.element));
  return {
    element,
    /** Modality to value; empty fields are left out. */
    async value() {
      const found = {};
      for (const field of fields) {
        const value = await field.value();
        if (value !== null) found[field.name] = value;
      }
      return found;
    },
    clear() {
      for (const field of fields) field.clear();
    },
    focus() {
      element.querySelector("textarea, input, summary")?.focus();
    },
    /** Take a file that was dropped or pasted anywhere; false where no field is for it. */
    take(file) {
      const fit = media.filter((field) => field.fits(file));
      const field = fit.find((one) => one.empty()) ?? fit[0];
      field?.take(file);
      return Boolean(field);
    },
  };
}

function textField(modality, changed) {
  const id = newId();
  const area = h("textarea", {
    id, rows: 2, dir: "auto", on: {
      input: changed,
      keydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        area.form?.requestSubmit();
      },
    },
  });
  return {
    name: modality.name,
    raw: "text",
    element: h("div", { class: "field" }, h("label", { for: id }, modality.name), area),
    value: async () => area.value.trim() || null,
    clear: () => (area.value = ""),
  };
}

