// The live feed of the journal.

import { call, follow, journal } from "./api.js";
import { byId, text } from "./dom.js";
import * as filter from "./feedfilter.js";
import * as rows from "./feedrows.js";

const kept = 1000; // entries
const known = 200; // entries to begin with
const retry = 2000; // milliseconds
const patience = 1000; // milliseconds until missing ends are requested

let source = null; // open or connecting
let shown = false; // whether the view is shown
let answered = false; // whether the feed with these filters has connected
let again; // timer of the next attempt
let entries = new Map(); // by ID
let listed = new Set(); // the IDs of the entries that were there when rows last moved
let skipped = 0;
let paused = false;
let waiting = false; // whether show is scheduled for the next frame
let settling; // timer of settle

// begin sets up the view.
export function begin() {
  filter.begin(restart);
  document.addEventListener("visibilitychange", () => watch(shown));
  byId("feed-pause").addEventListener("click", () => {
    paused = !paused;
    byId("feed-pause").setAttribute("aria-pressed", String(paused));
    text(byId("feed-pause"), paused ? "Continue feed" : "Pause feed");
    show();
  });
  for (const end of ["pointerleave", "focusout", "toggle"]) byId("entries").addEventListener(end, later, true);
}

// restart shows the entries that the filters select.
function restart() {
  entries = new Map();
  skipped = 0;
  answered = false;
  list();
  open();
}

// watch follows the journal while the view is shown. Call it whenever that or the
// address changes. A browser opens at most six connections to a server. Feeds in six
// hidden pages would leave no connection for a halt.
export function watch(isShown) {
  shown = isShown;
  const changed = shown && filter.read();
  if (!shown || document.hidden) close();
  else if (changed) restart();
  else if (!source) open();
}

// showRules lists what can be chosen: the rules of all points, the running experiments,
// and the rules of the entries.
export function showRules(listed, running) {
  if (!shown) return;
  const points = new Map(); // the points that have a rule, by its name
  const add = (point, name) => points.set(name, (points.get(name) ?? new Set()).add(point));
  for (const p of listed) for (const name of p.rules) add(p.point, name);
  const experiments = new Set(running.map((e) => e.name));
  for (const e of entries.values()) if (e.rule !== "trigger" && !experiments.has(e.rule)) add(e.point, e.rule);
  const named = [...points].flatMap(([name, at]) => at.size > 1 ? [...at].map((point) => `${point}/${name}`) : [name]);
  const triggers = listed.some((p) => p.triggers) ? ["trigger"] : [];
  const sites = new Map([...[...entries.values()].map((e) => [e.point, e.site]), ...listed.map((p) => [p.point, p.site])]);
  filter.offer([["Rules", named.sort()], ["Experiments", [...experiments].sort()], ["Triggers", triggers]],
    [...sites].sort().map(([point, site]) => [point, site ? `${site} › ${point}` : point]));
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
}

// open follows the journal, beginning with the last entries.
function open() {
  close();
  if (!filter.isValid()) return later();
  source = follow(known, filter.query());
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
  let found;
  try {
    found = new Map((await call("GET", journal(kept, filter.query()))).entries.map((entry) => [entry.id, entry]));
  } catch {
    return; // the feed shows whether it is connected
  }
  if (all !== entries) return; // other filters were chosen
  for (const { id } of holding) {
    if (found.has(id)) take(found.get(id));
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
  else notes.push(...list());
  text(byId("feed-state"), notes.join(" · "));
}

// isUsed reports whether the pointer or the focus is on a row, or a row is open. Such a
// row must not move.
const isUsed = () => byId("entries").matches(":hover, :focus-within") || byId("entries").querySelector("[open]") !== null;

const all = () => rows.rowsOf([...entries.values()], filter.grouped());

// hold leaves the rows in place and returns how many entries are new. Rows show how their
// requests end, and count further unless the feed is paused.
function hold() {
  const current = new Map(paused ? [] : all().map((r) => [r.key, r]));
  for (const node of byId("entries").children) {
    const latest = node.shown.all.map((e) => entries.get(e.id) ?? e);
    const r = current.get(node.key) ?? { key: node.key, all: latest, last: latest.at(-1) };
    for (const e of r.all) listed.add(e.id);
    node.update(r);
  }
  const fresh = [...entries.keys()].filter((id) => !listed.has(id)).length;
  if (fresh === 0) return [];
  return [paused ? `${fresh} new` : `${fresh} new, shown when no row is open or pointed at`];
}

function list() {
  const found = all();
  listed = new Set(entries.keys());
  rows.show(found);
  byId("no-entries").hidden = found.length > 0 || !answered || filter.isSet();
  byId("none-found").hidden = found.length > 0 || !answered || !filter.isSet();
  return rows.left(found);
}
