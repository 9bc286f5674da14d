// The fields that write the line of a new experiment.

import { byId, el, mistake } from "./dom.js";

// The labels of the settings of a kind, each with an initial value or a hint. Only its
// position gives a word of the line a meaning. If an empty field is followed by a filled
// one, the line therefore gets the field's blank, or otherwise its value or hint. A kind
// that is not listed has one field for all settings.
const settings = {
  respond: [{ label: "Status", value: "503" }, { label: "Body", hint: "from the catalog" }],
  error: [{ label: "Status", hint: "502" }, { label: "Message" }],
  grpc: [{ label: "Status", value: "UNAVAILABLE" }, { label: "Message" }],
  delay: [{ label: "Delay, or minimum", value: "200ms", blank: "0s" }, { label: "Maximum", hint: "the same delay" }],
  ratelimit: [{ label: "Requests", value: "100" }, { label: "Window", value: "1m" }, { label: "Limit fields", hint: "ietf, x, x_unix or off" }],
  hang: [{ label: "Duration", hint: "until the client leaves" }],
  close: [{ label: "End", hint: "goaway or connection", blank: "goaway" }, { label: "Code", hint: "of goaway" }],
  reset: [{ label: "Code", hint: "a name, or connection" }],
  garbage: [{ label: "Size", hint: "64B" }],
  malformed: [{ label: "Status", hint: "200" }],
  truncate: [{ label: "After", value: "50%" }, { label: "End", hint: "close, reset or clean" }],
  throttle: [{ label: "Rate", value: "10KiB/s" }],
  dribble: [{ label: "Pieces", value: "10" }, { label: "Time", value: "5s" }],
  mutate: [{ label: "Operations", hint: "drift", free: true }],
  trailers: [{ label: "Change", value: "drop", free: true }],
  interim: [{ label: "Status", value: "103" }, { label: "Number", hint: "1" }, { label: "Time between", hint: "none" }],
  stream: [{ label: "Step", value: "5 stop close", free: true }],
  corrupt: [{ label: "Percentage of bytes", value: "1%" }],
};
const unknown = [{ label: "Settings", free: true }];

const typed = new Map(); // the settings of kinds that were chosen before

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

// disable disables the fields and removes their errors, or enables the fields again.
export function disable(disabled) {
  for (const field of [...matching.map(byId), byId("start-kind"), ...inputs()]) {
    field.disabled = disabled;
    if (disabled) mistake(field, "");
  }
}

// line returns the line that the fields describe.
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

// quote returns a text as one word of the line.
function quote(word) {
  if (/^[^\s;"`\\#{}]+$/.test(word)) return word;
  return word.includes("`") ? `"${word.replaceAll('"', '\\"')}"` : "`" + word + "`";
}

const paths = () => byId("start-path").value.split(/\s+/).filter(Boolean);

// headerName drops a colon that was copied along with the name.
const headerName = () => valueOf("start-header").replace(/\s*:$/, "");

// matchers returns the statement for the fields path and header. The statement `match`
// takes one matcher, so two matchers become an expression.
function matchers() {
  const header = headerName();
  const value = valueOf("start-value") || "*";
  const text = (word) => "'" + word.replace(/[\\']/g, "\\$&") + "'";
  if (paths().length > 0 && header) return `match ${quote(`path(${paths().map(text).join(", ")}) && header({${text(header)}: ${text(value)}})`)}; `;
  if (paths().length > 0) return `match path ${paths().map(quote).join(" ")}; `;
  return header ? `match header ${quote(header)} ${quote(value)}; ` : "";
}

// check shows the errors beside the fields, and returns the first field with an error.
export function check() {
  const wrong = [mistake(byId("start-path"), wrongPath()), mistake(byId("start-header"), wrongHeader()),
    mistake(byId("start-value"), unquotable(valueOf("start-value"))),
    ...inputs().map((field) => mistake(field, field.setting.free ? "" : unquotable(field.value.trim())))];
  return wrong.find(Boolean);
}

function wrongPath() {
  for (const path of paths()) {
    if (!/^[/*]/.test(path)) return `'${path}' matches no request; a path begins with a slash, or with * for any prefix.`;
    if (path.includes("?")) return `'${path}' matches no request; the part from the ? on is the query, which does not belong to the path.`;
  }
  return unquotable(paths().join(" "));
}

const token = /^[-!#$%&'*+.^`|~\w]+$/;

function wrongHeader() {
  const name = headerName();
  if (!name) return valueOf("start-value") ? "Enter the name of the header field." : "";
  return token.test(name) ? "" : `'${name}' is not a header field name; enter the value under Header value.`;
}

// unquotable returns an error for a text that cannot be quoted. A text with a backtick
// needs double quotes, in which a backslash before a quote is lost. Two backslashes are
// not.
function unquotable(text) {
  const lost = text.includes("`") && /(?<!\\)(\\\\)*\\("|$)/.test(text);
  return lost ? "The line cannot express this text: with a backtick, it cannot have a backslash at the end or before a quote." : "";
}
