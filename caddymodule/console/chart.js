// The chart of the overview: the injected requests by rule over all requests, and the
// real errors. The server keeps the last hour, so that the chart is complete at once.

import { call } from "./api.js";
import { byId, clock, el, options, svg, text } from "./dom.js";

const period = 2000; // milliseconds between two readings
const layers = 5; // rules that have an area each; the others share one
const height = 180, left = 44, top = 18, bottom = 22;
const marks = { started: "▶", stopped: "■", expired: "■", halted: "✕", resumed: "↻", reloaded: "⟳" };

let timer;
let readings = 0;
let shown = null; // the last series, with its events and figures
let pointed = null; // the step under the pointer; null: none
const looks = new Map(); // the color and pattern of each rule that is drawn

// refresh reads and draws the series, unless the chart is hidden. If a later reading has
// begun, an earlier one is not drawn.
async function refresh() {
  clearTimeout(timer);
  const reading = ++readings;
  if (!document.hidden && byId("chart").offsetParent) {
    try {
      const next = await read(byId("chart-point").value, byId("chart-window").value);
      if (reading !== readings) return;
      shown = next;
      if (pointed > shown.last) pointed = null; // the window is shorter than before
      byId("chart").classList.remove("stale");
      draw();
    } catch (error) {
      if (reading !== readings) return;
      if (error.status === 404) byId("chart-point").value = ""; // a reload has removed the point
      byId("chart").classList.add("stale");
      text(byId("chart-now"), shown ? `The chart ends at ${clock(shown.at)}: ${error.message}` : error.message);
    }
  }
  timer = setTimeout(refresh, period);
}

// read returns the series with its events, and the figures of the last seconds.
async function read(point, window) {
  const query = new URLSearchParams({ window, by: "rule" });
  if (point) query.set("point", point);
  const [series, last10, activity] = await Promise.all([
    call("GET", "seen?" + query), call("GET", "seen?over=10s&" + (point ? new URLSearchParams({ point }) : "by=all")),
    call("GET", "activity").then((answer) => answer.activity ?? [], (error) => { if (error.status) return []; throw error; }),
  ]);
  const from = Date.parse(series.from), step = series.step * 1000, last = series.total.length - 1;
  const seconds = (i) => (i < last ? series.step : Math.max(2, (Date.parse(series.at) - from - last * step) / 1000));
  const rate = (counts) => counts.map((n, i) => n / seconds(i));
  const areas = lookOf(series.rules?.slice(0, layers).map((r) => ({ name: r.rule ? `${r.point}/${r.rule}` : "other rules", rates: rate(r.hits) })) ?? []);
  const rest = [...(series.rules?.slice(layers).map((r) => r.hits) ?? []), ...(series.other ? [series.other] : [])];
  if (rest.length > 0) areas.push({ name: "other rules", look: layers, rates: rate(series.total.map((_, i) => rest.reduce((all, hits) => all + hits[i], 0))) });
  return {
    from, step, last, areas, now: nowOf(last10),
    at: Date.parse(series.at), since: series.since ? Date.parse(series.since) : from,
    total: rate(series.total), hits: rate(series.hits), real: rate(series.real),
    events: activity.filter((e) => marks[e.what] && Date.parse(e.at) >= from).slice(-40),
  };
}

// lookOf gives each area a color and a pattern. A rule keeps its own as long as it is
// drawn, and so its place, although the order of the rules changes.
function lookOf(areas) {
  for (const name of looks.keys()) if (!areas.some((area) => area.name === name)) looks.delete(name);
  for (const { name } of areas) {
    const taken = new Set(looks.values());
    if (!looks.has(name)) looks.set(name, Array.from({ length: layers }, (_, i) => i).find((i) => !taken.has(i)));
  }
  return areas.map((area) => ({ ...area, look: looks.get(area.name) })).sort((a, b) => a.look - b.look);
}

// nowOf returns the figures of the last 10 seconds, of one point or of all.
const nowOf = ({ all, hit, real_errors: real }) => [all.rate, hit ? hit.rate : all.injected_rate, (hit ? real : all.real_errors) / 10];

// offer lists the points to choose from: those that the page shows.
export const offer = (points) => options(byId("chart-point"), [["", "all points"], ...[...new Set(points.map((p) => p.point))].map((name) => [name, name])]);

const number = (n) => (n >= 10 || n === 0 ? String(Math.round(n)) : n.toFixed(1));
const percent = (part, all) => (all > 0 ? ` (${number((100 * part) / all)} %)` : "");
const figures = (total, hits, real) => `${number(total)} requests/s, ${number(hits)} injected/s${percent(hits, total)}, ${number(real)} real errors/s`;
const about = (e) => [`${clock(e.at)} ${e.what}`, e.experiment, e.by && "by " + e.by, e.note && `(${e.note})`].filter(Boolean).join(" ");
const timeOf = (i) => shown.from + i * shown.step;

// draw draws the last series. All charts of a page have one scale: requests per second.
function draw() {
  say();
  const width = Math.max(280, byId("chart-picture").clientWidth);
  const most = scale(Math.max(1, ...shown.total, ...shown.real));
  const x = (i) => left + ((width - left - 4) * Math.min(i, shown.last + 1)) / (shown.last + 1);
  const y = (n) => top + (height - top - bottom) * (1 - n / most);
  const at = (time) => x((time - shown.from) / shown.step);
  const nodes = axes(most, width, x, y);
  if (shown.since > shown.from) {
    nodes.push(svg("rect", { class: "unknown", x: left, y: top, width: at(shown.since) - left, height: height - top - bottom }));
  }
  let below = shown.total.map(() => 0);
  nodes.push(svg("path", { class: "total", d: steps(shown.total, below, x, y) }));
  for (const { rates, look } of shown.areas) {
    const above = rates.map((n, at) => n + below[at]);
    nodes.push(svg("path", { class: "area", fill: `url(#layer${look})`, d: steps(above, below, x, y) }));
    below = above;
  }
  nodes.push(svg("path", { class: "real", d: line(shown.real, x, y) }), ...markers(at));
  if (pointed !== null) nodes.push(svg("line", { class: "pointer", x1: x(pointed + 0.5), x2: x(pointed + 0.5), y1: top, y2: height - bottom }));
  const picture = byId("chart-picture");
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.replaceChildren(patterns(), ...nodes);
  byId("chart-legend").replaceChildren(...legend());
  if (byId("chart-table").open && !isSelected(byId("chart-rows"))) fillTable();
}

// isSelected reports whether text of a node is selected. New nodes would lose that.
function isSelected(node) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(node, true);
}

// say writes the figures of now, or of the step under the pointer. They are the text of
// the picture as well.
function say() {
  const now = "Last 10 s: " + figures(...shown.now);
  const unknown = shown.since > shown.from ? ` No data before ${clock(shown.since)}.` : "";
  const i = pointed;
  text(byId("chart-now"), i === null ? now + "." + unknown : `${clock(timeOf(i))}: ${figures(shown.total[i], shown.hits[i], shown.real[i])}.`);
  byId("chart-picture").setAttribute("aria-label", `Chart of the last ${byId("chart-window").selectedOptions[0].textContent}. ${now}.${unknown}`);
}

// scale returns a round number that is not below n.
function scale(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= n);
}

function axes(most, width, x, y) {
  const nodes = [0, most / 2, most].flatMap((n) => [
    svg("line", { class: "grid", x1: left, x2: width - 4, y1: y(n), y2: y(n) }),
    svg("text", { x: left - 6, y: y(n) + 4, "text-anchor": "end" }, n === most ? `${n}/s` : String(n)),
  ]);
  const count = width < 500 ? 2 : 5;
  for (let i = 0; i <= count; i++) {
    const when = clock(timeOf((i * (shown.last + 1)) / count));
    nodes.push(svg("text", { x: x((i * (shown.last + 1)) / count), y: height - 6, "text-anchor": i === 0 ? "start" : i === count ? "end" : "middle" }, when));
  }
  return nodes;
}

// steps returns the path of an area between two lines of steps. Where the area has no
// height, there is no path, because its edge would look like a value.
function steps(above, below, x, y) {
  const edge = (values, from, to) => values.slice(from, to).map((n, i) => `${x(from + i)},${y(n)} ${x(from + i + 1)},${y(n)}`);
  const back = (points) => points.map((pair) => pair.split(" ").reverse().join(" ")).reverse();
  let path = "", from = 0;
  for (let to = 0; to <= above.length; to++) {
    if (to < above.length && above[to] > below[to]) continue;
    if (to > from) path += `M${[...edge(above, from, to), ...back(edge(below, from, to))].join(" ")}Z`;
    from = to + 1;
  }
  return path;
}

// line returns the path of a line of steps, from when the server began to count.
function line(values, x, y) {
  const known = values.map((n, i) => (timeOf(i + 1) > shown.since ? `${x(i)},${y(n)} ${x(i + 1)},${y(n)}` : "")).filter(Boolean);
  return known.length > 0 ? "M" + known.join(" ") : "";
}

// markers shows the events as lines with a sign.
const markers = (at) => shown.events.map((e) => svg("g", { class: "mark " + e.what }, svg("title", {}, about(e)),
  svg("line", { x1: at(Date.parse(e.at)), x2: at(Date.parse(e.at)), y1: top - 4, y2: height - bottom }),
  svg("text", { x: at(Date.parse(e.at)), y: 11, "text-anchor": "middle" }, marks[e.what])));

// patterns tells the areas apart, also without colors.
const patterns = () => svg("defs", {}, ...Array.from({ length: layers + 1 }, (_, i) => svg("pattern",
  { id: "layer" + i, class: "layer" + i, width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${[0, 45, -45, 90, 0, 45][i]})` },
  svg("rect", { width: 8, height: 8 }), i > 0 ? svg("path", { d: i < 4 ? "M0,4 H8" : "M0,4 H8 M4,0 V8" }) : null)));

function legend() {
  const entry = (swatch, name) => el("li", {}, svg("svg", { width: 18, height: 12, "aria-hidden": "true" }, swatch), " ", name);
  const box = (attributes) => svg("rect", { width: 18, height: 12, ...attributes });
  return [
    ...shown.areas.map(({ name, look }) => entry(box({ fill: `url(#layer${look})` }), name)),
    entry(box({ class: "total" }), "all requests"), entry(svg("path", { class: "real", d: "M0,6 H18" }), "real errors"),
    ...[...new Set(shown.events.map((e) => e.what))].map((what) => el("li", {}, `${marks[what]} ${what}`)),
  ];
}

// fillTable writes the steps as a table, newest first.
function fillTable() {
  const rows = shown.total.map((n, i) => {
    const events = shown.events.filter((e) => Math.floor((Date.parse(e.at) - shown.from) / shown.step) === i).map(about);
    const cells = [n, shown.hits[i], shown.real[i]].map((value) => el("td", {}, timeOf(i + 1) <= shown.since ? "–" : number(value)));
    return el("tr", {}, el("th", { scope: "row" }, clock(timeOf(i))), ...cells, el("td", {}, events.join("; ")));
  });
  byId("chart-rows").replaceChildren(...rows.reverse());
}

// point shows the figures of the step under the pointer.
function point(event) {
  if (!shown) return;
  const { left: edge, width } = byId("chart-picture").getBoundingClientRect();
  const i = Math.floor(((event.clientX - edge - left) * (shown.last + 1)) / (width - left - 4));
  pointed = event.type === "pointerleave" || i < 0 || i > shown.last ? null : i;
  draw();
}

// begin creates the chart and draws it from now on.
export function begin() {
  const windows = [["5m", "5 min"], ["15m", "15 min"], ["60m", "60 min"]];
  const heads = ["From", "Requests/s", "Injected/s", "Real errors/s", "Events"];
  byId("chart").append(
    el("div", { class: "tools" }, el("h3", {}, "Traffic"),
      el("label", {}, "Point ", el("select", { id: "chart-point", onchange: refresh }, el("option", { value: "" }, "all points"))),
      el("label", {}, "Last ", el("select", { id: "chart-window", onchange: refresh }, ...windows.map(([value, label]) => el("option", { value, selected: value === "15m" }, label))))),
    svg("svg", { id: "chart-picture", role: "img", "aria-label": "Chart of the traffic", height, onpointermove: point, onpointerleave: point }),
    el("p", { id: "chart-now", class: "quiet" }, "Loading …"),
    el("ul", { id: "chart-legend", class: "legend" }),
    el("details", { id: "chart-table", ontoggle: () => { if (shown) fillTable(); } }, el("summary", {}, "Show as a table"),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Traffic as a table" },
        el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", { id: "chart-rows" })))));
  addEventListener("hashchange", refresh);
  addEventListener("resize", () => { if (shown) draw(); });
  document.addEventListener("visibilitychange", refresh);
  refresh();
}
