// The live feed of the journal.

import { follow } from "./api.js";
import { byId, clock, el, keyed, options, text } from "./dom.js";

const kept = 300; // rows
const retry = 2000; // milliseconds

let source = null; // open, or about to be
let shown = false; // the view of it
let answered = false; // for this choice of a rule
let again; // timer of the next try
let entries = new Map(); // by ID
let skipped = 0;
let paused = false;
let waiting = false; // for the next frame

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
  const names = [...state.points.flatMap((p) => p.rules), ...state.experiments].map((r) => r.name);
  if (state.points.some((p) => p.triggers)) names.push("trigger");
  options(byId("feed-rule"), [["", "all"], ...[...new Set(names)].sort().map((name) => [name, name])]);
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
}

// open follows the journal, from the last entries on. Those that were not over
// come again if they are known: Caddy may be another process now.
function open() {
  close();
  for (const entry of entries.values()) if (!entry.done) entries.delete(entry.id);
  source = follow(byId("feed-rule").value);
  const take = (event) => {
    const entry = JSON.parse(event.data);
    if (!entries.get(entry.id)?.done) entries.set(entry.id, entry);
    for (const id of entries.keys()) {
      if (entries.size <= kept) break;
      entries.delete(id); // the oldest comes first
    }
    later();
  };
  source.addEventListener("hit", take);
  source.addEventListener("done", take);
  source.addEventListener("skipped", (event) => {
    skipped += Number(event.data);
    later();
  });
  source.addEventListener("open", () => {
    answered = true;
    later();
  });
  source.addEventListener("error", () => { // a browser by itself gives up where a proxy answers for Caddy
    close();
    again = setTimeout(() => watch(shown), retry);
    later();
  });
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
  text(byId("feed-state"), notes.join(" · "));
  if (!paused) list();
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
