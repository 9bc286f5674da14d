// The API of the fault injector, at fault/ beside this page.

import { sentence } from "./dom.js";

const base = new URL("fault/", document.baseURI);

// Refused is an error that the API returned. The body is its JSON.
class Refused extends Error {
  constructor(status, body) {
    super(body.error);
    this.status = status;
    this.body = body;
  }
}

const patience = 10_000; // milliseconds

// call sends a request to the API and returns the JSON of the answer, or null if the
// answer has no body.
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

// objectOf parses a JSON object. It returns null for an empty object and for other
// texts.
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && Object.keys(value).length > 0 ? value : null;
  } catch {
    return null;
  }
}

// stranger returns the error for an answer that is not from the API, but from a proxy
// or a login in front of this page.
function stranger(answer) {
  const redirect = answer.type === "opaqueredirect";
  return new Refused(answer.status, { error: `The answer is not from the fault API (${redirect ? "a redirect" : "status " + answer.status}).` + login(answer) });
}

// login returns advice for users who may have to log in again.
function login({ status, ok, type }) {
  return ok || status === 401 || status === 403 || type === "opaqueredirect" ? " You may be logged out. Reload the page." : "";
}

// journal returns the path of the last entries that the filters select.
export const journal = (limit, filters) => "journal?" + new URLSearchParams([["limit", limit], ...filters]);

// follow opens the live feed of the journal.
export const follow = (limit, filters) => new EventSource(new URL(journal(limit, filters), base));

export const experiment = (name) => "experiments/" + encodeURIComponent(name);
export const rule = (point, name, turn) => `rules/${encodeURIComponent(point)}/${encodeURIComponent(name)}/${turn}`;
