// Lines of the grammar for people: settings that the grammar can only write as JSON read
// as in `respond 503 · Retry-After: 5`.

const longest = 60; // characters of a value

// readable returns a line in which no fault has settings in JSON.
export const readable = (line) => (line ? statements(line).map(plain).join("; ") : "");

// statements splits a line at the semicolons outside of quotes and braces.
function statements(line) {
  const found = [];
  let from = 0, depth = 0, quote = "";
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (quote === '"' && c === "\\") i++;
    else if (quote) quote = c === quote ? "" : quote;
    else if (c === '"' || c === "`") quote = c;
    else if (c === "{") depth++;
    else if (c === "}") depth--;
    else if (c === ";" && depth === 0) {
      found.push(line.slice(from, i).trim());
      from = i + 1;
    }
  }
  return [...found, line.slice(from).trim()].filter(Boolean);
}

// plain returns a statement without JSON.
function plain(statement) {
  const [, kind, json] = /^(\w+) (\{.*\})$/s.exec(statement) ?? [];
  const settings = json && parse(json);
  if (!settings) return statement;
  const { status_code: status, ...others } = settings;
  const words = Object.entries(others).flatMap(([name, value]) => (name === "headers" ? fields(value) : [`${name.replaceAll("_", " ")} ${short(value)}`]));
  return [status === undefined ? kind : `${kind} ${status}`, ...words].join(" · ");
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null; // it is a block of the grammar
  }
}

// fields returns what a fault does with header fields.
function fields({ set = {}, add = {}, delete: removed = [], replace = {} }) {
  return [
    ...Object.entries({ ...set, ...add }).map(([name, values]) => `${name}: ${short(values)}`),
    ...removed.map((name) => `no ${name}`), ...Object.keys(replace).map((name) => `${name} changed`),
  ];
}

// short returns a value as a few words.
function short(value) {
  const list = Array.isArray(value) ? value : [value];
  if (list.some((item) => item !== null && typeof item === "object")) return faultsOf(list);
  const text = list.join(", ");
  return text.length > longest ? text.slice(0, longest - 1) + "…" : text;
}

// faultsOf names the faults in nested settings, such as the branches of choose.
function faultsOf(list) {
  const names = JSON.stringify(list).match(/"fault":"[^"]*"/g)?.map((found) => found.slice(9, -1)) ?? [];
  return names.length > 0 ? `(${names.join(", ")})` : `(${list.length})`;
}
