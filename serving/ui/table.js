// A field for a modality of fields: numbers, categories, sets.

import { h, labelled, newId } from "./dom.js";
import { mistake } from "./errors.js";
import { count, figure } from "./words.js";

const FEW = 4; // fields that are always shown

export function tableField(modality, changed) {
  const columns = modality.fields ?? [];
  const number = h("span", { class: "quiet" });
  const cells = columns.map((column) => cell(column, () => {
    tell();
    changed();
  }));
  const grid = h("div", { class: "cells" }, cells.map((one) => one.element));

  function tell() {
    const filled = cells.filter((one) => !one.empty()).length;
    number.textContent = filled ? ` ${count(filled, "field")} filled` : "";
  }
  // Many fields would push everything else away.
  const element = columns.length > FEW
    ? h("details", { class: "table" }, h("summary", {}, modality.name, number),
      h("fieldset", {}, h("legend", { class: "unseen" }, modality.name), grid))
    : h("fieldset", { class: "table" }, h("legend", {}, modality.name), grid);
  return {
    name: modality.name,
    raw: "fields",
    element,
    open: () => (element.open = true),
    async value() {
      const found = {};
      columns.forEach((column, i) => {
        const value = cells[i].value();
        if (value !== null) found[column.name] = value;
      });
      return Object.keys(found).length ? found : null;
    },
    clear() {
      for (const one of cells) one.clear();
      tell();
    },
  };
}

function cell(column, changed) {
  const number = column.type === "number";
  const input = h("input", {
    type: number ? "number" : "text", step: number ? "any" : null, autocomplete: "off",
    placeholder: hint(column), on: { input: changed },
  });
  const name = column.unit ? `${column.name} (${column.unit})` : column.name;
  const element = labelled(name, input);
  if (column.values?.length && column.type === "category") {
    const id = newId();
    input.setAttribute("list", id);
    element.append(h("datalist", { id }, column.values.map((value) => h("option", { value }))));
  }
  if (column.type === "set") {
    const note = h("p", { class: "quiet", id: newId() }, `Separate several by ${spoken(column)}.`);
    input.setAttribute("aria-describedby", note.id);
    element.append(note);
  }
  return {
    element,
    value() {
      if (input.validity.badInput) {
        throw mistake(`“${column.name}” must be a number.`, "Write digits, such as 12.5.");
      }
      const text = input.value.trim();
      if (!text) return null;
      if (number) return Number(text);
      if (column.type !== "set") return text;
      return text.split(column.separator ?? ",").map((word) => word.trim()).filter(Boolean);
    },
    empty: () => !input.value.trim() && !input.validity.badInput,
    clear: () => (input.value = ""),
  };
}

function hint(column) {
  if (column.type === "number" && typeof column.lowest === "number") {
    return `${figure(column.lowest)} to ${figure(column.highest)}`;
  }
  if (column.type !== "number" && column.values?.length) return `such as ${column.values[0]}`;
  return column.default === null || column.default === undefined ? null : String(column.default);
}

function spoken(column) {
  const separator = column.separator ?? ",";
  return { ",": "commas", ";": "semicolons", " ": "spaces", "|": "bars ( | )" }[separator]
    ?? `“${separator}”`;
}
