// Classify: a record with any field empty, and what each modality says.

import { post } from "./api.js";
import { bar, button, fill, h, inView } from "./dom.js";
import { errorBox, mistake } from "./errors.js";
import { recordForm } from "./inputs.js";
import { sentences, verdict } from "./verdict.js";
import { named, percent } from "./words.js";

const MOST = 6; // classes that are shown with their probability

export function classifyView(model) {
  const form = recordForm(model, { changed: () => answer.classList.add("old") });
  const trouble = h("div");
  const status = h("p", { class: "unseen", role: "status" });
  const answer = h("section", { "aria-label": "Answer" });
  let turn = 0;

  const ask = h("form", { class: "panel", novalidate: true, on: {
    submit: (event) => {
      event.preventDefault();
      run().then(() => inView(trouble.firstChild ?? answer));
    } } },
  form.element,
  h("div", { class: "row end" },
    button("Start over", () => {
      turn += 1; // what is under way is not shown
      status.textContent = "";
      answer.removeAttribute("aria-busy");
      form.clear();
      fill(answer);
      fill(trouble);
      form.focus();
    }, { class: "plain" }),
    h("button", { class: "main", type: "submit" }, "Classify")));

  async function run() {
    turn += 1;
    const mine = turn;
    fill(trouble);
    status.textContent = "Asking the model…";
    answer.setAttribute("aria-busy", "true");
    try {
      const record = await form.value();
      if (!Object.keys(record).length) {
        throw mistake("The record is empty.",
          "Fill at least one field; the others may stay empty.");
      }
      const found = await post("v1/classify", { records: [record], explain: true });
      if (mine !== turn) return;
      answer.classList.remove("old");
      show(found.answers[0]);
    } catch (error) {
      if (mine !== turn) return;
      status.textContent = "";
      fill(answer);
      fill(trouble, errorBox(error, run));
    } finally {
      if (mine === turn) answer.removeAttribute("aria-busy");
    }
  }

  function show(found) {
    const label = found.label ?? Object.keys(found.labels ?? {});
    status.textContent = `Answer: ${named(label)}.`;
    fill(answer, h("div", { class: "panel" },
      h("h2", { dir: "auto" }, named(label)), sentences(found),
      h("div", { class: "columns" }, probable(found, model), said(found, model)),
      found.answer_id ? verdict(model, found, label) : null));
  }

  return {
    title: "Classify",
    take: (file) => form.take(file),
    element: h("div", {},
      h("h1", { tabindex: "-1" }, "Classify"),
      h("p", { class: "lead" },
        "Ask the model what a record is. Any field may stay empty, as long as one is filled."),
      ask, trouble, status, answer),
  };
}

function probable(found, model) {
  const multi = model.target === "multi";
  const order = Object.entries(found.probabilities).sort(([, a], [, b]) => b - a).slice(0, MOST);
  return h("section", {},
    h("h3", {}, multi ? "Each class separately" : "Most likely"),
    h("ul", { class: "bars" }, order.map(([name, p]) => h("li", { class: "score" },
      h("span", { dir: "auto" }, name), bar(p), h("span", {}, percent(p))))));
}

/** What each modality suggests alone. */
function said(found, model) {
  const whole = JSON.stringify(found.label ?? Object.keys(found.labels ?? {}).sort());
  const each = Object.entries(found.contributions ?? {});
  if (!each.length) return null;
  const absent = model.modalities.map((m) => m.name).filter((n) => !found.modalities.includes(n));
  return h("section", {}, h("h3", {}, "What each part alone suggests"),
    h("ul", { class: "said" }, each.map(([name, one]) => {
      const own = one.label ?? labelsOf(one.labels);
      const same = JSON.stringify(Array.isArray(own) ? [...own].sort() : own) === whole;
      const sure = one.confidence ?? (same ? one.probability : null);
      return h("li", { class: same ? "agrees" : "differs" },
        h("strong", {}, name), " ", h("span", { dir: "auto" }, `says ${named(own)}`),
        typeof sure === "number" ? [" ", h("span", { class: "quiet" }, percent(sure))] : null, " ",
        h("span", { class: "mark" }, same ? "agrees" : "differs"));
    })),
    absent.length ? h("p", { class: "quiet" }, `Left empty: ${absent.join(", ")}.`) : null);
}

const labelsOf = (labels) => (Array.isArray(labels) ? labels : Object.keys(labels ?? {}));
