// The state of all faults in a few words: in the header and in the title of the page.

import { call } from "./api.js";
import { byId, clock, part, text } from "./dom.js";

const longest = 10; // seconds

let last = ""; // the last known state in words
let name = ""; // which Caddy has answered last, for people with several pages

// seen returns how much is injected: hits per second, and the part of all requests at
// the points, or null if that is not known. Nothing before the last turn of the switch
// counts.
export async function seen({ halted, since }) {
  if (halted) return null;
  const turned = since ? Math.floor((Date.now() - Date.parse(since)) / 1000) : longest;
  const over = turned >= 0 && turned < longest ? Math.max(1, turned) : longest;
  try {
    const { all } = await call("GET", `seen?over=${over}s&by=all`);
    return { rate: all.injected_rate, part: all.count > 0 ? all.injected / all.count : null };
  } catch {
    return null; // the state will tell what is wrong
  }
}

// show shows the state, with what is injected.
export function show(state, injected) {
  const { halted, since, note, dry_run: dryRun } = state;
  const active = !halted && !dryRun && injected?.rate > 0;
  const root = document.documentElement.classList;
  root.toggle("halted", halted);
  root.toggle("injecting", active);
  root.remove("lost");
  const when = since ? ` at ${clock(since)}` : "";
  const who = state.by || state.why ? ` by ${state.by || state.why}` : "";
  const is = halted ? "Halted" : dryRun ? "Dry run" : active ? "Injecting" : "Armed";
  const more = halted ? `${when}${who}: no fault is injected` : dryRun ? ": no fault is injected" : "";
  text(byId("status-text"), is + more);
  const figures = active ? [`${perSecond(injected.rate)}/s`, injected.part === null ? "" : `${part(injected.part)} of traffic`] : [];
  const detail = halted && note ? [`“${note}”`] : figures.filter(Boolean);
  text(byId("status-more"), detail.join(" · "));
  name = state.server?.node ? ` on ${state.server.node}` : "";
  document.title = `${active ? `${is} ${figures[0]}` : is} – Faults${name}`;
  last = active ? `injecting ${detail.join(", ")}` : is.toLowerCase();
}

// lose shows that there is no answer, with what was known at that time.
export function lose(at) {
  document.documentElement.classList.remove("injecting");
  document.documentElement.classList.add("lost");
  text(byId("status-text"), "No answer");
  text(byId("status-more"), at ? `${last} at ${clock(at)}` : "");
  document.title = `No answer – Faults${name}`;
}

// perSecond formats a rate.
const perSecond = (rate) => (rate >= 10 ? String(Math.round(rate)) : rate.toFixed(1));
