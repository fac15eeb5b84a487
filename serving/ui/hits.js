// One record that a search found.

import { bar, button, h } from "./dom.js";
import { previews } from "./records.js";
import { named } from "./words.js";

/** A card with previews, how near it is and why, and ways to go on from it. */
export function hitCard(model, hit, { best, example }) {
  const label = named(hit.label);
  const predicted = named(hit.predicted);
  const title = label ?? predicted ?? hit.id;
  const said = label && predicted && label !== predicted ? `The model says ${predicted}.`
    : !label && predicted ? "The model's answer; nobody has labelled this record." : null;
  return h("li", { class: "card" },
    previews(model, hit.id, hit.media, { raws: ["bytes"] }),
    h("h2", { tabindex: "-1", dir: "auto" }, title),
    h("p", { class: "quiet id" }, hit.id),
    said ? h("p", { class: "quiet" }, said) : null,
    nearness(hit, best),
    previews(model, hit.id, hit.media, { raws: ["text", "fields"] }),
    h("div", { class: "row ends" },
      button("More like this", () => example(hit, true),
        { "aria-label": `More like this: ${title}, ${hit.id}` }),
      button("Less like this", () => example(hit, false),
        { "aria-label": `Less like this: ${title}, ${hit.id}` })));
}

/** How near, beside the best result; and by which modality. */
function nearness(hit, best) {
  const score = h("p", { class: "score" }, h("span", {}, "Match"),
    bar(best > 0 ? hit.score / best : 0), h("span", {}, hit.score.toFixed(2)));
  const parts = Object.entries(hit.scores ?? {});
  if (parts.length < 2) return score;
  parts.sort(([, a], [, b]) => b - a);
  return [score, h("details", { class: "why" }, h("summary", {}, "Why"),
    h("ul", {}, parts.map(([name, cosine]) => h("li", { class: "score" },
      h("span", {}, name), bar(cosine), h("span", {}, cosine.toFixed(2))))))];
}
