// What the service says, in words for people who do not program.

const NUMBER = new Intl.NumberFormat("en");
const FIGURE = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

export const count = (n, one, many = `${one}s`) => `${NUMBER.format(n)} ${n === 1 ? one : many}`;
export const figure = (n) => FIGURE.format(n);
export const percent = (p) => (p > 0 && p < 0.01 ? "under 1%" : `${Math.round(p * 100)}%`);
export const quoted = (text) => `“${text}”`;

/** One class, or the classes of a set, as text; null where there is none. */
export function named(label) {
  if (label === null || label === undefined) return null;
  if (!Array.isArray(label)) return String(label);
  return label.length ? label.join(", ") : "none of the classes";
}

export function list(words, last = "and") {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** How sure an answer is. */
export function sureness(p) {
  if (p >= 0.95) return "very sure";
  if (p >= 0.8) return "sure";
  if (p >= 0.6) return "fairly sure";
  if (p >= 0.4) return "unsure";
  return "very unsure";
}

/** How familiar a record is, from the share of training records that it is stranger than. */
export function familiarity(score) {
  if (score === null || score === undefined) return null;
  if (score >= 0.99) {
    return "Unlike nearly all that the model learned from: do not rely on the answer.";
  }
  if (score >= 0.95) return "Rather unlike what the model learned from: check the answer.";
  return null;
}

const BY_STATUS = {
  400: ["The service did not understand the request.", "Load the page again."],
  401: ["The service needs an access token.", "Ask whoever runs the service for one."],
  403: ["Your token does not allow this.", "Ask whoever runs the service for one that does."],
  404: ["This no longer exists.", "Search again."],
  408: ["Sending took too long.", "Try again, or send a smaller file."],
  413: ["This is too large for the service.", "Send less, or a smaller file."],
  422: ["The service cannot use this.", "Change it and try again."],
  429: ["The service is busy right now.", "Nothing is lost."],
  503: ["The service is not ready.", "Nothing is lost."],
  504: ["The answer took too long.", "Try again, or send less."],
};

/** What went wrong and what to do. */
export function explained(status) {
  if (status === 0) {
    return ["The service cannot be reached.", "Check your network, then try again."];
  }
  return BY_STATUS[status] ?? ["Something went wrong in the service.",
    "Try again; if it happens again, tell whoever runs the service."];
}

/** A problem of a refusal: which field, what came, what is wanted. */
export function problem({ field, got, wanted }) {
  const where = field.replace(/^(records\.\d+|query|record|body|header)\.?/, "");
  const what = where ? `${quoted(where)}: ` : "";
  const came = /^[\d,]+ bytes that start with /.test(got) ? "a file that cannot be read" : got;
  return `${what}got ${came}; needs ${wanted}.`;
}
