// The console. It reads and shows the state once a second, and turns the switch.

import * as activity from "./activity.js";
import { call } from "./api.js";
import * as catalog from "./catalog.js";
import * as chart from "./chart.js";
import * as clients from "./clients.js";
import { banner, byId, clock, sentence, text } from "./dom.js";
import * as explain from "./explain.js";
import * as feed from "./feed.js";
import * as keys from "./keys.js";
import * as overview from "./overview.js";
import * as pill from "./pill.js";
import * as start from "./start.js";
import * as turn from "./switch.js";

const period = 1000; // milliseconds between two readings

let timer;
let readings = 0;
let loaded = false; // the kinds and codes, which do not change while Caddy runs
let page = ""; // the query of the rules shown, empty for the first ones
let following = ""; // the query of the next rules, empty if there are no more
let answered = null; // when the last state came
let started = ""; // when the process of the last state started

// refresh reads and shows the state, and schedules the next reading. A hidden page
// sends no requests. If a later reading has begun, an earlier one is not shown, because
// it may not contain a change that was made on this page.
async function refresh() {
  clearTimeout(timer);
  const reading = ++readings;
  try {
    if (!loaded) await load();
    const state = await call("GET", page);
    const [{ ended }] = await Promise.all([call("GET", "experiments?ended"), clients.refresh(), activity.refresh(state)]);
    if (reading !== readings) return;
    turn.show(state);
    overview.show(state, refresh);
    overview.showEnded(ended, state.experiments, refresh);
    start.showPoints(state.points);
    feed.showRules(state);
    showPages(state);
    showServer(state);
    problem(state.share?.error ? sentence(`Not synchronized with the group '${state.share.group}': ${state.share.error}`) : "");
    answered = Date.now();
    const injected = await pill.seen(state);
    if (reading === readings) pill.show(state, injected);
  } catch (error) {
    if (reading !== readings) return;
    if (error.status === 404) page = ""; // a reload has removed the rule before this page
    pill.lose(answered);
    problem(error.message + " The values on this page may be outdated.");
  }
  if (!document.hidden) timer = setTimeout(refresh, period);
}

// showServer shows which Caddy answers, and that it is another process than before.
function showServer({ server }) {
  if (!server) return;
  text(byId("server"), [server.node, `Caddy ${server.version}`, `since ${clock(server.started)}`].filter(Boolean).join(" · "));
  if (started && started !== server.started) banner("restarted", `Caddy restarted at ${clock(server.started)}. Its experiments have ended. Counts, feed and activity began again.`);
  started = server.started;
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

// view shows the section that the fragment of the address names, with the parameters
// after a question mark. Without a fragment it shows the first section. An unknown
// fragment changes nothing.
function view() {
  const views = [...document.querySelectorAll("main > section")];
  const [name, query = ""] = location.hash.slice(1).split("?", 2);
  const wanted = name || views[0].id;
  const shown = views.find((section) => section.id === wanted) ?? views.find((section) => !section.hidden);
  for (const section of views) section.hidden = section !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + shown.id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const params = new URLSearchParams(query);
  for (const [id, module] of Object.entries({ overview, clients, activity })) module.route(shown.id === id, params);
  feed.watch(shown.id === "feed");
  return shown.id;
}

byId("first-rules").addEventListener("click", () => turnTo(""));
byId("next-rules").addEventListener("click", () => turnTo(following));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps the view, so that a reload shows it again
  byId("main").focus();
});
addEventListener("hashchange", (event) => {
  const sameView = event.oldURL.split("?")[0] === event.newURL.split("?")[0];
  banner("restarted", "");
  view();
  if (!sameView) scrollTo(0, 0);
  if (!document.hidden) refresh();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

text(byId("where"), location.host);
explain.begin();
feed.begin();
overview.begin();
clients.begin();
activity.begin();
turn.begin(refresh);
keys.begin(turn.halt, () => document.querySelector("main > section:not([hidden])").id);
view();
chart.begin();
refresh();
