// The rows of experiments, running and ended.

import { call, experiment } from "./api.js";
import { clock, el, span, text, toast } from "./dom.js";
import { percentage } from "./percent.js";
import { button, figures, lineText } from "./rows.js";

const extension = 600; // seconds

// experimentRow creates the row of a running experiment.
export function experimentRow(first, change) {
  let now = first;
  const line = lineText();
  const about = el("span", { class: "quiet" });
  const left = el("span", { class: "tag" });
  const numbers = figures(first.name, false);
  const patch = (fields) => call("PATCH", experiment(now.name), fields, { "If-Match": `"${now.revision}"` }).catch(gone(now.name));
  const extend = button("Extend 10 min", first.name, "Extended", () => patch({ ttl: Math.round((now.time_left ?? 0) + extension) + "s" }), change);
  const turn = percentage(first.name, (percent) => turnTo(now, percent, patch, change));
  const node = el("li", { "data-experiment": first.name },
    el("div", { class: "what" }, el("strong", {}, first.name), " ", left, line, about), numbers,
    el("div", { class: "actions" }, turn, extend,
      button("Stop", first.name, "Stopped", () => call("DELETE", experiment(first.name)).catch(gone(first.name)), change)));
  node.update = (e) => {
    now = e;
    line.update(e.line);
    turn.update(e.experiment.percent ?? 100);
    text(left, e.ends ? span(e.time_left) + " left" : "no end");
    extend.hidden = !e.ends;
    text(about, whereabouts(e));
    numbers.update(e.rates);
  };
  return node;
}

// gone says in plain words that an experiment has ended before it could be changed.
const gone = (name) => (error) => { throw error.status === 404 ? new Error(`${name} has already ended.`) : error; };

// turnTo changes the percentage of an experiment, keeps the time that it has left, and
// reports whether that succeeded.
async function turnTo(now, percent, patch, change) {
  let done = false;
  try {
    await patch({ percent, ttl: now.ends ? Math.max(1, Math.round(now.time_left)) + "s" : "0" });
    done = true;
    toast(`${now.name}: ${percent} %`);
  } catch (error) {
    toast(error.message);
  }
  await change();
  return done;
}

// whereabouts says where an experiment applies, why, and by whom.
function whereabouts(e) {
  const everywhere = (e.experiment.points ?? ["*"]).includes("*");
  const where = e.applies_to.length === 0 ? "at no point of the running configuration" : everywhere ? "at all points" : "at " + e.applies_to.join(", ");
  const idle = e.came > 0 && e.matched === 0 ? `; 0 of ${e.came} requests at its points matched` : "";
  return where + (e.by ? `, by ${e.by}` : "") + (e.experiment.note ? `: ${e.experiment.note}` : "") + idle;
}

// endedRow creates the row of an experiment that has ended.
export function endedRow(past, change) {
  return el("li", {},
    el("div", { class: "what" }, el("strong", {}, past.name), " ", el("span", { class: "tag" }, past.why + (past.by ? ` by ${past.by}` : "")), lineText(past.line),
      el("span", { class: "quiet" }, `${clock(past.started)} to ${clock(past.ended)}, ${past.hits} injected`)),
    el("div", { class: "actions" },
      button("Repeat", past.name, "Started", () => call("PUT", experiment(past.name), past.experiment, { "If-None-Match": "*" }), change)));
}
