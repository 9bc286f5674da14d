// The form that starts an experiment. Its fields write one line of the grammar, which
// the parser of the server checks.

import { call, experiment } from "./api.js";
import { busy, byId, el, isBusy, mistake, options, ready, title, toast } from "./dom.js";
import * as fields from "./fields.js";

// Kinds whose settings need a block, and kinds that only work in a transport.
const unusable = ["choose", "sequence", "patch", "refuse"];

let changed = () => {};
let asked = 0;

// begin sets up the form for these kinds of fault. Before that, the form takes no input,
// because begin would overwrite it. change is called after an experiment has started.
export function begin(kinds, change) {
  changed = change;
  const usable = kinds.filter((kind) => !unusable.includes(kind));
  options(byId("start-kind"), usable.map((kind) => [kind, kind]));
  byId("start-kind").value = "respond";
  fields.begin(write);
  byId("start-line").addEventListener("input", edited);
  byId("start-again").addEventListener("click", () => {
    write();
    byId("start-line").focus();
  });
  byId("start-form").addEventListener("input", (event) => mistake(event.target, ""));
  byId("start-form").addEventListener("submit", submit);
  byId("start-name").value = freshName();
  write();
  byId("start-form").inert = false;
}

// showPoints lists the injection points to choose from. Only an explicit choice applies
// an experiment to all requests of all points.
export function showPoints(points) {
  options(byId("start-point"), [["", "all points"], ["*", "all points, all requests"], ...[...new Set(points.map((p) => p.point))].map((name) => [name, name])]);
}

const freshName = () => "console-" + Math.random().toString(36).slice(2, 6);

// write writes the line that the fields describe.
function write() {
  byId("start-line").value = fields.line();
  edited();
}

// edited disables the fields if the line was edited by hand, so that changing a field
// does not overwrite it.
function edited() {
  const hand = byHand();
  fields.disable(hand);
  byId("start-by-hand").hidden = !hand;
  byId("start-hint").hidden = hand;
  validate();
}

const byHand = () => byId("start-line").value !== fields.line();

// validate sends the line to the server and returns the rule that it describes, or null
// if the line is not valid. An answer that arrives after the answer to a later line is not
// shown.
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
  byId("start-answer").replaceChildren(...(refusal ? marked(line, refusal) : ["The line is valid."]));
  byId("start-answer").classList.toggle("wrong", refusal !== null);
}

// marked returns the line with its wrong part marked, and the error. The server counts
// bytes, this page UTF-16 units.
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

// submit starts the experiment once, however often the form is submitted.
async function submit(event) {
  event.preventDefault();
  const go = byId("start-go");
  if (isBusy(go)) return;
  const wrong = check();
  if (wrong) return wrong.focus();
  const label = go.textContent;
  busy(go, "Starting …");
  await start(frame());
  ready(go, label);
}

// check shows the errors beside the fields, and returns the first field with an error.
function check() {
  const name = byId("start-name");
  const ttl = byId("start-ttl");
  const others = [
    mistake(name, /^([A-Za-z0-9][\w.-]{0,63})?$/.test(name.value.trim()) ? "" : "A name has up to 64 letters, digits, dots, dashes and underscores. It begins with a letter or a digit."),
    mistake(ttl, duration.test(ttl.value.trim()) ? "" : "This is not a duration; write one such as 10m, 1h30m or 2d, or 0 for no end."),
  ];
  return (byHand() ? null : fields.check()) ?? others.find(Boolean);
}

const duration = /^(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d))+)?$/;

// refused shows why the server did not start the experiment, beside the field that
// caused it.
function refused(error, name) {
  const field = error.status === 412 || error.message.startsWith("bad name") ? byId("start-name") : error.message.startsWith("ttl") ? byId("start-ttl") : null;
  if (!field) return refuse(error.message);
  mistake(field, error.status === 412 ? `An experiment '${name}' is already running; choose another name.` : error.message);
  field.focus();
}

// frame returns the settings that are not in the line.
function frame() {
  const value = (id) => byId(id).value.trim();
  return { point: value("start-point"), ttl: value("start-ttl"), note: value("start-note"), name: value("start-name") || freshName() };
}

// start starts the experiment as the form was when it was submitted. Later changes of
// the form apply to the next experiment.
async function start({ point, ttl, note, name }) {
  const wanted = await validate();
  if (!wanted) {
    toast("Not started: check the line."); // the reason is shown beside it
    byId("start-line").focus();
    return;
  }
  if (!point && !wanted.match) {
    refuse("Not started: choose a path, a header field or an injection point.");
    byId(byHand() ? "start-line" : "start-path").focus();
    return;
  }
  if (point) wanted.points = [point];
  if (ttl) wanted.ttl = ttl === "0" ? 0 : ttl;
  if (note) wanted.note = note;
  let begun;
  try {
    begun = await call("PUT", experiment(name), wanted, { "If-None-Match": "*" });
  } catch (error) {
    refused(error, name);
    return;
  }
  toast(`Started ${name}` + excluded(begun.places ?? []));
  if (byId("start-name").value.trim() === name) byId("start-name").value = freshName();
  changed();
  location.hash = "#overview";
}

// excluded returns a text about the points where the experiment cannot match any request.
function excluded(places) {
  const none = places.filter((p) => p.excluded);
  if (none.length === 0) return "";
  const where = none.length === places.length ? "" : ` at ${title(none[0])}${none.length > 1 ? ` and ${none.length - 1} more` : ""}`;
  return `, which cannot match any request${where}: ${none[0].excluded}`;
}
