// The rows of the feed: one for each entry, or one for all equal entries.

import { byId, clock, el, keyed, text } from "./dom.js";
import { link } from "./feedfilter.js";

const most = 200; // rows

// rowsOf returns the rows of entries, the latest first. Rows of equal entries are in the
// order of their first entries, so that they do not change places.
export function rowsOf(entries, grouped) {
  const rows = grouped ? groups(entries) : entries.map((e) => ({ key: e.id, last: e, all: [e] }));
  return rows.sort((a, b) => later(b.all[0], a.all[0]));
}

const later = (a, b) => Date.parse(a.time) - Date.parse(b.time) || a.seq - b.seq;

function groups(entries) {
  const byKey = new Map();
  for (const e of entries.toSorted(later)) {
    const key = JSON.stringify([status(e), e.method, e.host, e.path, e.point, e.rule, e.kind]);
    if (!byKey.has(key)) byKey.set(key, { key, all: [] });
    const group = byKey.get(key);
    group.all.push(e);
    group.last = e;
  }
  return [...byKey.values()];
}

// show shows the rows.
export function show(rows) {
  keyed(byId("entries"), rows.slice(0, most), (r) => r.key, row);
  byId("feed-heads").hidden = rows.length === 0;
}

// left returns a note about rows that are not shown.
export const left = (rows) => rows.length > most ? [`the first ${most} of ${rows.length} rows`] : [];

const words = { cut: "cut", no_reply: "no reply", left: "left" };

// status returns what the client has got: a status, or how it ended without one.
function status(e) {
  if (!e.done) return "held";
  return words[e.outcome] ?? e.outcome?.replace("reply ", "") ?? "–";
}

const slow = /delay|hang|throttle|dribble|stream/;

// took returns how long entries took, if a fault has delayed them.
function took(all) {
  const times = all.filter((e) => e.done && slow.test(e.kind)).map((e) => e.duration ?? 0);
  if (times.length === 0) return "";
  const longest = Math.max(...times);
  return (times.length > 1 ? "≤ " : "") + (longest < 1 ? `${Math.round(longest * 1000)} ms` : `${longest.toFixed(longest < 100 ? 1 : 0)} s`);
}

function client(all) {
  const [first] = all;
  const different = new Set(all.map((e) => e.client)).size;
  return different > 1 ? `${different} clients` : first.client ?? "";
}

// site returns the site of an entry, unless its host already says it.
const site = (e) => e.site && e.site !== e.host?.replace(/:\d+$/, "") ? e.site + " › " : "";

function row({ last }) {
  const cell = (name) => el("span", { class: name });
  const [time, got, host, path, where, rule, from, late, count] =
    ["quiet when", "tag got", "quiet", "path", "quiet", "rule", "quiet from", "quiet took", "count"].map(cell);
  const facts = el("div", { class: "facts" });
  const node = el("li", { "data-rule": last.rule }, el("details", { ontoggle: () => node.update(node.shown) },
    el("summary", {}, time, " ", got, " ", el("span", { class: "code request" }, host, path), " ", el("span", { class: "at" }, where, rule), " ", from, " ", late, " ", count), facts));
  node.update = (r) => {
    node.shown = r;
    const e = r.last;
    text(time, clock(e.time));
    text(got, status(e));
    got.classList.toggle("hit", !/^([123]\d\d|–|held)$/.test(status(e)));
    text(host, `${e.method} ${e.host ?? ""}`);
    text(path, e.path);
    text(where, site(e));
    text(rule, `${e.point}/${e.rule}`);
    text(from, client(r.all));
    text(late, took(r.all));
    text(count, r.all.length > 1 ? `×${r.all.length}` : "");
    if (node.firstChild.open) showFacts(facts, r);
  };
  return node;
}

// The labels of an entry's fields. Other fields are shown with their JSON names.
const labels = {
  seq: "number", upstream_status: "upstream status", duration: "duration (s)", bytes: "body size (bytes)", trace_id: "trace ID", id: "ID",
  trigger_id: "trigger's id", left_after: "left after (s)", outcome: "ended with",
};

// shown returns the text of a field: the changes of a reply, or a value.
const shown = (value) => (Array.isArray(value) ? value.map((c) => `${c.op} ${c.at}: ${c.was} to ${c.is}`).join(", ") : String(value));

// showFacts shows all fields of the last entry of a row, and where to go from there. A
// selected text stays, because somebody may copy it.
function showFacts(node, { last, all }) {
  const wanted = `${last.id} ${last.done} ${all.length}`;
  const selection = getSelection();
  if (node.dataset.shows === wanted || !selection.isCollapsed && node.contains(selection.anchorNode)) return;
  node.dataset.shows = wanted;
  const had = node.contains(document.activeElement) ? [...node.querySelectorAll("a")].indexOf(document.activeElement) : -1;
  const fields = Object.entries(last).filter(([name]) => name !== "done");
  const url = `${last.path.startsWith("/") ? "http://" + last.host : ""}${last.path}`;
  node.replaceChildren(
    ...(all.length > 1 ? [el("p", { class: "quiet" }, `The last of ${all.length} equal hits since ${clock(all[0].time)}:`)] : []),
    el("dl", {}, ...fields.map(([name, value]) => el("div", {}, el("dt", {}, labels[name] ?? name), el("dd", {}, shown(value))))),
    el("p", { class: "links" }, el("a", { href: link({ rule: `${last.point}/${last.rule}` }) }, "Only this rule"),
      el("a", { href: link({ path: last.path }) }, "Only this path"),
      el("a", { href: "#explain?" + new URLSearchParams({ method: last.method, url }) }, "Explain this request")));
  node.querySelectorAll("a")[had]?.focus();
}
