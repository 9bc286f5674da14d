// What would happen to a request, rule by rule.

import { call } from "./api.js";
import { address, byId, el, title } from "./dom.js";

let requests = 0;

// begin sets up the form.
export function begin() {
  byId("explain-form").addEventListener("submit", (event) => {
    event.preventDefault();
    explain();
  });
  addEventListener("hashchange", fill);
  fill();
}

// fill explains the request in the address, as in #explain?method=GET&url=/api/orders.
function fill() {
  const { view, params } = address();
  if (view !== "explain" || !params) return;
  byId("explain-method").value = params.get("method") ?? "GET";
  byId("explain-url").value = params.get("url") ?? "";
  byId("explain-headers").value = byId("explain-body").value = "";
  explain();
}

// explain sends the request of the form to explain and shows the answer. An answer that
// arrives after the answer to a later request is ignored.
async function explain() {
  const turn = ++requests;
  const answer = byId("explained");
  answer.replaceChildren(el("p", { class: "quiet" }, "Explaining …"));
  let said;
  try {
    said = shown(await call("POST", "explain", request()));
  } catch (error) {
    said = [el("p", { class: "answer wrong" }, error.message)];
  }
  if (turn === requests) answer.replaceChildren(...said);
}

// request returns the request of the form. Its header object has no prototype, so that
// "constructor" is a name like any other.
function request() {
  const header = Object.create(null);
  for (const line of byId("explain-headers").value.split("\n")) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`'${line}' is not a header field; write a name, a colon and a value.`);
    const name = line.slice(0, colon).trim();
    (header[name] ??= []).push(line.slice(colon + 1).trim());
  }
  const wanted = { method: byId("explain-method").value.trim() || "GET", url: byId("explain-url").value.trim(), header };
  if (byId("explain-body").value !== "") wanted.body = byId("explain-body").value;
  return wanted;
}

// shown returns the answer in one line. What each point does follows, folded.
function shown({ answer, notes = [], halted, points }) {
  const applying = points.filter((p) => p.match || p.error);
  const others = points.filter((p) => !p.match && !p.error);
  return [
    el("p", { class: "verdict" }, answer),
    ...notes.map((note) => el("p", { class: "quiet" }, note + ".")),
    ...(halted ? [el("p", { class: "answer wrong" }, "Halted: no fault is injected. Without the halt:")] : []),
    ...applying.map((p) => folded(`${title(p)}: ${inShort(p)}`, "Injection point " + p.point, () => atPoint(p))),
    ...(others.length > 0 ? [folded(countOf(others.length, applying.length), "Points that do not apply", () => [listed(others)])] : []),
  ];
}

// folded returns a line that unfolds. What it hides is made when it opens, because there
// may be a thousand points.
function folded(line, label, make) {
  const node = el("details", { class: "folded", role: "group", "aria-label": label, ontoggle: () => { if (node.open && node.children.length === 1) node.append(...make()); } },
    el("summary", {}, line));
  return node;
}

function countOf(n, applying) {
  const other = applying > 0 ? " other" : "";
  return n === 1 ? `1${other} point does not apply` : `${n}${other} points do not apply`;
}

const listed = (points) => el("ul", { class: "plain" }, ...points.map((p) => el("li", {}, el("strong", {}, title(p)), ` ${p.reason}`)));

// inShort returns what the rules of a point do, in a few words.
function inShort({ error, rules }) {
  if (error) return "its matcher fails";
  if (rules.length === 0) return "no rule or experiment";
  const fires = rules.filter((v) => v.fires).length;
  if (fires === 0) return rules.some((v) => v.gate === "exempt") ? "the request is exempt" : rules.some((v) => v.gate === "preflight") ? "a preflight passes" : "no fault can hit";
  const certain = rules.some((v) => v.fires && !v.gate);
  return `${fires} of ${rules.length} ${rules.length === 1 ? "rule" : "rules"} ${certain ? "hits" : "may hit"}`;
}

// atPoint returns the result at a point. If a matcher of the point fails, the point does
// not apply.
function atPoint({ rules, reason, error }) {
  if (error) return [el("p", { class: "answer wrong" }, error)];
  const where = reason ? [el("p", { class: "quiet" }, `The point applies ${reason.startsWith("only") ? reason : `if the request reaches it: ${reason}`}.`)] : [];
  return [...where, verdicts(rules)];
}

function verdicts(rules) {
  if (rules.length === 0) return el("p", { class: "quiet" }, "Experiments can use this point.");
  return el("ul", { class: "rows" }, ...rules.map((v) => el("li", { "data-rule": v.rule },
    el("div", { class: "what" }, el("strong", {}, v.rule), " ",
      el("span", { class: v.fires ? "tag hit" : "tag" }, verdict(v)), v.experiment ? " experiment" : v.trigger ? ` ${v.trigger}` : "",
      v.why ? el("span", { class: "quiet" }, v.why) : null))));
}

function verdict(v) {
  if (!v.fires) return "passes: " + v.gate;
  return v.gate ? "may hit: " + v.gate : "hits";
}
