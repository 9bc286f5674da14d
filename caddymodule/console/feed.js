// The live feed of the journal.

import { call, follow, journal } from "./api.js";
import { byId, clock, el, keyed, options, text } from "./dom.js";

const kept = 300; // rows
const retry = 2000; // milliseconds
const patience = 1000; // milliseconds until missing ends are requested

let source = null; // open or connecting
let shown = false; // whether the view is shown
let answered = false; // whether the feed of the chosen rule has connected
let again; // timer of the next attempt
let entries = new Map(); // by ID
let skipped = 0;
let paused = false;
let waiting = false; // whether show is scheduled for the next frame
let settling; // timer of settle

// begin sets up the view.
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
    text(byId("feed-pause"), paused ? "Continue feed" : "Pause feed");
    show();
  });
  for (const end of ["pointerleave", "focusout", "toggle"]) byId("entries").addEventListener(end, later, true);
}

// watch follows the journal while the view is shown. Call it whenever that changes. A
// browser opens at most six connections to a server. Feeds in six hidden pages would
// leave no connection for a halt.
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
  options(byId("feed-rule"), [["", "all rules"], ...[...new Set(names)].sort().map((name) => [name, name])]);
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
}

// open follows the journal, beginning with the last entries.
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
  source.addEventListener("error", () => { // without this, a browser gives up if a proxy answers instead of Caddy
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
    entries.delete(id); // the oldest is first
  }
  later();
}

function settleSoon() {
  settling ??= setTimeout(() => {
    settling = undefined;
    settle();
  }, patience);
}

// settle requests the journal to find out about entries without an end. The feed may
// have left out their ends, or may have been disconnected. Entries that the journal no
// longer has are removed, because Caddy may have restarted.
async function settle() {
  const all = entries;
  const holding = [...all.values()].filter((entry) => !entry.done);
  if (holding.length === 0) return;
  let known;
  try {
    known = new Map((await call("GET", journal(kept, byId("feed-rule").value))).entries.map((entry) => [entry.id, entry]));
  } catch {
    return; // the feed shows whether it is connected
  }
  if (all !== entries) return; // another rule was chosen
  for (const { id } of holding) {
    if (known.has(id)) take(known.get(id));
    else if (!all.get(id)?.done) all.delete(id);
  }
  later();
}

// later shows new entries, at most once per frame.
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
  if (skipped > 0) notes.push(`${skipped} more arrived too fast to show`);
  if (paused) notes.push("paused");
  if (paused || isUsed()) notes.push(...hold());
  else list();
  text(byId("feed-state"), notes.join(" · "));
}

// isUsed reports whether the pointer or the focus is on a row, or a row is open. Such a
// row must not move.
const isUsed = () => byId("entries").matches(":hover, :focus-within") || byId("entries").querySelector("[open]") !== null;

// hold leaves the rows in place and returns how many new entries there are.
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

// The labels of an entry's fields. Other fields are shown with their JSON names.
const labels = { seq: "number", upstream_status: "upstream status", duration: "duration (s)", bytes: "body size (bytes)", trace_id: "trace ID", id: "ID" };

// shown returns the text of a field: the changes of a reply, or a value.
const shown = (value) => (Array.isArray(value) ? value.map((c) => `${c.op} ${c.at}: ${c.was} to ${c.is}`).join(", ") : String(value));

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
    text(took, e.done ? `${(e.duration ?? 0).toFixed(3)} s` : "held");
    const fields = Object.entries(e).filter(([name]) => name !== "done");
    all.replaceChildren(...fields.map(([name, value]) => el("div", {}, el("dt", {}, labels[name] ?? name), el("dd", {}, shown(value)))));
    node.update = e.done ? undefined : node.update;
  };
  return node;
}
