// The overview: points with their rules, running experiments and ended experiments.

import { call, rule as ruleTurn } from "./api.js";
import { byId, el, keyed, text, toast } from "./dom.js";
import { endedRow, experimentRow } from "./experiments.js";
import { ratesOf, read } from "./rates.js";
import { figures, lineText } from "./rows.js";

const most = 20; // ended experiments shown, because points follow below them
const sum = (counts) => Object.values(counts ?? {}).reduce((all, n) => all + n, 0);

let params = new URLSearchParams(); // of the address of the view
let counted = new Set(); // the rates of all counters; points of the same name share theirs
let again = () => {}; // shows the last state again

// begin sets up the filter.
export function begin() {
  byId("find").addEventListener("input", () => {
    params = new URLSearchParams(byId("find").value.trim() ? { q: byId("find").value.trim() } : {});
    history.replaceState(null, "", params.size > 0 ? "#overview?" + params : "#overview");
    again();
  });
}

// route takes the parameters of the view: q filters the rows, wall hides the controls,
// and experiment or rule shows one row.
export function route(shown, wanted) {
  document.documentElement.classList.toggle("wall", shown && wanted.has("wall"));
  if (!shown) return;
  params = wanted;
  byId("find").value = params.get("q") ?? "";
  again();
}

// show shows a state. It calls change after a user has changed something.
export function show(state, change) {
  read();
  counted = new Set();
  const rate = (name, hits, passed) => {
    const rates = ratesOf(name, hits, passed);
    counted.add(rates);
    return rates;
  };
  const experiments = state.experiments.map((e) => ({ ...e, rates: rate("experiment " + e.name, e.hits, 0) }));
  const points = state.points.map((p) => ({
    ...p,
    rules: p.rules.map((r) => ({ ...r, point: p.point, halted: state.halted, rates: rate(`rule ${p.point} ${r.name}`, r.hits, sum(r.passed)) })),
    triggers: (p.triggers ?? []).map((t) => ({
      ...t,
      rates: rate(`trigger ${p.point} ${t.source} ${t.name}`, t.hits, 0),
      refusals: ratesOf(`refused ${p.point} ${t.source} ${t.name}`, t.refused, 0),
    })),
  }));
  again = () => list(experiments, points, change);
  again();
  byId("no-experiments").hidden = state.experiments.length > 0;
  byId("no-points").hidden = state.points.length > 0;
  showSums(state);
}

function showSums(state) {
  const all = [...counted];
  const { seconds } = ratesOf("time", 0, 0);
  const during = seconds < 55 ? `last ${Math.max(1, seconds)} s` : "last minute";
  text(byId("sum-hits-of"), "Injected, " + during);
  text(byId("sum-passed-of"), "Passed by rules, " + during);
  text(byId("sum-hits"), all.reduce((n, rates) => n + rates.hits, 0));
  text(byId("sum-passed"), all.reduce((n, rates) => n + rates.passed, 0));
  text(byId("sum-active"), state.active);
  text(byId("sum-experiments"), state.experiments.length);
}

// list shows the rows that the filter finds. A point is found with all of its rules, or
// with some of them.
function list(experiments, points, change) {
  const wanted = (params.get("q") ?? "").toLowerCase();
  const has = (...texts) => texts.join(" ").toLowerCase().includes(wanted);
  const running = experiments.filter((e) => has(e.name, e.line, e.by, e.experiment.note));
  const found = points.flatMap((p) => {
    if (wanted === "" || has(p.point, p.site, p.line)) return [p];
    const rules = p.rules.filter((r) => has(r.name, r.line));
    return rules.length > 0 ? [{ ...p, rules }] : [];
  });
  keyed(byId("experiments"), running, (e) => e.name, (e) => experimentRow(e, change));
  keyed(byId("points"), bySite(found), numbered((p) => p.heading ?? "point " + p.point), (p) => p.heading === undefined ? pointBlock(p, change) : siteHeading(p));
  byId("none-match").hidden = wanted === "" || running.length + found.length > 0;
  reveal();
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

// reveal shows the row that the address names, once.
function reveal() {
  const [kind, name] = [...params].find(([key]) => key === "experiment" || key === "rule") ?? [];
  const row = name && document.querySelector(`#overview [data-${kind}="${CSS.escape(name)}"]`);
  if (!row) return;
  params = new URLSearchParams();
  row.classList.add("named");
  row.scrollIntoView({ block: "center" });
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
