// About: the model that answers, in figures and in its own card.

import { h } from "./dom.js";
import { count, percent } from "./words.js";

const SHOWN = [
  ["accuracy", "of answers on records that it had never seen are right"],
  ["macro_f1", "is its mean score over the classes (macro F1), where rare ones count as much as common ones"],
  ["micro_f1", "is its score over all classes that it gave (micro F1)"],
  ["recall@10", "of searches have a record of the same thing among the first ten"],
];

export function aboutView(model) {
  const figures = SHOWN.filter(([name]) => typeof model.metrics[name] === "number");
  return {
    title: "About the model",
    element: h("div", {},
      h("h1", { tabindex: "-1" }, "About the model"),
      h("p", { class: "lead" }, does(model)),
      figures.length ? h("ul", { class: "figures" }, figures.map(([name, words]) =>
        h("li", { class: "panel" }, h("strong", {}, percent(model.metrics[name])), " ", words)))
        : null,
      model.classes.length ? h("details", { class: "panel" },
        h("summary", {}, `Its ${count(model.classes.length, "class", "classes")}`),
        h("ul", { class: "words" }, model.classes.map((name) => h("li", { dir: "auto" }, name))))
        : null,
      model.card ? h("section", { class: "panel prose", "aria-label": "Model card" },
        markdown(model.card)) : null,
      h("p", { class: "quiet" }, `Package ${model.package_digest.slice(0, 12)}. `,
        h("a", { href: "docs" }, "Interface for programs"))),
  };
}

function does(model) {
  const version = model.version === null ? "" : `, version ${model.version}`;
  const kinds = model.modalities.map((m) => (m.name === m.kind ? m.name : `${m.name} (${m.kind})`));
  const what = {
    multi: "It gives each record a set of classes and finds records.",
    none: "It finds records; it has no classes.",
  }[model.target] ?? "It names the class of a record and finds records.";
  return `${model.name}${version}. ${what} A record may have any of: ${kinds.join(", ")}. `
    + `${count(model.records, "record")} can be found.`;
}

/** The Markdown of a model card: headings, paragraphs, lists, tables, strong words and code. */
function markdown(text) {
  const blocks = text.trim().split(/\n\s*\n/);
  return blocks.map((block) => {
    const lines = block.split("\n");
    const heading = /^(#+) (.*)$/.exec(block);
    if (heading) return h(heading[1].length > 1 ? "h3" : "h2", {}, inline(heading[2]));
    if (lines.every((line) => line.startsWith("|"))) return table(lines);
    if (lines.every((line) => line.startsWith("- "))) {
      return h("ul", {}, lines.map((line) => h("li", {}, inline(line.slice(2)))));
    }
    return h("p", {}, inline(lines.join(" ")));
  });
}

function table(lines) {
  const rows = lines.filter((line) => !/^[|\s:-]+$/.test(line) || /\w/.test(line))
    .map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim()));
  const [head, ...body] = rows;
  return h("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Table" },
    h("table", {},
      h("thead", {}, h("tr", {}, head.map((cell) => (cell
        ? h("th", { scope: "col" }, inline(cell)) : h("td"))))),
      h("tbody", {}, body.map((row) => h("tr", {}, row.map((cell, i) =>
        h(i ? "td" : "th", i ? {} : { scope: "row" }, inline(cell))))))));
}

function inline(text) {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
    if (part.startsWith("**")) return h("strong", {}, plain(part.slice(2, -2)));
    return part.startsWith("`") && part.length > 1 ? h("code", {}, part.slice(1, -1)) : plain(part);
  });
}

/** Text without the backslashes that keep Markdown from reading it. */
const plain = (text) => text.replace(/\\([\\`*_{}[\]<>()#+.!|~-])/g, "$1");
