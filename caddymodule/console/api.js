// The API of the fault injector, which is at fault/ beside this page.

const base = new URL("fault/", document.baseURI);

// Refused is an answer that says no; body is its JSON.
export class Refused extends Error {
  constructor(status, body) {
    super(body.error ?? `status ${status}`);
    this.status = status;
    this.body = body;
  }
}

const patience = 10_000; // milliseconds

// call asks the API and returns the JSON of its answer, null without one.
export async function call(method, path, body, headers = {}) {
  const request = { method, headers: { ...headers }, cache: "no-store", signal: AbortSignal.timeout(patience) };
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
  let value = null;
  try {
    if (answered) value = JSON.parse(answered);
  } catch {
    throw new Refused(answer.status, { error: `no answer of the API: status ${answer.status}` });
  }
  if (!answer.ok) throw new Refused(answer.status, value ?? {});
  return value;
}

// follow opens the live feed of the journal.
export function follow(rule) {
  const url = new URL("journal", base);
  url.searchParams.set("limit", "200");
  if (rule) url.searchParams.set("rule", rule);
  return new EventSource(url);
}

export const experiment = (name) => "experiments/" + encodeURIComponent(name);
export const rule = (point, name, turn) => `rules/${encodeURIComponent(point)}/${encodeURIComponent(name)}/${turn}`;
