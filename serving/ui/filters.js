// Filters from what the model declares: labels, its own answers, modalities, columns.

import { button, fill, h, newId } from "./dom.js";
import { figure } from "./words.js";

const MOST_LISTED = 60;

/** The filters of a model; `changed` hears of every change. */
export function filterForm(model, changed) {
  const groups = [];
  if (model.classes.length) {
    groups.push(choices("Label", "label", model.classes, changed));
    groups.push(choices("The model's answer", "predicted", model.classes, changed));
  }
  if (model.modalities.length > 1) {
    const names = model.modalities.map((m) => m.name);
    groups.push(choices("Has", "has", names, changed, { every: true }));
  }
  if (model.timed) groups.push(period(changed));
  for (const modality of model.modalities) {
    for (const column of modality.fields ?? []) {
      const field = `${modality.name}.${column.name}`;
      const title = `${modality.name}: ${column.name}`;
      if (column.type === "number") groups.push(range(title, field, column, changed));
      else if (column.values?.length) {
        groups.push(choices(title, field, column.values, changed, { more: true }));
      }
      else groups.push(words(title, field, changed));
    }
  }
  const number = h("span");
  const clear = button("Clear all filters", () => {
    for (const group of groups) group.clear();
    changed();
    summary.focus();
  });
  const summary = h("summary", {}, "Filters", number);
  const element = h("details", { class: "filters" }, summary,
    h("div", { class: "groups" }, groups.map((group) => group.element)), clear);
  return {
    element,
    /** The filter as the service takes it; null where nothing is filtered. */
    value() {
      const found = groups.map((group) => group.value()).filter(Boolean);
      fill(number, found.length ? ` (${found.length} in use)` : "");
      if (!found.length) return null;
      return found.length === 1 ? found[0] : { and: found };
    },
  };
}

/** Check boxes, and whether those records are wanted or left out.
 *
 * With `every` a record needs all that are checked, else one of them; with `more` there may be
 * values that nobody listed.
 */
function choices(title, field, values, changed, { every = false, more = false } = {}) {
  const boxes = values.map((value) => {
    const box = h("input", { type: "checkbox", id: newId(), on: { change: changed } });
    const row = h("div", { class: "check" }, box, h("label", { for: box.id }, value));
    return { box, row, value };
  });
  const without = h("input", { type: "checkbox", id: newId(), on: { change: changed } });
  const find = values.length > 12 ? h("input", {
    type: "search", placeholder: "Find", "aria-label": `Find in ${title}`, on: { input: narrow },
  }) : null;
  const rows = h("div", { class: "checks" });
  const others = more ? wordsInput(title, changed) : null;

  function narrow() {
    const typed = (find?.value ?? "").trim().toLowerCase();
    const fit = boxes.filter(({ box, value }) =>
      box.checked || value.toLowerCase().includes(typed));
    fill(rows, fit.slice(0, MOST_LISTED).map(({ row }) => row),
      fit.length > MOST_LISTED ? h("p", { class: "quiet" }, "More: type to find them.") : null);
  }
  narrow();
  return {
    element: h("fieldset", {}, h("legend", {}, title), find, rows, others,
      h("div", { class: "check not" }, without,
        h("label", { for: without.id }, "leave these out",
          h("span", { class: "unseen" }, ` (${title})`)))),
    value() {
      const checked = boxes.filter(({ box }) => box.checked).map(({ value }) => value);
      const chosen = [...new Set([...checked, ...wordsOf(others)])];
      if (!chosen.length) return null;
      const each = chosen.map((value) => ({ field, in: [value] }));
      const only = every && each.length > 1 && !without.checked
        ? { and: each } : { field, in: chosen };
      return without.checked ? { not: only } : only;
    },
    clear() {
      for (const { box } of boxes) box.checked = false;
      without.checked = false;
      for (const input of [find, others]) if (input) input.value = "";
      narrow();
    },
  };
}

/** From one number to another. */
function range(title, field, column, changed) {
  const end = (name, label, bound) => h("input", {
    type: "number", step: "any", "aria-label": `${title}, ${label}`, on: { change: changed },
    placeholder: typeof bound === "number" ? `${name} (${figure(bound)})` : name,
  });
  const least = end("from", "at least", column.lowest);
  const most = end("to", "at most", column.highest);
  const name = column.unit ? `${title} (${column.unit})` : title;
  return {
    element: h("fieldset", {}, h("legend", {}, name),
      h("div", { class: "row range" }, least, most)),
    value() {
      const bounds = {};
      if (least.value !== "") bounds.at_least = Number(least.value);
      if (most.value !== "") bounds.at_most = Number(most.value);
      return Object.keys(bounds).length ? { field, ...bounds } : null;
    },
    clear: () => (least.value = most.value = ""),
  };
}

/** From one moment to another, by the clock of whoever looks. */
function period(changed) {
  const end = (label) => h("input", {
    type: "datetime-local", "aria-label": `Time, ${label}`, on: { change: changed },
  });
  const least = end("from");
  const most = end("until");
  const moment = (input) => new Date(input.value).toISOString();
  return {
    element: h("fieldset", {}, h("legend", {}, "Time"),
      h("div", { class: "row range" }, least, most)),
    value() {
      const bounds = {};
      if (least.value) bounds.at_least = moment(least);
      if (most.value) bounds.at_most = moment(most);
      return Object.keys(bounds).length ? { field: "time", ...bounds } : null;
    },
    clear: () => (least.value = most.value = ""),
  };
}

/** Words that a column may hold, where nobody knows which there are. */
function words(title, field, changed) {
  const input = wordsInput(title, changed);
  return {
    element: h("fieldset", {}, h("legend", {}, title), input),
    value() {
      const chosen = wordsOf(input);
      return chosen.length ? { field, in: chosen } : null;
    },
    clear: () => (input.value = ""),
  };
}

const wordsInput = (title, changed) => h("input", {
  type: "text", "aria-label": `${title}, one of these words, separated by commas`,
  placeholder: "one, another", autocomplete: "off", on: { change: changed },
});

const wordsOf = (input) =>
  (input?.value ?? "").split(",").map((word) => word.trim()).filter(Boolean);
