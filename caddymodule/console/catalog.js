// The catalog of status codes, with search and copy buttons.

import { call } from "./api.js";
import { byId, copy, el, keyed, text } from "./dom.js";

const most = 100; // rows, unless the user asks for all
const first = ["http:429", "http:500", "http:502", "http:503", "http:504", "smtp:551"]; // the most used ones

let shown = false;
let codes = null;

// route shows or hides the view.
export function route(isShown) { shown = isShown; }

// refresh reads the codes when the view is shown for the first time. They do not change
// while Caddy runs.
export async function refresh() {
  if (!shown || codes) return;
  const all = (await call("GET", "codes")).codes;
  if (codes) return; // another refresh was faster
  for (const code of all) code.words = [code.text, code.code, code.name, code.family, code.source].join(" ").toLowerCase();
  codes = all.filter((code) => code.code >= 200).sort((a, b) => rank(a) - rank(b)); // an interim status cannot be sent
  byId("code-search").addEventListener("input", () => show(most));
  byId("code-all").addEventListener("click", () => {
    show(Infinity);
    byId("codes").children[most].querySelector("button")?.focus(); // the first new row
  });
  show(most);
}

// rank returns the place of a code: the most used ones are first.
function rank({ text: written }) {
  const at = first.indexOf(written);
  return at < 0 ? first.length : at;
}

function show(limit) {
  const words = byId("code-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = codes.filter((code) => words.every((word) => code.words.includes(word)));
  text(byId("code-count"), found.length > limit ? `${limit} of ${found.length}` : `${found.length} found`);
  byId("code-all").hidden = found.length <= limit;
  keyed(byId("codes"), found.slice(0, limit), (code) => code.family + ":" + code.code, row);
}

function row(code) {
  const action = (label, value) => el("button", { type: "button", "aria-label": `Copy ${code.text} as ${label}`, onclick: () => copy(value) }, label);
  const fault = { fault: "respond", status_code: code.code, family: code.family };
  return el("li", { "data-code": code.text },
    el("div", { class: "what" }, el("strong", {}, code.text), " ", code.name,
      code.body ? el("code", {}, code.body) : null,
      el("span", { class: "quiet" }, code.source)),
    el("div", { class: "actions" },
      action("directive", `fault ${code.text}`),
      action("curl -H", `curl -i -H 'X-Fault: ${code.text}' https://example.com/`),
      action("JSON", JSON.stringify(fault))));
}
