// What the server says of the experiment in the form: whether it is valid, what it would
// have hit, and how to write it elsewhere.

import { call } from "./api.js";
import { byId, clock, copy, el, text, toast } from "./dom.js";

let asked = 0;
let latest = {}; // the last answer with its draft, empty if the draft was refused

// begin sets up the buttons that copy. The function complete returns the draft in the
// form. If the form is not complete, it says what is missing and returns null.
export function begin(complete) {
  const forms = { "start-as-command": (draft) => draft.run, "start-as-caddyfile": (draft) => draft.caddyfile, "start-as-json": (draft) => JSON.stringify(draft.experiment, null, 2) };
  for (const [id, form] of Object.entries(forms)) {
    byId(id).addEventListener("click", async () => {
      const wanted = complete();
      if (!wanted) return;
      try {
        const found = form(latest.draft === JSON.stringify(wanted) ? latest.answer : await ask(wanted));
        if (found) copy(found);
        else toast(why[id]);
      } catch (error) {
        toast(error.message);
      }
    });
  }
}

const why = {
  "start-as-command": "The command line cannot write this rule. Copy it as JSON.",
  "start-as-caddyfile": "A Caddyfile would read this rule as another one. Copy it as JSON.",
};

// ask sends a draft to the server. It returns the answer, or throws the refusal. An
// answer that arrives after the answer to a later draft is not shown.
export async function ask(draft) {
  const turn = ++asked;
  try {
    const answer = await call("POST", "draft", draft);
    if (turn === asked) show(draft, answer, null);
    return answer;
  } catch (error) {
    if (turn === asked) show(draft, null, error);
    throw error;
  }
}

function show(draft, answer, refusal) {
  latest = answer ? { draft: JSON.stringify(draft), answer } : {};
  const field = refusal?.body?.field; // unknown without an answer
  const here = refusal !== null && (field ?? "rule") === "rule"; // the others are shown when the form is submitted
  byId("start-line").setAttribute("aria-invalid", String(field === "rule"));
  byId("start-answer").replaceChildren(...(here ? marked(draft.rule, refusal) : refusal ? [] : ["The rule is valid."]));
  byId("start-answer").classList.toggle("wrong", here);
  byId("start-preview").hidden = refusal !== null;
  if (answer) showPreview(answer.preview, draft.points);
}

// marked returns the wrong line with its wrong part marked, and the error. The server
// counts bytes, this page UTF-16 units.
function marked(rule, { message, body }) {
  if (!body?.end) return [message];
  const bytes = new TextEncoder().encode(rule);
  const part = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  const before = part(0, body.start).split("\n").at(-1);
  const after = part(body.end).split("\n")[0];
  return [el("span", { class: "echo code" }, before, el("mark", {}, part(body.start, body.end) || " "), after), message];
}

function showPreview({ requests, since, matched, expected, ignored = [] }, points) {
  const where = points[0] === "*" ? "all points" : points[0];
  const share = requests ? Math.round((expected / requests) * 1000) / 10 : 0;
  byId("start-meter").max = requests || 1;
  byId("start-meter").value = expected;
  byId("start-meter").hidden = requests === 0;
  text(byId("start-would"), requests === 0
    ? `No request has come to ${where} since ${clock(since)}. The preview counts from now on.`
    : `Would have hit ${expected === matched ? "" : "about "}${expected} of the last ${requests === 1 ? "request" : requests + " requests"} at ${where} (${share} %).`);
  text(byId("start-would-why"), requests === 0 ? ""
    : `${matched} ${matched === 1 ? "matches" : "match"}. The first came at ${clock(since)}.` + (ignored.length > 0 ? ` Not considered: ${ignored.join(", ")}.` : ""));
}
