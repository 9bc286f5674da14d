// The console. It reads and shows the state once a second, and turns the switch.

import { call } from "./api.js";
import * as catalog from "./catalog.js";
import { busy, byId, clock, isBusy, ready, sentence, text, toast } from "./dom.js";
import * as explain from "./explain.js";
import * as feed from "./feed.js";
import * as overview from "./overview.js";
import * as start from "./start.js";

const period = 1000; // milliseconds between two readings

let timer;
let readings = 0;
let loaded = false; // the kinds and codes, which do not change while Caddy runs
let page = ""; // the query of the rules shown, empty for the first ones
let following = ""; // the query of the next rules, empty if there are no more

// refresh reads and shows the state, and schedules the next reading. A hidden page
// sends no requests. If a later reading has begun, an earlier one is not shown, because
// it may not contain a change that was made on this page.
async function refresh() {
  clearTimeout(timer);
  const reading = ++readings;
  try {
    if (!loaded) await load();
    const state = await call("GET", page);
    const { ended } = await call("GET", "experiments?ended");
    if (reading !== readings) return;
    showSwitch(state);
    overview.show(state, refresh);
    overview.showEnded(ended, state.experiments, refresh);
    start.showPoints(state.points);
    feed.showRules(state);
    showPages(state);
    problem(state.share?.error ? sentence(`Not synchronized with the group '${state.share.group}': ${state.share.error}`) : "");
  } catch (error) {
    if (reading !== readings) return;
    if (error.status === 404) page = ""; // a reload has removed the rule before this page
    text(byId("status-text"), "No answer");
    document.documentElement.classList.add("lost");
    document.title = "No answer – Faults";
    problem(error.message + " The values on this page may be outdated.");
  }
  if (!document.hidden) timer = setTimeout(refresh, period);
}

async function load() {
  const [{ kinds }, { codes }] = await Promise.all([call("GET", "kinds"), call("GET", "codes")]);
  if (loaded) return; // another refresh was faster
  loaded = true;
  start.begin(kinds, refresh);
  catalog.begin(codes);
}

// showPages offers the other rules if there are too many for one page.
function showPages({ next = "" }) {
  following = next;
  byId("more-rules").hidden = next === "" && page === "";
  byId("first-rules").hidden = page === "";
  byId("next-rules").hidden = next === "";
}

function turnTo(query) {
  page = query;
  refresh();
}

const problem = (message) => banner("problem", message);

function banner(id, message) {
  text(byId(id), message);
  byId(id).hidden = message === "";
}

function showSwitch({ halted, since, why, dry_run: dryRun }) {
  document.documentElement.classList.toggle("halted", halted);
  document.documentElement.classList.remove("lost");
  const when = since ? ` at ${clock(since)}` : "";
  const who = why ? ` by ${why}` : "";
  text(byId("status-text"), halted ? `Halted${when}${who}: no fault is injected` : dryRun ? "Dry run: no fault is injected" : "Armed");
  byId("halt").hidden = halted;
  byId("resume").hidden = !halted;
  if (halted === wanted) banner("not-turned", "");
  document.title = halted ? "Halted – Faults" : "Faults";
}

let wanted; // the last requested state of the switch: halted or not

// turn turns the switch and reports whether that succeeded. If not, the page shows the
// error until the switch is in the wanted state. The button is not disabled, because a
// disabled button would lose the focus.
async function turn(path, button, during) {
  const label = button.textContent;
  busy(button, during);
  wanted = path === "halt";
  try {
    const { answer, warning } = await call("POST", path);
    banner("not-turned", "");
    if (answer || warning) toast([answer, warning].filter(Boolean).join(" "));
  } catch (error) {
    banner("not-turned", `${wanted ? "NOT halted" : "NOT resumed"}: ${error.message}`);
    ready(button, label); // it can be pressed again immediately
    refresh();
    return false;
  }
  await refresh();
  ready(button, label);
  return true;
}

// view shows the section that the fragment of the address names. Without a fragment it
// shows the first section. An unknown fragment changes nothing.
function view() {
  const views = [...document.querySelectorAll("main > section")];
  const wanted = location.hash.slice(1) || views[0].id;
  const shown = views.find((section) => section.id === wanted) ?? views.find((section) => !section.hidden);
  for (const section of views) section.hidden = section !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + shown.id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  feed.watch(shown.id === "feed");
}

byId("halt").addEventListener("click", async () => {
  if (!isBusy(byId("halt")) && await turn("halt", byId("halt"), "Halting …")) byId("resume").focus();
});
byId("resume").addEventListener("click", () => { if (!isBusy(byId("resume"))) byId("confirm").showModal(); });
byId("confirm-no").addEventListener("click", () => byId("confirm").close());
byId("confirm-yes").addEventListener("click", async () => {
  byId("confirm").close();
  if (await turn("resume", byId("resume"), "Resuming …")) byId("halt").focus();
});
byId("first-rules").addEventListener("click", () => turnTo(""));
byId("next-rules").addEventListener("click", () => turnTo(following));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps the view, so that a reload shows it again
  byId("main").focus();
});
addEventListener("hashchange", () => { view(); scrollTo(0, 0); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

text(byId("where"), location.host);
explain.begin();
feed.begin();
view();
refresh();
