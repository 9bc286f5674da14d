// The overview: points with their rules, running experiments and ended experiments.

import { call, rule as ruleTurn } from "./api.js";
import { byId, digits, el, keyed, part, searches, text, toast } from "./dom.js";
import { endedRow, experimentRow } from "./experiments.js";
import { ratesOf, read } from "./rates.js";
import { figures, lineText } from "./rows.js";

const most = 20; // ended experiments shown, because points follow below them
const noise = 0.01; // the part of real errors that is usual
const step = 50; // rules that are shown at first, and with each press of the button
const sum = (counts) => Object.values(counts ?? {}).reduce((all, n) => all + n, 0);

let params = new URLSearchParams(); // of the address of the view
let limit = step; // rules to show
let named = null; // the row that the address names, until it is shown

// begin sets up the filter and the button for more rules. change reads the state.
export function begin(change) {
  searches("find", "overview", (wanted) => {
    search(wanted);
    change();
  });
  byId("next-rules").addEventListener("click", () => {
    limit += step;
    change();
  });
}

// search begins with the first rules that contain a text.
function search(wanted) {
  params = new URLSearchParams(wanted ? { q: wanted } : {});
  limit = step;
}

// query returns the query for the part of the state that the view shows. Other views need
// no rules.
export function query(shown) {
  const wanted = shown ? params.get("q") : null;
  return "?" + new URLSearchParams({ limit: shown ? limit : 1, ...(wanted ? { q: wanted } : {}) });
}

// route takes the parameters of the view: q filters the rows, wall hides the controls,
// and experiment or rule shows one row.
export function route(shown, wanted) {
  const wall = shown && wanted.has("wall");
  document.documentElement.classList.toggle("wall", wall);
  byId("wall").setAttribute("href", wall ? "#overview" : "#overview?wall");
  text(byId("wall"), wall ? "Leave wall mode" : "Wall mode");
  if (!shown) return;
  params = wanted;
  const [kind, name] = [...params].find(([key]) => key === "experiment" || key === "rule") ?? [];
  named = name ? { kind, name } : null;
  byId("find").value = params.get("q") ?? "";
}

// show shows the state that a query asked for, and what all points have seen in the last
// minute. It calls change after a user has changed something.
export function show(state, asked, minute, change) {
  read(asked);
  const { seconds } = ratesOf("time", 0, 0);
  const experiments = state.experiments.map((e) => ({ ...e, rates: ratesOf("experiment " + e.name, e.hits, 0) }));
  const points = state.points.map((p) => ({
    ...p,
    rules: p.rules.map((r) => ({ ...r, point: p.point, halted: state.halted, rates: ratesOf(`rule ${p.point} ${r.name}`, r.hits, sum(r.passed)) })),
    triggers: (p.triggers ?? []).map((t) => ({
      ...t,
      rates: ratesOf(`trigger ${p.point} ${t.source} ${t.name}`, t.hits, 0),
      refusals: ratesOf(`refused ${p.point} ${t.source} ${t.name}`, t.refused, 0),
    })),
  }));
  list(experiments, points, change);
  const wanted = params.get("q") ?? "";
  byId("no-experiments").hidden = state.experiments.length > 0;
  byId("no-points").hidden = state.points.length > 0 || wanted !== "";
  text(byId("period"), `Rows count the last ${seconds < 55 ? Math.max(1, seconds) + " s" : "minute"}.`);
  showSums(state, minute);
  reveal(state, change);
  more(state);
}

// showSums shows the figures at the top. It marks real errors if they are more than noise.
function showSums({ active, experiments }, { count, injected, real_errors: real }) {
  for (const [name, n] of [["hits", injected], ["real", real]]) {
    text(byId("sum-" + name), digits(n));
    text(byId("part-" + name), "last minute" + (count > 0 ? ` · ${part(n / count)}` : ""));
  }
  byId("real").classList.toggle("broken", real > noise * count);
  text(byId("sum-active"), digits(active));
  text(byId("sum-experiments"), digits(experiments.length));
}

// more offers the rules that are not shown.
function more({ points, total = 0, next }) {
  const rows = points.reduce((all, p) => all + Math.max(1, p.rules.length), 0);
  byId("more-rules").hidden = !next;
  text(byId("more-of"), `${rows} of ${total} rules are shown.`);
  text(byId("next-rules"), `Show ${Math.min(step, Math.max(1, total - rows))} more`);
}

// list shows the points, which the server has searched, and the experiments that the
// search finds.
function list(experiments, points, change) {
  const wanted = (params.get("q") ?? "").toLowerCase();
  const running = experiments.filter((e) => [e.name, e.line, e.by, e.experiment.note].join(" ").toLowerCase().includes(wanted));
  keyed(byId("experiments"), running, (e) => e.name, (e) => experimentRow(e, change));
  keyed(byId("points"), bySite(points), numbered((p) => p.heading ?? "point " + p.point), (p) => p.heading === undefined ? pointBlock(p, change) : siteHeading(p));
  byId("none-match").hidden = wanted === "" || running.length + points.length > 0;
}

// bySite puts a heading before the first point of each site. The points are in the order
// of the configuration.
function bySite(points) {
  let site = "";
  return points.flatMap((p) => {
    const first = (p.site ?? "") !== site;
    site = p.site ?? "";
    return first ? [{ heading: site || "Points without a site" }, p] : [p];
  });
}

const siteHeading = ({ heading }) => el("h3", { class: "site" }, heading);

// reveal shows the row that the address names, once. If the row is not among the first
// ones, it is searched for.
function reveal({ next }, change) {
  if (!named) return;
  const { kind, name, searched } = named;
  const row = document.querySelector(`#overview [data-${kind}="${CSS.escape(name)}"]`);
  if (!row && next && !searched) {
    named.searched = true;
    search(name);
    byId("find").value = name;
    return change();
  }
  named = null;
  document.querySelector(".named")?.classList.remove("named");
  row?.classList.add("named");
  row?.scrollIntoView({ block: "center" });
}

// numbered makes unique keys from names that may repeat, in the order of the items.
function numbered(nameOf) {
  const seen = new Map();
  return (item) => {
    const turn = seen.get(nameOf(item)) ?? 0;
    seen.set(nameOf(item), turn + 1);
    return `${nameOf(item)} ${turn}`;
  };
}

// showEnded shows the experiments that have ended.
export function showEnded(ended, running, change) {
  const names = new Set(running.map((e) => e.name));
  const last = new Map(); // by name, the last of several
  for (const past of ended) if (!names.has(past.name) && !last.has(past.name)) last.set(past.name, past);
  byId("past").hidden = last.size === 0;
  text(byId("past-of"), `Ended in the last hour: ${last.size}`);
  text(byId("past-more"), last.size > most ? `the last ${most} of ${last.size}` : "");
  keyed(byId("ended"), [...last.values()].slice(0, most), (e) => e.name + e.ended, (e) => endedRow(e, change));
}

function pointBlock(point, change) {
  const list = el("ul", { class: "rows" });
  const empty = el("p", { class: "quiet" }, "No rules. Experiments can use this point.");
  const name = el("span");
  const about = el("span", { class: "quiet code" });
  const source = el("span", { class: "quiet" });
  const triggers = el("p", { class: "quiet" });
  const node = el("section", { "aria-label": "Injection point " + point.point },
    el("h4", {}, name, " ", about, " ", source), list, empty, triggers);
  node.update = (p) => {
    text(name, p.point);
    text(about, p.line || "every request");
    text(source, p.source ?? "");
    keyed(list, p.rules, (r) => r.name, (r) => ruleRow(r, change));
    empty.hidden = p.rules.length > 0;
    const refused = (t) => t.refusals.hits > 0 ? `, ${t.refusals.hits} refused` : "";
    const sources = p.triggers.map((t) => `${[t.source, t.name].filter(Boolean).join(" ")} (${t.rates.hits} injected${refused(t)})`);
    text(triggers, "Requests can ask for faults: trigger " + sources.join(", "));
    triggers.hidden = sources.length === 0;
  };
  return node;
}

function ruleRow(first, change) {
  const line = lineText();
  const state = el("span", { class: "tag" });
  const numbers = figures(first.name, true);
  let off = first.off;
  const turn = el("button", {
    type: "button",
    onclick: async () => {
      try {
        await call("POST", ruleTurn(first.point, first.name, off ? "on" : "off"));
      } catch (error) {
        toast(error.message);
      }
      change();
    },
  });
  const node = el("li", { "data-rule": first.name },
    el("div", { class: "what" }, el("strong", {}, first.name), " ", state, line), numbers,
    el("div", { class: "actions" }, turn));
  node.update = (r) => {
    off = r.off;
    line.update(r.line);
    text(state, r.off ? "off" : r.halted ? "halted" : r.active ? `${r.active} held` : "");
    state.hidden = state.textContent === "";
    numbers.update(r.rates);
    text(turn, r.off ? "Switch on" : "Switch off");
    turn.setAttribute("aria-label", `${turn.textContent} ${r.point} ${r.name}`);
  };
  return node;
}
