// The clients: what the findings say about them, and the calls of one client.

import { call } from "./api.js";
import { byId, el, keyed, remember, searches, text } from "./dom.js";
import { callTable, timeline } from "./timeline.js";

const most = 100; // clients in the list
const drawn = 12; // calls on the time line, the latest
const levels = ["error", "warning", "info"];

let shown = false;
let name = ""; // of the client whose calls are shown, or empty for the list
let report = null;
let drawing = ""; // the calls that are drawn

// begin sets up the search.
export function begin() {
  searches("client-search", "clients", list);
  addEventListener("resize", () => { // the drawing has the width of the page
    drawing = "";
    if (shown && report && name) detail();
  });
}

// route shows or hides the view. The parameter client shows one client, and q is the
// search of the list.
export function route(isShown, params) {
  shown = isShown;
  if (!shown) return;
  const wanted = params.get("client") ?? "";
  if (wanted !== name) [report, drawing] = [null, ""];
  name = wanted;
  byId("client-search").value = params.get("q") ?? "";
  byId("client-list").hidden = name !== "";
  byId("client").hidden = true;
  if (report) show();
}

// refresh reads the report while the view is shown.
export async function refresh() {
  if (!shown) return;
  const asked = name;
  try {
    const found = await call("GET", asked ? "clients?" + new URLSearchParams({ client: asked, calls: true }) : "clients");
    if (asked !== name) return;
    report = found;
    show();
  } catch (error) {
    if (error.status !== 404) throw error;
    byId("client-list").hidden = true;
    byId("client").hidden = true;
    tell(error.message + " Then reload the configuration.");
  }
}

function tell(message, ...more) {
  byId("no-clients").replaceChildren(message, ...more);
  byId("no-clients").hidden = message === "";
}

function show() {
  if (name) return detail();
  byId("client-list").hidden = report.clients.length === 0;
  if (report.clients.length > 0) tell("");
  else tell("No client has met a fault yet. This view shows whether clients retry, wait and give up. ", el("a", { href: "#start" }, "Start an experiment"));
  list();
}

const worst = (c) => levels.findIndex((level) => c.findings.some((f) => f.level === level));
const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

function list() {
  const wanted = byId("client-search").value.trim().toLowerCase();
  const rank = (c) => (worst(c) < 0 ? levels.length : worst(c));
  const all = (report?.clients ?? []).filter((c) => `${c.client} ${c.findings.map((f) => f.finding)}`.toLowerCase().includes(wanted));
  all.sort((a, b) => rank(a) - rank(b) || b.calls - a.calls || a.client.localeCompare(b.client));
  text(byId("client-count"), all.length > most ? `${most} of ${all.length}` : "");
  keyed(byId("client-rows"), all.slice(0, most), (c) => c.client, clientRow);
}

function clientRow(first) {
  const tags = el("span");
  const about = el("span", { class: "quiet" });
  const texts = el("span", { class: "quiet" });
  const node = el("li", { "data-client": first.client },
    el("div", { class: "what" }, el("a", { href: "#clients?" + new URLSearchParams({ client: first.client }) }, first.client), " ", tags, texts, about));
  node.update = (c) => {
    tags.replaceChildren(...tagsOf(c));
    text(texts, c.findings.filter((f) => f.level !== "info").map((f) => `${f.finding}: ${f.text}`).join("; "));
    text(about, summary(c));
  };
  return node;
}

// tagsOf returns how many findings of each level a client has.
function tagsOf(c) {
  const of = (level) => c.findings.filter((f) => f.level === level).length;
  const tag = (n, word, kind) => n > 0 ? [el("span", { class: "tag " + kind }, `${n} ${word}`), " "] : [];
  const fine = c.findings.length === 0 && c.undecided.length === 0 ? [el("span", { class: "tag yes" }, "ok")] : [];
  return [...tag(of("error"), of("error") === 1 ? "error" : "errors", "error"), ...tag(of("warning"), of("warning") === 1 ? "warning" : "warnings", "warning"),
    ...tag(of("info"), "info", "info"), ...tag(c.undecided.length, "undecided", "undecided"), ...fine];
}

function summary(c) {
  const { recovered, gave_up: gaveUp, refused, open } = c.outcomes;
  const outcomes = [[recovered, "recovered"], [gaveUp, "gave up"], [refused, "refused"], [open, "open"]].filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`);
  const each = c.attempts_per_call === null ? "" : `, ${c.attempts_per_call.toFixed(1)} attempts per call`;
  return `${count(c.calls, "call")}, ${count(c.attempts, "attempt")}${each}${outcomes.length > 0 ? ": " + outcomes.join(", ") : ""}`;
}

// detail shows one client: its findings, what is undecided, and its last calls.
function detail() {
  const c = report.clients.find((one) => one.client === name);
  byId("client").hidden = !c;
  tell(c ? "" : `No client is called '${name}'. `, c ? "" : el("a", { href: "#clients" }, "Show all clients"));
  const calls = (report.recorded?.calls ?? []).filter((one) => one.client === name && one.attempts?.length > 0)
    .sort((a, b) => a.attempts[0].start < b.attempts[0].start ? -1 : 1);
  const signature = JSON.stringify([c, calls.slice(-drawn)]);
  if (!c || signature === drawing) return;
  drawing = signature;
  const restore = remember(byId("client"));
  byId("client").replaceChildren(
    el("p", {}, el("a", { href: "#clients", id: "client-back" }, "← All clients")),
    el("h3", {}, c.client, " ", ...tagsOf(c)), el("p", { class: "quiet" }, summary(c)),
    findings(c), undecided(c), ...callsOf(calls));
  restore();
}

function findings(c) {
  const rows = c.findings.map((f) => el("li", { "data-finding": f.finding }, el("div", { class: "what" },
    el("span", { class: "tag " + f.level }, f.level), " ", el("strong", {}, f.finding), " ", el("span", {}, f.text),
    el("span", { class: "quiet" }, `${f.count}${f.of ? ` of ${f.of}` : ""}` + (f.evidence?.length > 0 ? `, such as ${f.evidence.map((e) => `${e.path}: ${e.outcomes.join(", ")}`)[0]}` : "")))));
  return el("ul", { class: "rows", "aria-label": "Findings" }, ...rows);
}

// undecided lists the findings for which there is too little evidence, by reason.
function undecided(c) {
  const reasons = new Map();
  for (const { why, finding } of c.undecided) reasons.set(why, [...(reasons.get(why) ?? []), finding]);
  if (reasons.size === 0) return "";
  return el("details", { class: "past", id: "client-undecided" }, el("summary", { id: "client-undecided-of" }, `${c.undecided.length} undecided: too little evidence`),
    el("ul", {}, ...[...reasons].map(([why, all]) => el("li", {}, `${all.join(", ")}: ${why}`))),
    el("p", { class: "quiet" }, "Keep the fault running until there are more calls. If no key names the calls, set the option ", el("code", {}, "call"), " of ", el("code", {}, "clients"), "."));
}

function callsOf(calls) {
  if (calls.length === 0) return [el("p", { class: "quiet" }, "The calls of this client are no longer kept.")];
  const last = calls.slice(-drawn);
  const more = calls.length > drawn ? ` (the last ${drawn} of ${calls.length})` : "";
  const width = Math.max(280, byId("clients").clientWidth - 30);
  const table = el("details", { class: "table", id: "client-table" }, el("summary", { id: "client-table-of" }, "Show the calls as a table"), el("div", { class: "scroll", id: "client-facts", tabindex: 0, role: "region", "aria-label": "Calls" }, callTable(last)));
  return [el("h3", {}, "Calls" + more), legend(), el("div", { class: "calls", id: "client-calls", tabindex: 0, role: "region", "aria-label": "Time line" }, timeline(last, width)), table];
}

const legend = () => el("ul", { class: "legend" }, ...[
  ["failed", "failed attempt"], ["good", "attempt that passed"], ["told", "Retry-After"], ["ignored", "ignored part of Retry-After"],
].map(([key, meaning]) => el("li", {}, el("span", { class: "key " + key }), " ", meaning)));

