// Requests to the service: with the token, and errors in plain words.

import { explained } from "./words.js";

const BASE = new URL("../", import.meta.url);
const KEY = "concord-token";
const TRIES = 3;
const LONGEST_WAIT = 5;
const MOST_PREVIEWS = 400;
const STILL_SHOWN = 10_000; // milliseconds

let askToken = async () => null;
let asking = null;
let seen = null;
const previews = new Map();
let pending = [];
let running = 0;

/** Why a request was refused, in words; `wait` is in seconds, if the service told. */
export class Refused extends Error {
  constructor(status, problems = [], wait = null, said = "") {
    const [what, next] = explained(status);
    super(what);
    Object.assign(this, { status, problems, wait, next, said });
  }
}

/** Let a function ask for a token; it receives why, and returns one or null. */
export function onToken(ask) {
  askToken = ask;
}

/** Whether this tab sends a token. */
export const sendsToken = () => Boolean(sessionStorage.getItem(KEY));

/** Ask for a token in place of the one that this tab sends; whether one was given. */
export const replaceToken = () => newToken("Enter the token that this tab is to use from now on.");

/** Hear of an answer by another model than the one before. */
export const changes = new EventTarget();

export const get = (path) => asJson(path, { method: "GET" }, TRIES);

export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return asJson(path, { method: "POST", headers, body: JSON.stringify(body) }, 1);
}

export const remove = (path) => asJson(path, { method: "DELETE" }, 1);

async function asJson(path, options, tries) {
  const response = await send(path, options, tries);
  const body = response.status === 204 ? {} : await response.json();
  notice(body.model?.package_digest ?? body.package_digest);
  return body;
}

function notice(digest) {
  if (!digest) return;
  if (seen && seen !== digest) changes.dispatchEvent(new Event("model"));
  seen = digest;
}

async function send(path, options, tries) {
  for (let attempt = 1; ; attempt += 1) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    let response;
    try {
      response = await fetch(new URL(path.replace(/^\//, ""), BASE), { ...options, headers });
    } catch {
      throw new Refused(0);
    }
    if (response.ok) return response;
    const refused = await refusal(response);
    const renewed = token !== sessionStorage.getItem(KEY); // somebody entered one meanwhile
    if (response.status === 401 && (renewed || (await hasToken(token)))) continue;
    const soon = refused.wait !== null && refused.wait <= LONGEST_WAIT;
    if (![429, 503].includes(response.status) || !soon || attempt >= tries) throw refused;
    await new Promise((done) => setTimeout(done, refused.wait * 1000));
  }
}

async function refusal(response) {
  const after = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const wait = Number.isNaN(after) ? null : after;
  const body = await response.json().catch(() => ({}));
  return new Refused(response.status, body.problems ?? [], wait, body.message ?? "");
}

/** Ask for a token; several requests wait for one answer. */
async function hasToken(refusedOne) {
  const why = refusedOne
    ? "The service does not know this token, or it has expired. Enter another one."
    : "This service answers only to people with an access token. Enter the one you were given.";
  return newToken(why);
}

async function newToken(why) {
  asking ??= askToken(why).finally(() => (asking = null));
  const token = await asking;
  if (!token) return false;
  sessionStorage.setItem(KEY, token);
  return true;
}

/** A preview of a record: its media type and content; a few are fetched at a time. */
export function preview(address) {
  if (!previews.has(address)) {
    const found = new Promise((done, fail) => pending.push({ address, done, fail }));
    found.catch(() => previews.delete(address));
    previews.set(address, found);
    forget();
    next();
  }
  return previews.get(address);
}

/** Fetch previews anew: records may have changed. */
export function forgetPreviews() {
  for (const address of [...previews.keys()]) drop(address);
}

function forget() {
  while (previews.size > MOST_PREVIEWS) drop(previews.keys().next().value);
}

function drop(address) {
  const found = previews.get(address);
  previews.delete(address);
  // What is on the screen may still be loading.
  const later = ({ url }) => url && setTimeout(() => URL.revokeObjectURL(url), STILL_SHOWN);
  found.then(later, () => {});
}

async function next() {
  if (running >= 6 || !pending.length) return;
  running += 1;
  const { address, done, fail } = pending.shift();
  try {
    const response = await send(address, { method: "GET" }, TRIES);
    const type = response.headers.get("Content-Type") ?? "";
    const media = /^(image|audio)\//.test(type);
    done(media ? { type, url: URL.createObjectURL(await response.blob()) }
      : { type, text: await response.text() });
  } catch (error) {
    fail(error);
  } finally {
    running -= 1;
    next();
  }
}
