// The fields that write the line of a new experiment.

import { byId, el, mistake } from "./dom.js";

// What the settings of a kind are called, with an example or a default (value).
// An empty field before a filled one stands for its blank, or else for its value
// or hint: the words of a line are told apart by their places alone. A kind that
// is not listed has one field for all of them.
const settings = {
  respond: [{ label: "Status", value: "503" }, { label: "Body", hint: "the catalogue’s" }],
  error: [{ label: "Status", hint: "502" }, { label: "Message" }],
  grpc: [{ label: "Status", value: "UNAVAILABLE" }, { label: "Message" }],
  delay: [{ label: "Delay, or least delay", value: "200ms", blank: "0s" }, { label: "Most delay", hint: "the same" }],
  hang: [{ label: "For how long", hint: "until the client leaves" }],
  close: [],
  reset: [],
  garbage: [{ label: "Size", hint: "64B" }],
  malformed: [{ label: "Status", hint: "200" }],
  truncate: [{ label: "After", value: "50%" }, { label: "End", hint: "close, reset or clean" }],
  throttle: [{ label: "Rate", value: "10KiB/s" }],
  dribble: [{ label: "Pieces", value: "10" }, { label: "Time", value: "5s" }],
  corrupt: [{ label: "Share of bytes", value: "1%" }],
};
const unknown = [{ label: "Settings", free: true }];

const typed = new Map(); // the settings of the kinds that were chosen before

const matching = ["start-path", "start-header", "start-value", "start-percent"];
const valueOf = (id) => byId(id).value.trim();
const inputs = () => [...byId("start-settings").querySelectorAll("input")];

// begin calls write when a field has changed.
export function begin(write) {
  for (const id of matching) byId(id).addEventListener("input", write);
  byId("start-settings").addEventListener("input", () => {
    typed.set(byId("start-kind").value, inputs().map((field) => field.value));
    write();
  });
  byId("start-kind").addEventListener("change", () => { showSettings(); write(); });
  showSettings();
}

function showSettings() {
  const kind = byId("start-kind").value;
  const fields = settings[kind] ?? unknown;
  byId("start-settings").replaceChildren(...fields.map((setting, i) => {
    const field = el("input", { placeholder: setting.hint ?? setting.blank ?? "", spellcheck: "false" });
    field.value = typed.get(kind)?.[i] ?? setting.value ?? "";
    field.setting = setting;
    return el("label", {}, setting.label + " ", field);
  }));
}

// disable takes the fields out of use, with their mistakes, or back into it.
export function disable(disabled) {
  for (const field of [...matching.map(byId), byId("start-kind"), ...inputs()]) {
    field.disabled = disabled;
    if (disabled) mistake(field, "");
  }
}

// line is the line of the fields.
export function line() {
  const percent = valueOf("start-percent");
  const share = percent && percent !== "100" ? `percent ${percent}; ` : "";
  return matchers() + share + [byId("start-kind").value, ...words()].join(" ");
}

function words() {
  const fields = inputs();
  const last = fields.findLastIndex((field) => field.value.trim());
  return fields.slice(0, last + 1).map((field) => {
    const { blank, value, hint, free } = field.setting;
    const word = field.value.trim() || (blank ?? value ?? hint);
    return free ? word : quote(word);
  });
}

// quote writes a text as one word of the line.
function quote(word) {
  if (/^[^\s;"`\\#{}]+$/.test(word)) return word;
  return word.includes("`") ? `"${word.replaceAll('"', '\\"')}"` : "`" + word + "`";
}

const paths = () => byId("start-path").value.split(/\s+/).filter(Boolean);

// headerName leaves the colon out that comes along when a name is copied.
const headerName = () => valueOf("start-header").replace(/\s*:$/, "");

// matchers is the part of the line for the fields path and header. The word
// `match` takes one matcher, so two make an expression.
function matchers() {
  const header = headerName();
  const value = valueOf("start-value") || "*";
  const text = (word) => "'" + word.replace(/[\\']/g, "\\$&") + "'";
  if (paths().length > 0 && header) return `match ${quote(`path(${paths().map(text).join(", ")}) && header({${text(header)}: ${text(value)}})`)}; `;
  if (paths().length > 0) return `match path ${paths().map(quote).join(" ")}; `;
  return header ? `match header ${quote(header)} ${quote(value)}; ` : "";
}

// check says beside each field what is wrong with it, and returns the first that
// has a mistake.
export function check() {
  const wrong = [mistake(byId("start-path"), wrongPath()), mistake(byId("start-header"), wrongHeader()),
    mistake(byId("start-value"), unquotable(valueOf("start-value"))),
    ...inputs().map((field) => mistake(field, field.setting.free ? "" : unquotable(field.value.trim())))];
  return wrong.find(Boolean);
}

function wrongPath() {
  for (const path of paths()) {
    if (!/^[/*]/.test(path)) return `'${path}' matches no request: a path begins with a slash, or with * for any beginning.`;
    if (path.includes("?")) return `'${path}' matches no request: what comes from the ? on is the query, no part of the path.`;
  }
  return unquotable(paths().join(" "));
}

const token = /^[-!#$%&'*+.^`|~\w]+$/;

function wrongHeader() {
  const name = headerName();
  if (!name) return valueOf("start-value") ? "Say which header has the value." : "";
  return token.test(name) ? "" : `'${name}' is no name of a header; its value has a field of its own.`;
}

// unquotable is what no quotes can hold: backticks need double quotes, in which a
// backslash in front of a quote is lost. Two of them are not.
function unquotable(text) {
  const lost = text.includes("`") && /(?<!\\)(\\\\)*\\("|$)/.test(text);
  return lost ? "A line cannot say that: beside a backtick, a backslash cannot stand at the end or in front of a quote." : "";
}
