// Records of the index as people see them: picture, sound, text, fields.

import { preview } from "./api.js";
import { fill, h } from "./dom.js";
import { count, figure } from "./words.js";

const FEW = 4; // fields that are shown at once; twice as many where there is room
const SOON = "300px";

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    target.dispatchEvent(new Event("near"));
  }
}, { rootMargin: SOON });

/** The previews of a record, fetched when they come into view: pictures first, then sounds.
 *
 * `raws` chooses those of some types of raw values.
 */
export function previews(model, id, media, { large = false, raws = null } = {}) {
  const order = { image: 0, audio: 1, text: 2, tabular: 3 };
  const known = model.modalities.filter((m) => media[m.name] && (!raws || raws.includes(m.raw)));
  known.sort((a, b) => (order[a.kind] ?? 4) - (order[b.kind] ?? 4));
  const box = h("div", { class: large ? "previews large" : "previews" });
  for (const modality of known) {
    const several = known.filter((m) => m.kind === modality.kind).length > 1 || large;
    const place = h("div", { class: `preview ${modality.kind}` });
    place.style.setProperty("--rows", Math.min(modality.fields?.length ?? FEW, FEW + 1));
    const name = several ? h("p", { class: "name" }, modality.name) : null;
    if (name) place.append(name);
    const address = media[modality.name];
    place.addEventListener("near", () => show(place, name, modality, id, address, large));
    watcher.observe(place);
    box.append(place);
  }
  return box;
}

async function show(place, name, modality, id, address, large) {
  try {
    const { type, url, text } = await preview(address);
    const what = `${modality.name} of record ${id}`;
    if (type.startsWith("image/")) fill(place, name, h("img", { src: url, alt: what }));
    else if (type.startsWith("audio/")) {
      fill(place, name, h("audio", { controls: true, src: url, "aria-label": what }));
    } else if (type.startsWith("application/json")) {
      fill(place, name, fieldsOf(text, modality, large));
    } else fill(place, name, h("p", { class: "words", dir: "auto" }, text));
  } catch {
    fill(place, name, h("p", { class: "quiet" }, `${modality.name} cannot be shown`));
  }
}

function fieldsOf(text, modality, large) {
  let found = {};
  try {
    found = JSON.parse(text);
  } catch {
    return h("p", { class: "words" }, text);
  }
  const units = Object.fromEntries((modality.fields ?? []).map((f) => [f.name, f.unit]));
  const rows = Object.entries(found).map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", { dir: "auto" }, shown(value, units[name]))));
  const few = large ? 2 * FEW : FEW;
  const rest = rows.slice(few);
  return [h("dl", {}, rows.slice(0, few)), rest.length
    ? h("details", {}, h("summary", {}, count(rest.length, "more field")),
      h("dl", {}, rest)) : null];
}

function shown(value, unit) {
  if (typeof value === "number") return unit ? `${figure(value)} ${unit}` : figure(value);
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
