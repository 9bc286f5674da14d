// The form that starts an experiment. Its fields write one line of the grammar,
// and the server's own parser says whether that is right.

import { call, experiment } from "./api.js";
import { busy, byId, el, isBusy, options, ready, toast } from "./dom.js";

// What the settings of a kind are called, with an example or a default (value).
// A kind that is not listed has one field for all of them.
const settings = {
  respond: [{ label: "Status", value: "503" }, { label: "Body", hint: "the catalogue’s" }],
  error: [{ label: "Status", hint: "502" }, { label: "Message" }],
  grpc: [{ label: "Status", value: "UNAVAILABLE" }, { label: "Message" }],
  delay: [{ label: "Delay, or least delay", value: "200ms" }, { label: "Most delay", hint: "the same" }],
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

// Kinds whose settings need a block of lines, or that are for a transport only.
const unusable = ["choose", "sequence", "patch", "refuse"];

let changed = () => {};
let asked = 0;

// begin sets the form up for these kinds of fault. Before that it takes no input,
// which would be written over. change is called when an experiment has begun.
export function begin(kinds, change) {
  changed = change;
  const usable = kinds.filter((kind) => !unusable.includes(kind));
  options(byId("start-kind"), usable.map((kind) => [kind, kind]));
  byId("start-kind").value = "respond";
  byId("start-kind").addEventListener("change", () => { showSettings(); write(); });
  byId("start-settings").addEventListener("input", write);
  for (const id of ["start-path", "start-header", "start-value", "start-percent"]) byId(id).addEventListener("input", write);
  byId("start-line").addEventListener("input", validate);
  byId("start-form").addEventListener("submit", submit);
  byId("start-name").value = freshName();
  showSettings();
  write();
  byId("start-form").inert = false;
}

// showPoints lists the injection points to choose from. Everything at once is
// broken only if somebody says so.
export function showPoints(points) {
  options(byId("start-point"), [["", "any"], ["*", "any, every request"], ...points.map((p) => [p.point, p.point])]);
}

const freshName = () => "console-" + Math.random().toString(36).slice(2, 6);

function showSettings() {
  const fields = settings[byId("start-kind").value] ?? unknown;
  byId("start-settings").replaceChildren(...fields.map(({ label, value, hint, free }) => {
    const field = el("input", { placeholder: hint ?? "", spellcheck: "false", "data-free": Boolean(free) });
    field.value = value ?? "";
    return el("label", {}, label + " ", field);
  }));
}

// quote writes a text as one word of the line.
function quote(word) {
  if (/^[^\s;"`\\#{}]+$/.test(word)) return word;
  return word.includes("`") ? `"${word.replaceAll('"', '\\"')}"` : "`" + word + "`";
}

// matchers is the part of the line for the fields path and header. The word
// `match` takes one matcher, so two make an expression.
function matchers() {
  const paths = byId("start-path").value.split(/\s+/).filter(Boolean);
  const header = byId("start-header").value.trim();
  const value = byId("start-value").value.trim() || "*";
  const text = (word) => "'" + word.replace(/[\\']/g, "\\$&") + "'";
  if (paths.length > 0 && header) return `match ${quote(`path(${paths.map(text).join(", ")}) && header({${text(header)}: ${text(value)}})`)}; `;
  if (paths.length > 0) return `match path ${paths.map(quote).join(" ")}; `;
  return header ? `match header ${quote(header)} ${quote(value)}; ` : "";
}

// write makes the line of the fields.
function write() {
  const words = [byId("start-kind").value];
  for (const field of byId("start-settings").querySelectorAll("input")) {
    const value = field.value.trim();
    if (value) words.push(field.hasAttribute("data-free") ? value : quote(value));
  }
  const percent = byId("start-percent").value.trim();
  const share = percent && percent !== "100" ? `percent ${percent}; ` : "";
  byId("start-line").value = matchers() + share + words.join(" ");
  validate();
}

// validate asks the server about the line and returns the rule that it means,
// null if it means none. An answer that comes after that to a later question is
// not shown any more.
async function validate() {
  const line = byId("start-line").value;
  const turn = ++asked;
  let rule = null, refusal = null;
  try {
    rule = (await call("POST", "line", { line })).experiment;
  } catch (error) {
    refusal = error;
  }
  if (turn === asked) showAnswer(line, refusal);
  return rule;
}

function showAnswer(line, refusal) {
  byId("start-line").setAttribute("aria-invalid", String(refusal !== null));
  byId("start-answer").replaceChildren(...(refusal ? marked(line, refusal) : ["The line is right."]));
  byId("start-answer").classList.toggle("wrong", refusal !== null);
}

// marked is the line with its wrong part marked, and what is wrong. The server
// counts bytes, this page UTF-16 units.
function marked(line, { message, body }) {
  if (body?.start === undefined) return [message];
  const bytes = new TextEncoder().encode(line);
  const part = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  return [el("span", { class: "echo code" }, part(0, body.start), el("mark", {}, part(body.start, body.end) || " "), part(body.end)), message];
}

function refuse(message) {
  byId("start-answer").replaceChildren(message);
  byId("start-answer").classList.add("wrong");
}

// submit starts the experiment once, however often it is asked to.
async function submit(event) {
  event.preventDefault();
  const go = byId("start-go");
  if (isBusy(go)) return;
  const label = go.textContent;
  busy(go, "Starting …");
  await start(frame());
  ready(go, label);
}

// frame is what is said beside the line.
function frame() {
  const value = (id) => byId(id).value.trim();
  return { point: value("start-point"), ttl: value("start-ttl"), note: value("start-note"), name: value("start-name") || freshName() };
}

// start starts what the form said when it was sent: what changes meanwhile is for
// the next time.
async function start({ point, ttl, note, name }) {
  const wanted = await validate();
  if (!wanted) {
    byId("start-line").focus();
    return;
  }
  if (!point && !wanted.match) {
    refuse("Say which requests: by a path, a header or an injection point.");
    byId("start-path").focus();
    return;
  }
  if (point) wanted.points = [point];
  if (ttl) wanted.ttl = ttl === "0" ? 0 : ttl;
  if (note) wanted.note = note;
  try {
    await call("PUT", experiment(name), wanted, { "If-None-Match": "*" });
  } catch (error) {
    refuse(error.status === 412 ? `An experiment '${name}' is running already: choose another name.` : error.message);
    return;
  }
  toast(`Started ${name}`);
  if (byId("start-name").value.trim() === name) byId("start-name").value = freshName();
  changed();
  location.hash = "#overview";
}
