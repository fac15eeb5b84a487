// The page: which view is shown, the token, and what happens to the model meanwhile.

import { aboutView } from "./about.js";
import { changes, get, onToken, replaceToken, sendsToken } from "./api.js";
import { classifyView } from "./classify.js";
import { button, fill, h } from "./dom.js";
import { errorBox } from "./errors.js";
import { reviewView } from "./review.js";
import { searchView } from "./search.js";

const main = document.getElementById("main");
const pages = document.getElementById("pages");
const news = document.getElementById("news");
const refused = document.getElementById("refused");

onToken(askToken);
changes.addEventListener("model", () => fill(news, h("p", { class: "notice" },
  "Another version of the model is in use now. ",
  button("Load it", () => window.location.reload()))));
document.getElementById("replace-token").addEventListener("click", async () => {
  if (await replaceToken()) window.location.reload();
});
begin();

async function begin() {
  try {
    const model = await get("v1/model");
    const version = model.version === null ? "" : ` · version ${model.version}`;
    document.getElementById("model").textContent = `${model.name}${version}`;
    show(model);
  } catch (error) {
    fill(main, h("h1", { tabindex: "-1" }, "Concord"), errorBox(error, begin));
  } finally {
    document.getElementById("replace-token").hidden = !sendsToken();
  }
}

function show(model) {
  const makers = { search: searchView };
  if (model.classes.length) Object.assign(makers, { classify: classifyView, review: reviewView });
  makers.about = aboutView;
  const names = { search: "Search", classify: "Classify", review: "Review", about: "About" };
  const links = Object.fromEntries(Object.keys(makers).map((name) =>
    [name, h("a", { href: `#${name}` }, names[name])]));
  fill(pages, Object.values(links).map((link) => h("li", {}, link)));
  const made = {};
  let view = null;

  function go(focus) {
    const wanted = window.location.hash.slice(1);
    if (wanted === "main") return; // the link that skips
    const name = wanted in makers ? wanted : "search";
    made[name] ??= makers[name](model);
    view = made[name];
    for (const [other, link] of Object.entries(links)) {
      if (other === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${view.title} · ${model.name}`;
    fill(refused);
    fill(main, view.element);
    if (focus) view.element.querySelector("h1").focus();
    view.entered?.();
  }
  window.addEventListener("hashchange", () => go(true));
  go(false);
  const media = model.modalities.some((modality) => modality.raw === "bytes");
  takeFiles((file) => {
    if (view.take?.(file)) return null;
    return view.take || !media ? `This model has no field for ${file.name}.`
      : `There is no field for ${file.name} here. Open Search and drop it there.`;
  });
}

/** Files that are dropped or pasted anywhere go to the field that they fit; `take` says why not. */
function takeFiles(take) {
  const files = (event) => [...(event.dataTransfer ?? event.clipboardData)?.files ?? []];
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!carries(event) || event.defaultPrevented) return;
    event.preventDefault();
    fill(refused, files(event).map(take).filter(Boolean).map((why) =>
      h("p", { class: "notice" }, why)));
  });
  document.addEventListener("paste", (event) => {
    // What has no field is pasted as text: an office program copies a picture beside its words.
    const taken = files(event).filter((file) => take(file) === null);
    if (taken.length) event.preventDefault();
  });
}

/** Ask for a token in a dialog; null if the person cancels. */
function askToken(why) {
  const dialog = document.getElementById("token");
  const text = document.getElementById("token-text");
  document.getElementById("token-why").textContent = why;
  text.value = "";
  const before = document.activeElement;
  return new Promise((done) => {
    let given = null;
    const form = dialog.querySelector("form");
    const submit = (event) => {
      event.preventDefault();
      given = text.value.trim().replace(/^Bearer\s+/i, "") || null;
      dialog.close();
    };
    const cancel = () => dialog.close();
    const no = document.getElementById("token-no");
    form.addEventListener("submit", submit);
    no.addEventListener("click", cancel);
    dialog.addEventListener("close", () => {
      form.removeEventListener("submit", submit);
      no.removeEventListener("click", cancel);
      before?.focus?.();
      done(given);
    }, { once: true });
    dialog.showModal();
  });
}
