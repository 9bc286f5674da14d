// The API of the fault injector, which is at fault/ beside this page.

import { sentence } from "./dom.js";

const base = new URL("fault/", document.baseURI);

// Refused is an answer that says no; body is its JSON.
class Refused extends Error {
  constructor(status, body) {
    super(body.error);
    this.status = status;
    this.body = body;
  }
}

const patience = 10_000; // milliseconds

// call asks the API and returns the JSON of its answer, null of one that has none
// to give.
export async function call(method, path, body, headers = {}) {
  const request = { method, headers: { ...headers }, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(patience) };
  if (method !== "GET") {
    request.headers["Content-Type"] = "application/json";
    if (body !== undefined) request.body = JSON.stringify(body);
  }
  let answer, answered;
  try {
    answer = await fetch(new URL(path, base), request);
    answered = await answer.text();
  } catch {
    throw new Error("Caddy does not answer.");
  }
  if (method === "DELETE" && answer.status === 204) return null;
  const value = objectOf(answered);
  if (!value || !answer.ok && !value.error) throw stranger(answer);
  if (!answer.ok) throw new Refused(answer.status, { ...value, error: sentence(value.error) + login(answer) });
  return value;
}

// objectOf is the JSON object that a text is, null if it is none or empty.
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && Object.keys(value).length > 0 ? value : null;
  } catch {
    return null;
  }
}

// stranger is the error that somebody else has answered: a proxy, or the login in
// front of this page.
function stranger(answer) {
  const redirect = answer.type === "opaqueredirect";
  return new Refused(answer.status, { error: `The answer is not the API’s (${redirect ? "a redirect" : "status " + answer.status}).` + login(answer) });
}

// login is the advice that may help where somebody has to log in.
function login({ status, ok, type }) {
  return ok || status === 401 || status === 403 || type === "opaqueredirect" ? " You may have been logged out: reload the page." : "";
}

// journal is the path of the last entries, of all rules or of one.
export const journal = (limit, rule) => "journal?" + new URLSearchParams(rule ? { limit, rule } : { limit });

// follow opens the live feed of the journal.
export const follow = (rule) => new EventSource(new URL(journal(200, rule), base));

export const experiment = (name) => "experiments/" + encodeURIComponent(name);
export const rule = (point, name, turn) => `rules/${encodeURIComponent(point)}/${encodeURIComponent(name)}/${turn}`;
