// The overview: points with their rules, running experiments and ended experiments.

import { call, experiment, rule as ruleTurn } from "./api.js";
import { byId, clock, el, keyed, sparkline, span, text, title, toast } from "./dom.js";
import { ratesOf, read } from "./rates.js";

const bars = 30;
const most = 20; // ended experiments shown, because points follow below them
const sum = (counts) => Object.values(counts ?? {}).reduce((all, n) => all + n, 0);

// show shows a state. It calls change after a user has changed something.
export function show(state, change) {
  read();
  const counted = new Set(); // points of the same name share their counters
  const rate = (name, hits, passed) => {
    const rates = ratesOf(name, hits, passed);
    counted.add(rates);
    return rates;
  };
  keyed(byId("experiments"), state.experiments.map((e) => ({ ...e, rates: rate("experiment " + e.name, e.hits, 0) })),
    (e) => e.name, (e) => experimentRow(e, change));
  byId("no-experiments").hidden = state.experiments.length > 0;
  keyed(byId("points"), state.points.map((p) => ({
    ...p,
    rules: p.rules.map((r) => ({ ...r, point: p.point, halted: state.halted, rates: rate(`rule ${p.point} ${r.name}`, r.hits, sum(r.passed)) })),
    triggers: (p.triggers ?? []).map((t) => ({
      ...t,
      rates: rate(`trigger ${p.point} ${t.source} ${t.name}`, t.hits, 0),
      refusals: ratesOf(`refused ${p.point} ${t.source} ${t.name}`, t.refused, 0),
    })),
  })), numbered((p) => p.point), (p) => pointBlock(p, change));
  byId("no-points").hidden = state.points.length > 0;
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
  text(byId("past-more"), last.size > most ? `the last ${most} of ${last.size}` : "");
  keyed(byId("ended"), [...last.values()].slice(0, most), (e) => e.name + e.ended, (e) => endedRow(e, change));
}

// figures creates the numbers of a row. Its update takes the rates.
function figures(name, withPassed) {
  const spark = sparkline(bars, `hits of ${name} in the last minute`);
  const hits = el("b");
  const passed = el("b");
  const node = el("div", { class: "figures" }, spark,
    el("span", {}, hits, " injected"), withPassed ? el("span", {}, passed, " passed") : null);
  node.update = (rates) => {
    spark.update(rates.bars(bars));
    text(hits, rates.hits);
    text(passed, rates.passed);
  };
  return node;
}

// lineText creates a line of the grammar. A long line is cut, and its tooltip has all.
function lineText(line) {
  const node = el("code", { class: "line" });
  node.update = (value) => {
    text(node, value);
    node.title = value;
  };
  if (line !== undefined) node.update(line);
  return node;
}

// button creates a button that changes something. Its toast says what it did, or why it
// failed.
function button(label, name, did, act, change) {
  return el("button", {
    type: "button",
    "aria-label": `${label} ${name}`,
    onclick: async () => {
      try {
        await act();
        toast(`${did} ${name}`);
      } catch (error) {
        toast(error.message);
      }
      change();
    },
  }, label);
}

function pointBlock(point, change) {
  const list = el("ul", { class: "rows" });
  const empty = el("p", { class: "quiet" }, "No rules. Experiments can use this point.");
  const name = el("span");
  const about = el("span", { class: "quiet code" });
  const source = el("span", { class: "quiet" });
  const triggers = el("p", { class: "quiet" });
  const node = el("section", { "aria-label": "Injection point " + point.point },
    el("h3", {}, name, " ", about, " ", source), list, empty, triggers);
  node.update = (p) => {
    text(name, title(p));
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

const extension = 600; // seconds

function experimentRow(first, change) {
  let now = first;
  const line = lineText();
  const about = el("span", { class: "quiet" });
  const left = el("span", { class: "tag" });
  const numbers = figures(first.name, false);
  const extend = button("Extend 10 min", first.name, "Extended", () => call("PATCH", experiment(now.name),
    { ttl: Math.round((now.time_left ?? 0) + extension) + "s" }, { "If-Match": `"${now.revision}"` }), change);
  const node = el("li", { "data-experiment": first.name },
    el("div", { class: "what" }, el("strong", {}, first.name), " ", left, line, about), numbers,
    el("div", { class: "actions" }, extend,
      button("Stop", first.name, "Stopped", () => call("DELETE", experiment(first.name)), change)));
  node.update = (e) => {
    now = e;
    line.update(e.line);
    text(left, e.ends ? span(e.time_left) + " left" : "no end");
    extend.hidden = !e.ends;
    const everywhere = (e.experiment.points ?? ["*"]).includes("*");
    const where = e.applies_to.length === 0 ? "at no point of the running configuration" : everywhere ? "at all points" : "at " + e.applies_to.join(", ");
    const idle = e.came > 0 && e.matched === 0 ? `; 0 of ${e.came} requests at its points matched` : "";
    text(about, (e.experiment.note ? `${where}: ${e.experiment.note}` : where) + idle);
    numbers.update(e.rates);
  };
  return node;
}

function endedRow(past, change) {
  return el("li", {},
    el("div", { class: "what" }, el("strong", {}, past.name), " ", el("span", { class: "tag" }, past.why), lineText(past.line),
      el("span", { class: "quiet" }, `${clock(past.started)} to ${clock(past.ended)}, ${past.hits} injected`)),
    el("div", { class: "actions" },
      button("Repeat", past.name, "Started", () => call("PUT", experiment(past.name), past.experiment, { "If-None-Match": "*" }), change)));
}
