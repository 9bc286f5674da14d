// The catalog of status codes, with search and copy buttons.

import { byId, copy, el, keyed, text } from "./dom.js";

const most = 100; // rows, unless the user asks for all

let codes = [];

// begin takes the codes and sets up the search.
export function begin(all) {
  codes = all;
  byId("code-search").addEventListener("input", () => show(most));
  byId("code-all").addEventListener("click", () => {
    show(Infinity);
    byId("codes").children[most].querySelector("button")?.focus(); // the first new row
  });
  for (const code of codes) code.words = [code.text, code.code, code.name, code.family, code.source].join(" ").toLowerCase();
  show(most);
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
    code.code >= 200 ? el("div", { class: "actions" },
      action("directive", `fault ${code.text}`),
      action("curl -H", `curl -i -H 'X-Fault: ${code.text}' https://example.com/`),
      action("JSON", JSON.stringify(fault))) : el("span", { class: "quiet" }, "interim: cannot be sent"));
}
