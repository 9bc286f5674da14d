// The live feed of the journal.

import { call, follow, journal } from "./api.js";
import { byId, clock, el, keyed, options, text } from "./dom.js";

const kept = 300; // rows
const retry = 2000; // milliseconds
const patience = 1000; // milliseconds until the ends that were left out are asked for

let source = null; // open, or about to be
let shown = false; // the view of it
let answered = false; // for this choice of a rule
let again; // timer of the next try
let entries = new Map(); // by ID
let skipped = 0;
let paused = false;
let waiting = false; // for the next frame
let settling; // timer

// begin sets the view up.
export function begin() {
  byId("feed-rule").addEventListener("change", () => {
    entries = new Map();
    skipped = 0;
    answered = false;
    list();
    open();
  });
  document.addEventListener("visibilitychange", () => watch(shown));
  byId("feed-pause").addEventListener("click", () => {
    paused = !paused;
    byId("feed-pause").setAttribute("aria-pressed", String(paused));
    text(byId("feed-pause"), paused ? "Go on" : "Pause");
    show();
  });
  for (const end of ["pointerleave", "focusout", "toggle"]) byId("entries").addEventListener(end, later, true);
}

// watch follows the journal while its view is shown, and is to be told when that
// changes. Browsers open six connections to a server at a time: a feed in each of
// six pages that nobody looks at would leave none to halt with.
export function watch(isShown) {
  shown = isShown;
  if (!shown || document.hidden) close();
  else if (!source) open();
}

// showRules lists the rules to choose from.
export function showRules(state) {
  const points = new Map(); // by the name of a rule
  for (const p of state.points) for (const r of p.rules) points.set(r.name, (points.get(r.name) ?? new Set()).add(p.point));
  const ruleName = (p, r) => points.get(r.name).size > 1 ? `${p.point}/${r.name}` : r.name;
  const names = [...state.points.flatMap((p) => p.rules.map((r) => ruleName(p, r))), ...state.experiments.map((e) => e.name)];
  if (state.points.some((p) => p.triggers)) names.push("trigger");
  options(byId("feed-rule"), [["", "all"], ...[...new Set(names)].sort().map((name) => [name, name])]);
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
}

// open follows the journal, from the last entries on.
function open() {
  close();
  source = follow(byId("feed-rule").value);
  const hear = (event) => take(JSON.parse(event.data));
  source.addEventListener("hit", hear);
  source.addEventListener("done", hear);
  source.addEventListener("skipped", (event) => {
    skipped += Number(event.data);
    settleSoon();
    later();
  });
  source.addEventListener("open", () => {
    answered = true;
    settleSoon();
    later();
  });
  source.addEventListener("error", () => { // a browser by itself gives up where a proxy answers for Caddy
    close();
    again = setTimeout(() => watch(shown), retry);
    later();
  });
  later();
}

function take(entry) {
  if (!entries.get(entry.id)?.done) entries.set(entry.id, entry);
  for (const id of entries.keys()) {
    if (entries.size <= kept) break;
    entries.delete(id); // the oldest comes first
  }
  later();
}

function settleSoon() {
  settling ??= setTimeout(() => {
    settling = undefined;
    settle();
  }, patience);
}

// settle asks what has become of the entries that are not over: the feed may have
// left out their ends, or been away meanwhile. Those that are not among the last
// ones any more go; Caddy may be another process now.
async function settle() {
  const all = entries;
  const holding = [...all.values()].filter((entry) => !entry.done);
  if (holding.length === 0) return;
  let known;
  try {
    known = new Map((await call("GET", journal(kept, byId("feed-rule").value))).entries.map((entry) => [entry.id, entry]));
  } catch {
    return; // the feed says whether it is connected
  }
  if (all !== entries) return; // another rule was chosen
  for (const { id } of holding) {
    if (known.has(id)) take(known.get(id));
    else if (!all.get(id)?.done) all.delete(id);
  }
  later();
}

// later shows what has come, once a frame.
function later() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    show();
  });
}

function show() {
  const notes = [];
  if (source?.readyState !== EventSource.OPEN) notes.push("not connected");
  if (skipped > 0) notes.push(`${skipped} more came too fast to show`);
  if (paused) notes.push("paused");
  if (paused || isUsed()) notes.push(...hold());
  else list();
  text(byId("feed-state"), notes.join(" · "));
}

// isUsed tells whether somebody points at a row, has the focus in it or reads it:
// then it must not move away.
const isUsed = () => byId("entries").matches(":hover, :focus-within") || byId("entries").querySelector("[open]") !== null;

// hold leaves the rows where they are and notes how many more there are.
function hold() {
  const shown = new Set();
  for (const node of byId("entries").children) {
    shown.add(node.key);
    if (entries.has(node.key)) node.update?.(entries.get(node.key));
  }
  const fresh = [...entries.keys()].filter((id) => !shown.has(id)).length;
  if (fresh === 0) return [];
  return [paused ? `${fresh} new` : `${fresh} new, shown when no row is open or pointed at`];
}

function list() {
  const rows = [...entries.values()].sort((a, b) => Date.parse(b.time) - Date.parse(a.time) || b.seq - a.seq);
  keyed(byId("entries"), rows, (e) => e.id, row);
  byId("no-entries").hidden = rows.length > 0 || !answered;
}

// What an entry's fields are called; the others are shown by their own names.
const labels = { seq: "number", upstream_status: "upstream’s status", duration: "took, s", bytes: "bytes of the body", trace_id: "trace ID", id: "ID" };

function row(first) {
  const took = el("span", { class: "took quiet" });
  const all = el("dl");
  const node = el("li", { "data-rule": first.rule }, el("details", {},
    el("summary", {},
      el("time", { class: "quiet", datetime: first.time }, clock(first.time)), " ",
      el("strong", {}, first.rule), " ", el("span", { class: "tag" }, first.kind), " ",
      el("span", { class: "code target" }, `${first.method} ${first.path}`), " ", took),
    all));
  node.update = (e) => {
    text(took, e.done ? `${(e.duration ?? 0).toFixed(3)} s` : "holds");
    const fields = Object.entries(e).filter(([name]) => name !== "done");
    all.replaceChildren(...fields.map(([name, value]) => el("div", {}, el("dt", {}, labels[name] ?? name), el("dd", {}, String(value)))));
    node.update = e.done ? undefined : node.update;
  };
  return node;
}
