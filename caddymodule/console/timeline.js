// The calls of a client on a time line: attempts as marks, waits as lines, and
// Retry-After as a bar. Each call begins at 0, and all have the same scale.

import { el, svg } from "./dom.js";

const rowHeight = 68;
const edge = 14; // space left and right of the time
const foot = 24; // the height of the axis

// outcome returns how an attempt has ended, in a few characters.
export function outcome({ outcome: what, status, end }) {
  if (!end) return "open";
  return status > 0 ? String(status) : what.replaceAll("_", " ");
}

const failed = (a) => Boolean(a.rule) || a.status >= 500 || !["passed", "reply"].includes(a.outcome) && Boolean(a.end);

// stepsOf returns the attempts of a call with their times in seconds since its beginning,
// and with the wait before each.
function stepsOf(call) {
  const began = Date.parse(call.attempts[0].start);
  let before = null;
  return call.attempts.map((a) => {
    const from = (Date.parse(a.start) - began) / 1000;
    const to = a.end ? (Date.parse(a.end) - began) / 1000 : from;
    const step = { a, from, to, told: a.retry_after ?? null, wait: null, missing: 0, early: false };
    if (before) {
      step.missing = a.n - before.a.n - 1;
      step.wait = step.missing > 0 ? null : from - before.to;
      step.early = step.missing === 0 && before.told !== null && from - before.to < before.told - Math.max(0.1, 0.02 * before.told);
    }
    before = step;
    return step;
  });
}

// seconds formats a time.
export const seconds = (s) => (s < 0.0005 ? "0 s" : s < 1 ? `${Math.round(s * 1000)} ms` : s < 100 ? `${Number(s.toFixed(s < 10 ? 2 : 1))} s` : `${Math.round(s / 60)} min`);

// timeline draws the calls, with this width in pixels.
export function timeline(calls, width) {
  const all = calls.map(stepsOf);
  const longest = Math.max(0.01, ...all.flat().map((step) => step.to), ...all.map((steps) => toldEnd(steps)));
  const x = (s) => edge + (Math.min(s, longest) / longest) * (width - 2 * edge);
  const height = all.length * rowHeight + foot;
  return svg("svg", { class: "timeline", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": described(calls, all) },
    axis(longest, x, width, all.length * rowHeight),
    ...all.map((steps, i) => row(calls[i], steps, i * rowHeight, x, width)));
}

// toldEnd returns the end of the last Retry-After that a later attempt could obey. A
// last one that is far away does not squeeze the rest.
function toldEnd(steps) {
  const last = steps.at(-1).to;
  return Math.max(0, ...steps.filter((step) => step.told !== null).map((step) => Math.min(step.to + step.told, 2 * last + 1)));
}

function described(calls, all) {
  const early = all.flat().filter((step) => step.early).length;
  return `${calls.length} calls with ${all.flat().length} attempts on a time line, ${early} of them before their Retry-After had passed. The table has the same facts.`;
}

// axis draws about five ticks at round times.
function axis(longest, x, width, bottom) {
  const raw = longest / (width < 500 ? 3 : 6);
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * [1, 2, 5, 10].find((n) => n * unit >= raw);
  const ticks = [];
  for (let s = 0; s <= longest + step / 1000; s += step) {
    ticks.push(svg("line", { class: "tick", x1: x(s), x2: x(s), y1: 0, y2: bottom }),
      svg("text", { class: "scale", x: x(s), y: bottom + 16, "text-anchor": s === 0 ? "start" : x(s) > width - 40 ? "end" : "middle" }, s === 0 ? "0" : seconds(s)));
  }
  return svg("g", {}, ...ticks);
}

function row(call, steps, top, x, width) {
  const line = top + 42;
  const shapes = [svg("text", { class: "name", x: edge, y: top + 17 }, cut(`${call.method} ${call.host ?? ""}${call.path}`, width))];
  let right = -1; // where the last label ends
  let lane = 0; // of two, for bars that overlap
  steps.forEach((step, i) => {
    const before = steps[i - 1];
    if (before) shapes.push(svg("line", { class: step.missing > 0 ? "wait missing" : "wait", x1: x(before.to), x2: x(step.from), y1: line, y2: line }));
    if (step.told === null) return;
    lane = before && before.told !== null && before.to + before.told > step.to ? 1 - lane : 0;
    shapes.push(...told(step, steps[i + 1], line + 7 + 9 * lane, x));
  });
  for (const step of steps) {
    const kind = failed(step.a) ? "failed" : "good";
    const at = x(step.from);
    shapes.push(svg("rect", { class: "attempt " + kind, x: at, y: line - 3, width: Math.max(2, x(step.to) - at), height: 6 }),
      svg(kind === "failed" ? "rect" : "circle", kind === "failed" ? { class: "mark failed", x: at - 4.5, y: line - 4.5, width: 9, height: 9 } : { class: "mark good", cx: at, cy: line, r: 5 }));
    const label = outcome(step.a);
    if (at - 4 > right) {
      shapes.push(svg("text", { class: "label", x: at - 4, y: line - 8 }, label));
      right = at + 4 + 7 * label.length;
    }
  }
  return svg("g", { "data-call": call.call }, svg("title", {}, facts(call, steps)), ...shapes);
}

// told draws the time that a reply told the client to wait. The part for which the client
// did not wait looks different.
function told(step, next, y, x) {
  const bar = (kind, from, to) => svg("rect", { class: kind, x: x(from), y, width: Math.max(2, x(to) - x(from)), height: 6 });
  const end = step.to + step.told;
  if (!next?.early) return [bar("told", step.to, end)];
  return [bar("told", step.to, next.from), bar("ignored", next.from, end)];
}

// cut shortens a text to the width.
function cut(text, width) {
  const most = Math.floor((width - 2 * edge) / 7.4);
  return text.length > most ? text.slice(0, most - 1) + "…" : text;
}

function facts(call, steps) {
  const parts = steps.map((step) => [step.wait !== null ? `waited ${seconds(step.wait)}` : "", `${step.a.n}: ${outcome(step.a)} after ${seconds(step.to - step.from)}`, step.told !== null ? `told to wait ${seconds(step.told)}` : ""].filter(Boolean).join(", "));
  return `${call.method} ${call.path} at ${call.point}: ${parts.join("; ")}`;
}

// callTable creates a table with the facts of the drawing.
export function callTable(calls) {
  const heads = ["Call", "Attempt", "Began", "Took", "Result", "Rule", "Waited before", "Told to wait"];
  const rows = calls.flatMap((call) => stepsOf(call).map((step) => el("tr", { class: step.early ? "early" : false },
    ...[`${call.method} ${call.path}`, `${step.a.n} of ${call.count}`, seconds(step.from), step.a.end ? seconds(step.to - step.from) : "still open", outcome(step.a), step.a.rule ?? "",
      step.wait === null ? (step.missing > 0 ? `${step.missing} attempts not kept` : "") : seconds(step.wait) + (step.early ? ", too early" : ""),
      step.told === null ? "" : seconds(step.told)].map((value) => el("td", {}, value)))));
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows));
}
