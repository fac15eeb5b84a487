// Choose a class by one key or by its first letters; or several, where a record has a set of them.

import { button, fill, h } from "./dom.js";
import { count } from "./words.js";

/** Classes that a key of a digit chooses. */
export const KEYS = 9;
const MOST = 18; // classes that are shown at once

/** Buttons for the classes; `pick` receives the chosen one, or the list of them. */
export function classPicker(model, { pick }) {
  const multi = model.target === "multi";
  const many = model.classes.length > KEYS;
  const chosen = new Set();
  let likely = [];
  let offered = [];

  const find = h("input", {
    type: "text", autocomplete: "off", spellcheck: "false",
    placeholder: "Type the first letters", "aria-label": "Find a class", on: { input: offer },
  });
  const told = h("p", { class: "quiet", role: "status" });
  const options = h("div", { class: "options", role: "group", "aria-label": "Classes" });
  const save = button("Save (Enter)", () => pick([...chosen]), { class: "main" });
  const element = h("div", { class: "picker" },
    many ? h("div", { class: "row" }, find) : null, told,
    options, multi ? h("div", { class: "row" }, save) : null);

  function offer() {
    const typed = find.value.trim().toLowerCase();
    const rest = model.classes.filter((name) => !likely.includes(name));
    const all = [...likely, ...rest];
    const starts = all.filter((name) => name.toLowerCase().startsWith(typed));
    const holds = typed ? all.filter((name) =>
      !name.toLowerCase().startsWith(typed) && name.toLowerCase().includes(typed)) : [];
    const fit = [...starts, ...holds];
    offered = fit.slice(0, MOST);
    fill(options, offered.map((name, i) => option(name, i)));
    const first = offered[0];
    const number = fit.length > MOST ? `${count(fit.length, "class", "classes")}.` : "";
    told.textContent = !typed ? number
      : first === undefined ? "No class matches." : `Enter chooses ${first}.`;
  }

  function option(name, i) {
    const made = button("", () => choose(name), {
      class: "option", "aria-pressed": multi ? String(chosen.has(name)) : null,
    });
    const key = i < KEYS ? h("kbd", {}, String(i + 1)) : null;
    return fill(made, key, h("span", { dir: "auto" }, name));
  }

  function choose(name) {
    if (!multi) {
      pick(name);
      return;
    }
    if (!chosen.delete(name)) chosen.add(name);
    if (many && !likely.includes(name)) likely.push(name);
    const focused = options.contains(document.activeElement);
    find.value = "";
    offer();
    told.textContent = chosen.size ? `Chosen: ${[...chosen].join(", ")}.` : "Nothing is chosen.";
    if (focused) options.children[offered.indexOf(name)]?.focus();
  }

  return {
    element,
    /** Begin with another record: what the model thinks of comes first. */
    reset(item) {
      const words = [item.predicted, ...Object.values(item.votes ?? {})].flat();
      const named = new Set(words.filter((name) => model.classes.includes(name)));
      // With few classes each keeps its key, so that hands learn them.
      likely = many ? [...named] : [];
      chosen.clear();
      if (multi) for (const name of [item.predicted ?? []].flat()) chosen.add(name);
      find.value = "";
      offer();
    },
    /** Act on a key; whether it was one for the classes. */
    press(event) {
      const typing = event.target === find;
      if (!typing && event.target.closest("input, textarea, select, audio")) return false;
      if (event.key === "Enter") return enter(event, typing);
      if (/^[1-9]$/.test(event.key) && !(typing && find.value)) {
        const name = offered[Number(event.key) - 1];
        if (name === undefined) return false;
        event.preventDefault();
        choose(name);
        return true;
      }
      if (typing && event.key === "Escape") {
        find.value = "";
        offer();
        return true;
      }
      // A letter goes into the field that it moves to.
      if (many && !typing && event.key.length === 1 && event.key.trim()) find.focus();
      return many && event.key.length === 1 && Boolean(event.key.trim());
    },
  };

  function enter(event, typing) {
    const on = event.target.closest("button, a, summary");
    if (on && !typing) return false; // it presses what has the focus
    if (typing && find.value && offered.length) choose(offered[0]);
    else if (multi && !(typing && find.value)) pick([...chosen]);
    else return false;
    event.preventDefault();
    return true;
  }
}
