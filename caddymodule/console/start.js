// The form that starts an experiment. Its fields write the lines of a rule, which the
// parser of the server checks.

import { call, experiment } from "./api.js";
import { banner, busy, byId, isBusy, mistake, options, ready, title, toast } from "./dom.js";
import * as draft from "./draft.js";
import * as fields from "./fields.js";

const again = 5000; // milliseconds between two previews of the same draft

// starters are the experiments that most people want first.
const starters = {
  slow: { percent: "10", fault: "delay", set: { "Delay, or minimum": "200ms", Maximum: "900ms" } },
  flaky: { percent: "10", fault: "respond", set: { Status: "503" } },
  down: { percent: "100", fault: "respond", set: { Status: "503" } },
  limited: { percent: "10", fault: "respond", set: { Status: "429", retry_after: "30s" } },
};

let changed = () => {};
let waiting; // the timer of the next question to the server
let presets; // the question for the presets

// begin sets up the form for these kinds of fault. Before that, the form takes no input,
// because begin would overwrite it. change is called after an experiment has started.
export function begin(kinds, change) {
  changed = change;
  options(byId("start-kind"), kinds.map((kind) => [kind, kind]));
  byId("start-kind").value = "respond";
  fields.begin(write);
  draft.begin(() => {
    const wrong = check();
    if (wrong) refuse(wrong, "Not copied: ");
    return wrong ? null : frame();
  });
  byId("start-line").addEventListener("input", edited);
  byId("start-again").addEventListener("click", () => {
    write();
    byId("start-line").focus();
  });
  for (const [name, starter] of Object.entries(starters)) {
    byId("start-" + name).addEventListener("click", () => {
      fields.fill(starter);
      write();
    });
  }
  byId("start-form").addEventListener("input", (event) => {
    mistake(event.target, "");
    banner("start-wrong", "");
    askSoon();
  });
  byId("start-form").addEventListener("submit", submit);
  setInterval(() => { if (!byId("start").hidden && !document.hidden) ask(); }, again);
  addEventListener("hashchange", shown);
  write();
  shown();
  byId("start-form").inert = false;
}

// shown asks for what only this view needs.
function shown() {
  if (!location.hash.startsWith("#start")) return;
  ask();
  presets ??= call("GET", "presets").then((answer) => fields.offer(answer.presets)).catch(() => { presets = undefined; });
}

// showPoints lists the injection points to choose from. Only an explicit choice applies
// an experiment to all points.
export function showPoints(points) {
  const names = new Map(points.map((p) => [p.point, title(p)]));
  options(byId("start-point"), [["", "choose …"], ["*", "all points"], ...names]);
}

// write writes the rule that the fields describe.
function write() {
  byId("start-line").value = fields.rule();
  edited();
}

// edited disables the fields if the rule was edited by hand, so that changing a field
// does not overwrite it.
function edited() {
  const hand = byHand();
  fields.disable(hand);
  byId("start-by-hand").hidden = !hand;
  byId("start-hint").hidden = hand;
  askSoon();
}

// askSoon asks the server when nothing has changed for a moment.
function askSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(ask, 150);
}

const byHand = () => byId("start-line").value !== fields.rule();
const valueOf = (id) => byId(id).value.trim();

// ask asks the server for the preview. Until a point is chosen, it is that of all points.
async function ask() {
  clearTimeout(waiting);
  const wanted = frame();
  await draft.ask({ ...wanted, points: wanted.points ?? ["*"] }).catch(() => {}); // the refusal is shown
}

// frame returns the draft in the form.
function frame() {
  const [name, note, ttl, point] = ["start-name", "start-note", "start-ttl", "start-point"].map(valueOf);
  return {
    rule: byId("start-line").value, points: point ? [point] : undefined,
    name: name || undefined, note: note || undefined, ttl: ttl ? (ttl === "0" ? 0 : ttl) : undefined,
  };
}

// submit starts the experiment once, however often the form is submitted.
async function submit(event) {
  event.preventDefault();
  const go = byId("start-go");
  if (isBusy(go)) return;
  banner("start-wrong", "");
  const wrong = check();
  if (wrong) return refuse(wrong);
  const label = go.textContent;
  busy(go, "Starting …");
  await start(frame());
  ready(go, label);
}

// refuse shows beside the button why nothing has happened, and moves the focus to the
// field with the error.
function refuse(field, what = "Not started: ", message = field.parentElement.querySelector(".wrong").textContent) {
  banner("start-wrong", what + message);
  field.focus();
}

// check shows the errors beside the fields, and returns the first field with an error.
function check() {
  const ttl = byId("start-ttl");
  const name = byId("start-name");
  const wrong = [
    mistake(byId("start-point"), byId("start-point").value ? "" : "Choose an injection point, or all points."),
    byHand() ? null : fields.check(),
    mistake(ttl, duration.test(ttl.value.trim()) ? "" : "This is not a duration; write one such as 10m, 1h30m or 2d, or 0 for no end."),
    mistake(name, /^([A-Za-z0-9][\w.-]{0,63})?$/.test(name.value.trim()) ? "" : "A name has up to 64 letters, digits, dots, dashes and underscores. It begins with a letter or a digit."),
  ];
  return wrong.find(Boolean);
}

const duration = /^(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d))+)?$/;

const fieldOf = { rule: "start-line", points: "start-point", name: "start-name", ttl: "start-ttl" };

// madeUp returns a name for an experiment without one: its first fault and a random text.
const madeUp = ({ faults }) => `${faults[0].fault}-${Math.random().toString(36).slice(2, 6)}`;

// start starts the experiment as the form was when it was submitted. Later changes of
// the form apply to the next experiment.
async function start(wanted) {
  let begun, name = wanted.name;
  try {
    const { experiment: body } = await draft.ask(wanted);
    name ??= madeUp(body);
    begun = await call("PUT", experiment(name), body, { "If-None-Match": "*" });
  } catch (error) {
    return refused(error, name);
  }
  toast(`Started ${name}` + excluded(begun.places ?? []));
  if (valueOf("start-name") === name) byId("start-name").value = "";
  changed();
  location.hash = "#overview";
}

// refused shows why the server did not start the experiment.
function refused(error, name) {
  const taken = error.status === 412;
  const field = byId(taken ? "start-name" : fieldOf[error.body?.field] ?? "start-go");
  const message = taken ? `An experiment '${name}' is already running; choose another name.` : error.message;
  if (!["start-line", "start-go"].includes(field.id)) mistake(field, message);
  refuse(field, "Not started: ", message);
}

// excluded returns a text about the points where the experiment cannot match any request.
function excluded(places) {
  const none = places.filter((p) => p.excluded);
  if (none.length === 0) return "";
  const where = none.length === places.length ? "" : ` at ${title(none[0])}${none.length > 1 ? ` and ${none.length - 1} more` : ""}`;
  return `, which cannot match any request${where}: ${none[0].excluded}`;
}
