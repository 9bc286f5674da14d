// The console: it reads the state once a second and shows it, and has the
// switch.

import { call } from "./api.js";
import * as catalogue from "./catalogue.js";
import { busy, byId, clock, isBusy, ready, sentence, text, toast } from "./dom.js";
import * as explain from "./explain.js";
import * as feed from "./feed.js";
import * as overview from "./overview.js";
import * as start from "./start.js";

const period = 1000; // milliseconds between two readings

let timer;
let readings = 0;
let loaded = false; // what does not change while Caddy runs
let page = ""; // the query of the rules that are shown, empty for the first ones
let following = ""; // that of the rules after them, empty if there are none

// refresh reads the state, shows it, and does so again after a while. A page
// that nobody sees asks nothing. What a later reading has overtaken is not
// shown: it may be from before a change that was made here.
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
    problem(state.share?.error ? sentence(`Out of step with the group '${state.share.group}': ${state.share.error}`) : "");
  } catch (error) {
    if (reading !== readings) return;
    if (error.status === 404) page = ""; // a reload has removed the rule before these
    text(byId("status-text"), "No answer");
    document.documentElement.classList.add("lost");
    document.title = "No answer – Faults";
    problem(error.message + " What stands here may be out of date.");
  }
  if (!document.hidden) timer = setTimeout(refresh, period);
}

async function load() {
  const [{ kinds }, { codes }] = await Promise.all([call("GET", "kinds"), call("GET", "codes")]);
  if (loaded) return; // another refresh was faster
  loaded = true;
  start.begin(kinds, refresh);
  catalogue.begin(codes);
}

// showPages offers the other rules, where there are too many for one page.
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
  text(byId("status-text"), halted ? `Halted${when}${who}: nothing is injected` : dryRun ? "Dry run: nothing changes" : "Live");
  byId("halt").hidden = halted;
  byId("resume").hidden = !halted;
  if (halted === wanted) banner("not-turned", "");
  document.title = halted ? "Halted – Faults" : "Faults";
}

let wanted; // what the switch was last asked to be: halted or not

// turn turns the switch and reports whether that went well. If not, it says so
// until the switch is as wanted. The button keeps the focus meanwhile, which
// disabled it would lose.
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
    ready(button, label); // to be pressed again at once
    refresh();
    return false;
  }
  await refresh();
  ready(button, label);
  return true;
}

// view shows the part of the page that the address names, without a name the
// first. Another name leaves the one that is shown.
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
  event.preventDefault(); // the address names the view, to which a reload is to come back
  byId("main").focus();
});
addEventListener("hashchange", () => { view(); scrollTo(0, 0); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

text(byId("where"), location.host);
explain.begin();
feed.begin();
view();
refresh();
