// Search: by words, pictures, sounds, fields, or records that are like what is wanted.

import { forgetPreviews, post } from "./api.js";
import { button, fill, h, inView, labelled } from "./dom.js";
import { errorBox, mistake } from "./errors.js";
import { filterForm } from "./filters.js";
import { hitCard } from "./hits.js";
import { recordForm } from "./inputs.js";
import { count, named } from "./words.js";

const PAGE = 12;

export function searchView(model) {
  const examples = new Map(); // id of a record to whether it is wanted, and its name
  const form = recordForm(model);
  const filters = filterForm(model, () => {
    filters.value();
    if (asked) run();
  });
  const target = targetOf(model, () => asked && run());
  const status = h("p", { class: "status", role: "status", tabindex: "-1" });
  const trouble = h("div");
  const chips = h("ul", { class: "chips", "aria-label": "Records that the search starts from" });
  const results = h("ul", { class: "hits", "aria-label": "Results" });
  const more = button("Show more", () => page(), { class: "more" });
  more.hidden = true;
  let asked = null; // the request of the results that are shown
  let cursor = null;
  let best = 0; // score of the first result
  let turn = 0;

  const go = h("button", { class: "main", type: "submit" }, "Search");
  const ask = h("form", { class: "panel", novalidate: true, on: {
    submit: (event) => {
      event.preventDefault();
      run().then(() => inView(trouble.firstChild ?? status));
    } } },
  form.element, chips,
  h("div", { class: "row end" }, target.element,
    button("Start over", startOver, { class: "plain" }), go));

  function startOver() {
    turn += 1; // what is under way is not shown
    results.removeAttribute("aria-busy");
    form.clear();
    examples.clear();
    showChips();
    asked = null;
    fill(results);
    fill(trouble);
    fill(status);
    more.hidden = true;
    form.focus();
  }

  async function request() {
    const query = await form.value();
    const pick = (wanted) => [...examples].filter(([, e]) => e.wanted === wanted)
      .map(([id]) => ({ id }));
    const [like, unlike] = [pick(true), pick(false)];
    if (!Object.keys(query).length && !like.length) {
      throw mistake("There is nothing to search for yet.", unlike.length
        ? "Add something that you do want: words, a file, or “more like this”."
        : "Type something, add a file, or fill a field.");
    }
    const filter = filters.value();
    return {
      ...(Object.keys(query).length && { query }),
      ...(like.length && { like }),
      ...(unlike.length && { unlike }),
      ...(filter && { filter }),
      target: target.value(), k: Math.min(PAGE, model.max_hits), explain: true,
    };
  }

  async function run() {
    await during(async () => {
      asked = await request();
      forgetPreviews();
      const found = await post("v1/search", asked);
      return () => {
        fill(results);
        add(found);
        status.textContent = found.hits.length
          ? `The ${count(found.hits.length, "record")} nearest to your search.`
          : "No record matches. Remove a filter, or search for something else.";
      };
    }, run);
  }

  async function page() {
    await during(async () => {
      const found = await post("v1/search", { ...asked, after: cursor });
      return () => {
        const first = add(found);
        status.textContent = `${count(found.hits.length, "more record")}.`;
        first?.querySelector("h2")?.focus();
      };
    }, page);
  }

  /** Do what takes a while; only the latest of several is shown. */
  async function during(work, again) {
    turn += 1;
    const mine = turn;
    fill(trouble);
    results.setAttribute("aria-busy", "true");
    status.textContent = "Searching…";
    try {
      const show = await work();
      if (mine === turn) show();
    } catch (error) {
      if (mine !== turn) return;
      status.textContent = "";
      fill(trouble, errorBox(error, again));
    } finally {
      if (mine === turn) results.removeAttribute("aria-busy");
    }
  }

  function add(found) {
    if (!results.children.length) best = Math.max(...found.hits.map((hit) => hit.score), 0);
    const cards = found.hits.map((hit) => hitCard(model, hit, { best, example }));
    results.append(...cards);
    cursor = found.next ?? null;
    more.hidden = !cursor;
    return cards[0];
  }

  /** Search from a record that was found: wanted or not. */
  function example(hit, wanted) {
    examples.set(hit.id, { wanted, name: named(hit.label) ?? named(hit.predicted) ?? hit.id });
    showChips();
    chips.scrollIntoView({ block: "nearest" });
    run();
    status.focus({ preventScroll: true }); // the button that was pressed goes away
  }

  function showChips() {
    fill(chips, [...examples].map(([id, { wanted, name }]) => {
      const words = `${wanted ? "like" : "not like"} ${name} (${id})`;
      const away = button("×", () => {
        examples.delete(id);
        showChips();
        go.focus();
        if (asked) run();
      }, { "aria-label": `Remove ${words}` });
      return h("li", { class: wanted ? "chip" : "chip not" }, words, away);
    }));
  }

  return {
    title: "Search",
    take: (file) => form.take(file),
    element: h("div", {},
      h("h1", { tabindex: "-1" }, "Search"),
      h("p", { class: "lead" }, `Find among ${count(model.records, "record")}: ${ways(model)}.`),
      ask, filters.element, trouble, status, results, more),
  };
}

function ways(model) {
  const kinds = new Set(model.modalities.map((m) => m.kind));
  const words = [
    kinds.has("text") && "type words",
    kinds.has("image") && "drop a picture",
    kinds.has("audio") && "record or drop a sound",
    kinds.has("tabular") && "fill in fields",
  ].filter(Boolean);
  return words.length ? `${words.join(", ")}, or any of them together` : "give a file";
}

/** What is searched: whole records, or one modality of them. */
function targetOf(model, changed) {
  const select = h("select", { on: { change: changed } }, model.targets.map((name) =>
    h("option", { value: name, selected: name === "fused" },
      name === "fused" ? "whole records" : `${name} only`)));
  return { element: labelled("Compare with", select, { class: "field inline" }),
    value: () => select.value };
}
