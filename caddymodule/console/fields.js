// The fields that write the rule of a new experiment, as the lines of a Caddyfile.

import { byId, el, mistake } from "./dom.js";
import { kinds, limits, presetFields, unknown } from "./kindfields.js";

const typed = new Map(); // the values of kinds that were chosen before

const matching = ["start-path", "start-header", "start-value", "start-percent", "start-slide"];
const valueOf = (id) => byId(id).value.trim();
const fieldsIn = (id) => [...byId(id).querySelectorAll("input, select, textarea")];
const kind = () => byId("start-kind").value;

// begin calls write when a field has changed.
export function begin(write) {
  byId("start-percent").addEventListener("input", () => { byId("start-slide").value = valueOf("start-percent"); });
  byId("start-slide").addEventListener("input", () => {
    byId("start-percent").value = byId("start-slide").value;
    mistake(byId("start-percent"), "");
  });
  for (const id of matching) byId(id).addEventListener("input", write);
  for (const limit of limits) byId("start-limits").append(labeled(limit));
  byId("start-limits").addEventListener("input", write);
  byId("start-settings").addEventListener("input", (event) => {
    if (event.target.setting.variants) showSettings(event.target.value);
    else typed.set(key(), values());
    write();
  });
  byId("start-kind").addEventListener("change", () => { showSettings(); write(); });
  showSettings();
}

// offer adds presets to the kinds.
export function offer(presets) {
  kinds.preset = presetFields(presets);
  byId("start-kind").prepend(el("option", { value: "preset" }, "preset"));
}

// fill sets the percentage, the kind and the values of its first fields.
export function fill({ percent, fault, variant = "", set }) {
  byId("start-percent").value = byId("start-slide").value = percent;
  byId("start-kind").value = fault;
  showSettings(variant);
  for (const field of settings()) {
    const { option, label, value = "" } = field.setting;
    if (field.type !== "checkbox") field.value = set[option ?? label] ?? value;
  }
  typed.set(key(), values());
}

// settings returns the fields of the kind, without the one that chooses the variant.
const settings = () => fieldsIn("start-settings").filter((field) => !field.setting.variants);
const variant = () => fieldsIn("start-settings").find((field) => field.setting.variants)?.value ?? "";
const key = () => kind() + " " + variant();
const values = () => settings().map((field) => (field.type === "checkbox" ? field.checked : field.value));

function showSettings(chosen = "") {
  const known = kinds[kind()] ?? unknown;
  if (known.variants && !known.variants[chosen]) chosen = Object.keys(known.variants)[0];
  const fields = known.variants ? known.variants[chosen].slice(1) : known;
  const nodes = fields.map(labeled);
  if (known.variants) {
    nodes.unshift(labeled({ ...known, choices: Object.entries(known.variants).map(([word, [name]]) => [word, name]) }));
    nodes[0].querySelector("select").value = chosen;
  }
  const had = document.activeElement?.setting?.variants;
  byId("start-settings").replaceChildren(...nodes);
  if (had) nodes[0].querySelector("select").focus();
  const before = typed.get(key());
  if (before) settings().forEach((field, i) => { field[field.type === "checkbox" ? "checked" : "value"] = before[i]; });
}

// labeled returns a field for a setting, in its label.
function labeled(setting) {
  const field = inputFor(setting);
  field.setting = setting;
  if (setting.flag) return el("label", { class: "check" }, field, " " + setting.label);
  return el("label", { class: setting.lines ? "wide" : null }, setting.label + " ", field);
}

function inputFor({ option, choices, flag, lines, hint, blank, value = "" }) {
  if (choices) return el("select", {}, ...choices.map(([word, label]) => el("option", { value: word }, label)));
  if (flag) return el("input", { type: "checkbox" });
  const field = el(lines ? "textarea" : "input", { placeholder: hint || blank || null, spellcheck: "false", rows: lines ? (option ? 2 : 3) : null, class: lines ? "code" : null });
  field.value = value;
  return field;
}

// disable disables the fields and removes their errors, or enables the fields again.
export function disable(disabled) {
  for (const field of [...matching.map(byId), byId("start-kind"), ...fieldsIn("start-settings"), ...fieldsIn("start-limits")]) {
    field.disabled = disabled;
    if (disabled) mistake(field, "");
  }
}

// rule returns the lines that the fields describe.
export function rule() {
  const percent = valueOf("start-percent");
  const counted = fieldsIn("start-limits").map((field) => {
    const { word, flag } = field.setting;
    if (flag) return field.checked ? word : "";
    return field.value.trim() && `${word} ${field.value.trim()}`;
  });
  return [matchers(), percent && "percent " + percent, ...counted, [kind(), variant(), ...words(), ...pairs()].filter(Boolean).join(" ") + block()].filter(Boolean).join("\n");
}

const isWord = ({ setting }) => !setting.option && !setting.lines && !setting.bare && !setting.pair;
const pairs = () => settings().filter(({ setting, value }) => setting.pair && value.trim()).map(({ setting, value }) => quote(`${setting.pair}=${value.trim()}`));

function words() {
  const fields = settings().filter(isWord);
  const last = fields.findLastIndex((field) => field.value.trim());
  return fields.slice(0, last + 1).map((field) => {
    const { blank, value, hint, free } = field.setting;
    const word = field.value.trim() || (blank ?? value ?? hint);
    return free ? word : quote(word);
  });
}

// block returns the block of the fault, or nothing without options.
function block() {
  const options = settings().filter((field) => !isWord(field) && !field.setting.pair).flatMap((field) => {
    const { option, free, flag, lines, bare } = field.setting;
    const text = field.value.trim();
    if (flag) return field.checked ? [option] : [];
    if (!text) return [];
    if (lines) return text.split("\n").map((line) => (option ? `${option} ${entry(line.trim())}` : line));
    return bare ? [text] : [`${option} ${free ? text : quote(text)}`];
  });
  return options.length > 0 ? ` {\n${options.map((line) => "\t" + line + "\n").join("")}}` : "";
}

// entry returns the words for a line such as `X-Reason: game day`. It does not change other
// lines.
function entry(line) {
  const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(line) ?? [];
  return name ? `${name} ${quote(value)}` : line;
}

// quote returns a text as one word of a line.
function quote(word) {
  if (/^[^\s;"`\\#{}]+$/.test(word)) return word;
  return word.includes("`") ? `"${word.replaceAll('"', '\\"')}"` : "`" + word + "`";
}

const paths = () => byId("start-path").value.split(/\s+/).filter(Boolean);

// headerName drops a colon that was copied along with the name.
const headerName = () => valueOf("start-header").replace(/\s*:$/, "");

// matchers returns the line for the fields path and header. A line `match` takes one
// matcher, so two matchers become an expression.
function matchers() {
  const header = headerName();
  const value = valueOf("start-value") || "*";
  const text = (word) => "'" + word.replace(/[\\']/g, "\\$&") + "'";
  if (paths().length > 0 && header) return `match ${quote(`path(${paths().map(text).join(", ")}) && header({${text(header)}: ${text(value)}})`)}`;
  if (paths().length > 0) return `match path ${paths().map(quote).join(" ")}`;
  return header ? `match header ${quote(header)} ${quote(value)}` : "";
}

// check shows the errors beside the fields, and returns the first field with an error.
export function check() {
  const wrong = [mistake(byId("start-path"), wrongPath()), mistake(byId("start-header"), wrongHeader()),
    mistake(byId("start-value"), unquotable(valueOf("start-value"))), mistake(byId("start-percent"), wrongPercent()),
    ...settings().map((field) => mistake(field, field.setting.free || field.setting.lines ? "" : unquotable(field.value.trim())))];
  return wrong.find(Boolean);
}

function wrongPercent() {
  const percent = valueOf("start-percent");
  return /^\d+(\.\d+)?$/.test(percent) && Number(percent) <= 100 ? "" : "Enter a number from 0 to 100.";
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
  return lost ? "The rule cannot express this text: with a backtick, it cannot have a backslash at the end or before a quote." : "";
}
