// A field for a picture, a sound or another file: choose it, drop it, paste it, record it.

import { button, fill, h, newId } from "./dom.js";
import { mistake } from "./errors.js";
import { noMicrophone, readable, record } from "./sound.js";
import { count } from "./words.js";

const LONGEST = 60; // seconds of a recording
const WORDS = { image: "a picture", audio: "a sound" };
const SMALLER = 2048; // pixels of the longer side of a picture that was too large

export function mediaField(modality, changed) {
  const what = WORDS[modality.kind] ?? "a file";
  const titleId = newId();
  const note = h("p", { class: "note", role: "alert" });
  const shown = h("div", { class: "chosen" });
  let file = null;
  let address = null;

  const picker = h("input", {
    type: "file", class: "hidden-file", id: newId(),
    accept: WORDS[modality.kind] ? `${modality.kind}/*` : null,
    on: { change: () => picker.files[0] && take(picker.files[0]) },
  });
  const choose = h("label", { class: "button", for: picker.id },
    `Choose ${what}`, h("span", { class: "unseen" }, ` for ${modality.name}`));
  const away = button("Remove", () => {
    clear();
    changed();
    picker.focus();
  }, { "aria-label": `Remove the file of ${modality.name}` });
  away.hidden = true;
  const tools = h("div", { class: "row" }, picker, choose,
    modality.kind === "audio" ? recording(modality, take, note) : null, away);
  const zone = h("div", {
    class: "zone", role: "group", "aria-labelledby": titleId, on: {
      dragenter: () => zone.classList.add("over"),
      dragleave: (event) => zone.contains(event.relatedTarget) || zone.classList.remove("over"),
      drop: (event) => {
        zone.classList.remove("over");
        if (!event.dataTransfer.files.length) return;
        event.preventDefault();
        take(event.dataTransfer.files[0]);
      },
    },
  }, h("p", { class: "name", id: titleId }, modality.name), shown, tools, note);
  empty();

  function empty() {
    fill(shown, h("p", { class: "quiet" }, `Drop ${what} here, or`));
  }

  function clear() {
    if (address) URL.revokeObjectURL(address);
    file = address = null;
    picker.value = "";
    away.hidden = true;
    fill(note);
    empty();
  }

  async function take(given) {
    clear();
    try {
      file = await prepared(given, modality);
    } catch (error) {
      fill(note, h("strong", {}, error.message), " ", error.next ?? "");
      return;
    }
    address = URL.createObjectURL(file);
    away.hidden = false;
    fill(shown, viewed(modality, address, file), h("p", { class: "quiet file" }, file.name));
    changed();
  }

  return {
    name: modality.name,
    raw: "bytes",
    element: zone,
    value: async () => (file ? inBase64(file) : null),
    clear,
    take,
    empty: () => file === null,
    fits: (given) => !WORDS[modality.kind] || given.type.startsWith(`${modality.kind}/`),
  };
}

/** What was chosen, as the browser can show it. */
function viewed(modality, address, file) {
  if (modality.kind === "audio") {
    return h("audio", { controls: true, src: address, "aria-label": `Your sound: ${file.name}` });
  }
  if (modality.kind !== "image") return null;
  const image = h("img", { src: address, alt: `Your picture: ${file.name}` });
  image.addEventListener("error", () => image.remove()); // a format that it cannot show
  return image;
}

/** The button that records. */
function recording(modality, take, note) {
  const most = Math.min(LONGEST, modality.limits.max_seconds ?? LONGEST);
  let running = null;
  let timer = null;
  const press = button("Record", async () => {
    fill(note);
    const why = noMicrophone();
    if (why) {
      fill(note, why);
      return;
    }
    try {
      if (running === null) await begin();
      else await end();
    } catch (error) {
      fill(note, h("strong", {}, error.message), " ", error.next ?? "");
    }
  });
  press.setAttribute("aria-label", `Record for ${modality.name}`);

  async function begin() {
    running = await record(most);
    press.classList.add("live");
    press.textContent = "Stop";
    press.setAttribute("aria-label", `Stop recording for ${modality.name}`);
    timer = setTimeout(end, most * 1000);
    fill(note, `Recording; it stops after ${count(Math.floor(most), "second")}.`);
  }

  async function end() {
    const was = running;
    if (was === null) return;
    running = null;
    clearTimeout(timer);
    press.classList.remove("live");
    press.textContent = "Record";
    press.setAttribute("aria-label", `Record for ${modality.name}`);
    await take(await was.stop());
  }
  return press;
}

async function prepared(file, modality) {
  if (file.size === 0) throw mistake(`${file.name} is empty.`, "Choose another file.");
  if (modality.kind === "image" && file.type && !file.type.startsWith("image/")) {
    throw mistake(`${file.name} is not a picture.`, "Choose a picture, such as a JPEG or PNG.");
  }
  if (modality.kind === "audio") return readable(file, modality.limits.max_seconds ?? LONGEST);
  const most = modality.limits.max_bytes;
  return modality.kind === "image" && most && file.size > most ? shrunk(file) : file;
}

/** A smaller picture; the same one where the browser cannot read it. */
async function shrunk(file) {
  const image = await createImageBitmap(file).catch(() => null);
  if (image === null) return file;
  const scale = Math.min(1, SMALLER / Math.max(image.width, image.height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale)));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  return new File([blob], file.name, { type: blob.type });
}

function inBase64(file) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    const content = () => reader.result.slice(reader.result.indexOf(",") + 1);
    reader.addEventListener("load", () => done(content()));
    reader.addEventListener("error", () => fail(reader.error));
    reader.readAsDataURL(file);
  });
}
