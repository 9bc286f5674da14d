// The console. It reads and shows the state once a second, and turns the switch.

import * as activity from "./activity.js";
import { call } from "./api.js";
import * as catalog from "./catalog.js";
import * as chart from "./chart.js";
import * as clients from "./clients.js";
import { address, banner, byId, clock, sentence, text } from "./dom.js";
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
let loaded = false; // the kinds, which do not change while Caddy runs
let shown = ""; // the name of the view
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
    const asked = overview.query(shown === "overview"); // which may be another one when the answer comes
    const state = await call("GET", asked);
    const views = await Promise.all([read(), clients.refresh(), activity.refresh(state), catalog.refresh()]);
    if (reading !== readings) return;
    turn.show(state);
    show(state, asked, views[0]);
    showServer(state);
    problem(state.share?.error ? sentence(`Not synchronized with the group '${state.share.group}': ${state.share.error}`) : "");
    answered = Date.now();
    const injected = await pill.seen(state);
    if (reading !== readings) return;
    pill.show(state, injected);
  } catch (error) {
    if (reading !== readings) return;
    pill.lose(answered);
    problem(error.message + " The values on this page may be outdated.");
  }
  if (!document.hidden) timer = setTimeout(refresh, period);
}

// read reads what the view needs besides the state.
async function read() {
  if (shown === "start" || shown === "feed") return call("GET", "points");
  if (shown !== "overview") return {};
  const [{ ended }, { all }] = await Promise.all([call("GET", "experiments?ended"), call("GET", "seen?over=60s&by=all")]);
  return { ended, minute: all };
}

// show shows the state that was asked for in the view, with what read has returned.
function show(state, asked, { points, ended, minute }) {
  if (points) {
    start.showPoints(points);
    feed.showRules(points, state.experiments);
  }
  if (!ended) return;
  overview.show(state, asked, minute, refresh);
  overview.showEnded(ended, state.experiments, refresh);
  chart.offer(state.points);
}

// showServer shows which Caddy answers, and that it is another process than before.
function showServer({ server }) {
  if (!server) return;
  text(byId("server"), [server.node, `Caddy ${server.version}`, server.faults && `faults ${server.faults}`, `since ${clock(server.started)}`].filter(Boolean).join(" · "));
  if (started && started !== server.started) banner("restarted", `Caddy restarted at ${clock(server.started)}. Its experiments have ended. Counts, feed and activity began again.`);
  started = server.started;
}

async function load() {
  const { kinds } = await call("GET", "kinds");
  if (loaded) return; // another refresh was faster
  loaded = true;
  start.begin(kinds, refresh);
}

const problem = (message) => banner("problem", message);

// view shows the section that the fragment of the address names, with the parameters
// after a question mark. Without a fragment it shows the first section. An unknown
// fragment changes nothing.
function view() {
  const views = [...document.querySelectorAll("main > section")];
  const { view: name, params } = address();
  const wanted = name || views[0].id;
  const found = views.find((section) => section.id === wanted) ?? views.find((section) => !section.hidden);
  shown = found.id;
  for (const section of views) section.hidden = section !== found;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const [id, module] of Object.entries({ overview, clients, activity, catalog })) module.route(shown === id, params ?? new URLSearchParams());
  feed.watch(shown === "feed");
}

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
overview.begin(refresh);
clients.begin();
activity.begin();
turn.begin(refresh);
keys.begin(turn.halt, () => shown);
view();
chart.begin();
refresh();
