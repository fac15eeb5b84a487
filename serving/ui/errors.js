// Errors where they happen: what, why, what to do.

import { button, h } from "./dom.js";
import { count, problem } from "./words.js";

/** A box that says what went wrong; `again` tries once more. */
export function errorBox(error, again = null) {
  const box = h("div", { class: "error", role: "alert" });
  box.append(h("p", {}, h("strong", {}, error.message), " ", advice(error)));
  const problems = error.problems ?? [];
  if (problems.length && [400, 403, 413, 422].includes(error.status)) {
    box.append(h("ul", {}, problems.map((p) => h("li", {}, problem(p)))));
  } else if (error.said && error.status === 422) box.append(h("p", {}, error.said));
  if (again && error.status !== 422) box.append(button("Try again", again));
  return box;
}

function advice(error) {
  const next = error.next ?? "";
  return error.wait ? `${next} Try again in ${count(error.wait, "second")}.`.trim() : next;
}

/** An error that a person makes here, before anything is sent. */
export function mistake(what, next) {
  return Object.assign(new Error(what), { status: 422, next, problems: [] });
}
