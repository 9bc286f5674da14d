// The activity: who has changed what, the latest first.

import { call } from "./api.js";
import { byId, clock, el, keyed, searches, text } from "./dom.js";
import { lineText } from "./rows.js";

const words = {
  started: "started", changed: "changed", extended: "extended", stopped: "stopped", expired: "expired",
  halted: "halted all faults", noted: "added a note to the halt", resumed: "resumed faults", reloaded: "reloaded",
  switched_off: "switched off", switched_on: "switched on",
};

let shown = false;
let all = [];

// begin sets up the view.
export function begin() {
  searches("act-search", "activity", list);
}

// route shows or hides the view. The parameter q is the search.
export function route(isShown, params) {
  shown = isShown;
  if (!shown) return;
  byId("act-search").value = params.get("q") ?? "";
  list();
}

// refresh reads the activity while it is shown.
export async function refresh({ server }) {
  if (!shown) return;
  ({ activity: all } = await call("GET", "activity"));
  text(byId("act-since"), server ? `Up to 200 changes since this Caddy started at ${clock(server.started)}.` : "");
  list();
  byId("no-acts").hidden = all.length > 0;
}

function list() {
  const wanted = byId("act-search").value.trim().toLowerCase();
  const numbered = all.map((act, i) => ({ ...act, key: `${act.at} ${act.what} ${act.experiment ?? act.rule ?? ""} ${i > 0 && all[i - 1].at === act.at ? i : ""}` }));
  const found = numbered.filter((act) => Object.values(act).join(" ").toLowerCase().includes(wanted)).reverse();
  keyed(byId("acts"), found, (act) => act.key, row);
  byId("acts-none").hidden = all.length === 0 || found.length > 0;
}

// deed returns who has done what, as elements.
function deed(act) {
  const what = words[act.what] ?? act.what;
  const whom = act.experiment ?? act.rule;
  if (act.what === "reloaded") return ["The configuration was reloaded"];
  if (act.what === "expired") return [el("strong", {}, whom), " expired"];
  return [el("strong", {}, act.by ?? "Somebody"), ` ${what}${whom ? " " : ""}`, whom ? el("strong", {}, whom) : null].filter(Boolean);
}

function row(act) {
  const ended = act.ended ? ` Ended: ${act.ended}.` : "";
  return el("li", { class: "act " + act.what },
    el("time", { class: "quiet", datetime: act.at, title: act.at }, clock(act.at)),
    el("div", { class: "what" }, el("span", {}, ...deed(act), ended && "." + ended),
      act.line ? lineText(act.line) : null,
      act.note ? el("span", { class: "quiet" }, `“${act.note}”`) : null));
}
