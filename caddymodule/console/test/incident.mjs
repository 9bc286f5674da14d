// What people look at during an incident: the state, the overview, the clients and the
// activity, in a real browser, in front of a real Caddy:
//
//   CADDY=<binary> CHROMIUM=<binary> MODULES=<folder of node_modules> node incident.mjs
//
// With SHOTS=<folder> it also makes a picture of each view. With UPDATE=1 it writes the
// accessibility trees in trees/, which it otherwise compares. TEST=<text> selects tests.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import { ask, browse, close, freePorts, open as openAt, run, start, stateOf, until, violations } from "./harness.mjs";

const { SHOTS, UPDATE } = process.env;
const trees = new URL("./trees/", import.meta.url);
const evil = "<img src=x onerror=window.stung=true>";

const [site, upstream, port] = await freePorts(3);
const origin = `http://127.0.0.1:${port}`;
const caddyfile = (dir, more = "") => `{
    admin off
    persist_config off
    auto_https off
    default_bind 127.0.0.1
    storage file_system ${dir}/storage
    ${more}
  }
  http://shop.localhost:${site} {
    fault /api/* {
      point api
      rule busy {
        match path /api/orders
        percent 60
        respond 503 {
          header Retry-After 1
        }
      }
      rule gone {
        match path /api/gone
        close
      }
    }
    fault {
      point shop
    }
    reverse_proxy 127.0.0.1:${upstream}
  }
  http://blog.localhost:${site} {
    fault /old/* {
      point blog
      trigger header
      respond 551
    }
    reverse_proxy 127.0.0.1:${upstream}
  }
  :${upstream} {
    respond "hello from the upstream"
  }
  :${port} {
    fault_console
  }`;

const caddy = await start((dir) => caddyfile(dir));
const browser = await browse();
const open = (options, at) => openAt(browser, origin, options, at);

const shop = (target, headers = {}, ...rest) => ask(site, target, { Host: "shop.localhost", ...headers }, ...rest);
const change = (method, target, body) => ask(port, "/fault/" + target, { Origin: origin, "Content-Type": "application/json" }, method, body === undefined ? "" : JSON.stringify(body));
const view = (page, name) => page.locator(`nav a[href="#${name}"]`).click();
const row = (page, name) => page.locator(`[data-experiment="${name}"]`);

// retry calls like a client that waits too little.
async function retry(target, waits, headers) {
  for (const wait of [...waits, null]) {
    const { status } = await shop(target, headers).catch(() => ({ status: 0 }));
    if (status === 200 || wait === null) return;
    await new Promise((later) => setTimeout(later, wait));
  }
}

// tree compares the accessibility tree of the page with the kept one. What differs from
// run to run is replaced.
async function tree(page, name) {
  const text = (await page.locator("body").ariaSnapshot())
    .replaceAll(/(127\.0\.0\.1|shop\.localhost):\d+/g, "HOST").replaceAll(/\d\d:\d\d:\d\d/g, "TIME")
    .replaceAll(/\d+ min( \d+ s)? left|\d+ s left/g, "LEFT").replaceAll(/last (\d+ s|minute)/g, "PERIOD").replaceAll(/PERIOD · (< )?[\d.]+ %/g, "PERIOD").replaceAll(/(in the last hour: )\d+/g, "$1N")
    .replaceAll(/- text: .* · Caddy \S+ · faults \S+ · since .*/g, "- text: SERVER")
    .replace(/- status: (Armed|Injecting)(\n +- text: \S+\/s.*)?/, "- status: STATE").replace(/(status: No answer\n +- text: ).*/, "$1KNOWN")
    .replaceAll(/(definition: )"\d+"/g, "$1NUMBER").replaceAll(/\d+ (injected|passed)/g, "N $1")
    .replace(/ +- 'img "Chart[\s\S]*?(?= +- group: Show as a table)/, (chart) => chart.match(/^ +/)[0] + "- text: CHART\n")
    .replace(/\n- status: .*$/, ""); // what the last action did, for some seconds
  const file = new URL(name + ".yml", trees);
  if (UPDATE) {
    await mkdir(trees, { recursive: true });
    return writeFile(file, text + "\n");
  }
  assert.equal(text + "\n", await readFile(file, "utf8"), `the tree of ${name}; to keep the new one, run with UPDATE=1`);
}

// clean leaves no experiment and an armed switch.
async function clean() {
  const { experiments } = JSON.parse((await ask(port, "/fault/experiments")).body);
  for (const { name } of experiments) await change("DELETE", "experiments/" + name);
  await change("POST", "resume");
}

// instead lets a page see other answers than those of Caddy.
async function instead(page, path, alter) {
  await page.route(path, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: alter(await answer.json()) });
  });
}

const time = (s) => new Date(Date.UTC(2020, 1, 3, 12, 0, 0) + s * 1000).toISOString();

// attempts returns the attempts of a call: from, to, status, Retry-After.
const attempts = (...all) => all.map(([n, from, to, status, told]) => ({ n, start: time(from), end: to === null ? undefined : time(to), status, outcome: status === 200 ? "passed" : status ? "reply" : "no_reply", rule: status === 200 ? undefined : "busy", retry_after: told }));

// report is a report with two clients, and the calls of the first.
const report = () => ({
  since: time(0), enough: true, calls: 3, periods: [],
  clients: [
    { client: "calm", calls: 1, attempts: 2, attempts_per_call: 2, outcomes: { recovered: 1 }, findings: [], undecided: [] },
    { client: "hasty", calls: 2, attempts: 9, attempts_per_call: 4.5, outcomes: { recovered: 1, gave_up: 1 },
      findings: [
        { finding: "retry_after_ignored", level: "error", count: 2, of: 2, text: "waited 1.00 s (median), was told to wait 4.00 s", evidence: [{ call: "a", point: "api", path: "/pay", times: [], outcomes: ["reply 503", "reply 503"] }] },
        { finding: "unsafe_retry", level: "warning", count: 1, text: "repeats a request", evidence: [] }],
      undecided: [{ finding: "no_jitter", why: "needs 20 first waits, has 2" }, { finding: "no_growth", why: "needs 20 first waits, has 2" }] },
  ],
  recorded: { calls: [
    { client: "hasty", call: "a", method: "POST", host: "shop", path: "/pay", point: "api", outcome: "recovered", count: 3, attempts: attempts([1, 0, 0.1, 503, 4], [2, 1.1, 1.2, 503, 4], [3, 6, 6.1, 200]) },
    { client: "hasty", call: "b", method: "GET", host: "shop", path: "/list", point: "api", outcome: "gave_up", count: 6, attempts: attempts([1, 0, 0.1, 0], [2, 0.5, 0.6, 503], [6, 3, null, 0]) },
  ] },
});

const tests = {
  async "the state says what is injected, and who has halted it and why"() {
    const page = await open();
    const state = page.locator("#status-text");
    await page.locator("#status-text", { hasText: /^Armed$/ }).waitFor();
    assert.match(await page.title(), /^Armed – Faults on \S+$/);
    await until("a hit", async () => (await shop("/api/gone").catch(() => "hit")) === "hit");
    await page.locator("#status-text", { hasText: /^Injecting$/ }).waitFor();
    assert.match(await page.locator("#status-more").textContent(), /^\d+(\.\d)?\/s/);
    assert.match(await page.title(), /^Injecting [\d.]+\/s – Faults on \S+$/);
    assert.equal(await page.locator("#halt-note").isVisible(), false);
    await page.getByRole("button", { name: "Halt all faults" }).click();
    await page.locator("#status-text", { hasText: /^Halted at \S+ by api: no fault is injected$/ }).waitFor();
    assert.match(await page.title(), /^Halted – Faults on/);
    const before = await state.textContent();
    await page.getByLabel("Why are faults halted?").fill("orders are really down");
    await page.keyboard.press("Enter");
    await page.locator("#status-more", { hasText: "“orders are really down”" }).waitFor();
    await page.locator("#halt-note").waitFor({ state: "hidden" });
    assert.equal(await state.textContent(), before, "the note has changed the halt");
    assert.equal(await page.evaluate(() => document.activeElement.id), "resume");
    await page.getByRole("button", { name: "Resume faults …" }).click();
    await page.getByRole("button", { name: "Resume faults", exact: true }).click();
    await page.locator("#status-text", { hasText: /^Armed$/ }).waitFor(); // no hit since then
    await instead(page, stateOf, (json) => ({ ...json, halted: true, since: time(0), why: "api", by: "ada" }));
    await page.getByText(/Halted at 3 Feb \S+ by ada/).waitFor();
    await close(page);
  },

  async "a note that comes after a resume does not halt again"() {
    await change("POST", "halt");
    const page = await open();
    const note = page.getByLabel("Why are faults halted?");
    await note.fill("orders are down");
    await page.route("**/fault/halt", async (route) => { // somebody is faster
      await change("POST", "resume");
      await route.continue();
    });
    await note.press("Enter");
    await page.getByText("Faults are not halted, so there is no halt for the note.").waitFor();
    await page.locator("#status-text", { hasText: /^Armed$/ }).waitFor();
    assert.equal(JSON.parse((await ask(port, "/fault/")).body).halted, false);
    await instead(page, stateOf, (json) => ({ ...json, halted: true, since: time(0), why: "configuration" }));
    await page.getByText(/Halted at/).waitFor();
    assert.equal(await page.locator("#halt-note").isVisible(), false, "the configuration takes no note");
    await close(page);
  },

  async "what points see is shown if Caddy knows it"() {
    const page = await open();
    let seen = { over: 10, all: { count: 500, injected: 16, injected_rate: 1.6 } };
    const asked = [];
    await page.route("**/fault/seen?over=*", (route) => { asked.push(new URL(route.request().url()).search); return route.fulfill({ json: seen }); });
    await page.reload();
    await page.locator("#status-more", { hasText: "1.6/s · 3.2 % of traffic" }).waitFor();
    assert.match(asked[0], /^\?over=\d+s&by=all$/);
    seen = { over: 10, all: { count: 0, injected: 0, injected_rate: 0 } };
    await page.locator("#status-text", { hasText: /^Armed$/ }).waitFor();
    assert.equal(await page.locator("#status-more").textContent(), "");
    seen = { over: 10, all: { count: 90000, injected: 1, injected_rate: 12.4 } };
    await page.locator("#status-more", { hasText: "12/s · < 0.1 % of traffic" }).waitFor();
    await close(page);
  },

  async "many real errors are marked, and a rule keeps its color"() {
    const page = await open();
    let minute = { count: 1000, injected: 1234, real_errors: 9 };
    let rules = ["one", "two"];
    await page.route("**/fault/seen?over=60s*", (route) => route.fulfill({ json: { over: 60, all: minute } }));
    await instead(page, "**/fault/seen?window=*", (json) => ({ ...json, since: undefined,
      rules: rules.map((rule, i) => ({ point: "shop", rule, count: 9 - i, hits: json.total.map((_, at) => (at === 5 ? 9 - i : 0)) })) }));
    await page.locator("#sum-hits", { hasText: "1,234" }).waitFor();
    await page.locator("#part-real", { hasText: "last minute · 0.9 %" }).waitFor();
    assert.equal(await page.locator("#real.broken").count(), 0);
    minute = { ...minute, real_errors: 11 };
    await page.locator("#real.broken", { hasText: "last minute · 1.1 %" }).waitFor();
    const entry = (rule) => page.locator("#chart-legend li", { hasText: "shop/" + rule });
    const looks = () => Promise.all(["one", "two"].map((rule) => entry(rule).locator("rect").getAttribute("fill")));
    await entry("two").waitFor();
    const before = await looks();
    rules = ["two", "three", "one"]; // in the order of their hits
    await entry("three").waitFor();
    assert.deepEqual(await looks(), before);
    assert.notEqual(before[0], before[1]);
    const width = (part) => page.locator("#chart-picture " + part).first().evaluate((node) => node.getBBox().width);
    assert.ok(await width(".area") < await width(".grid") / 50, "an area has an edge where it has no height");
    await close(page);
  },

  async "on a small screen everything to press is 44 pixels high"() {
    await change("PUT", "experiments/pressed", { points: ["shop"], match: [{ path: ["/pressed"] }], percent: 10, faults: [{ fault: "close" }] });
    const page = await open({ viewport: { width: 360, height: 740 } });
    await row(page, "pressed").waitFor();
    await page.locator("#points h4").nth(2).waitFor();
    for (const name of ["overview", "start", "feed", "clients", "activity", "explain", "catalog"]) {
      await view(page, name);
      if (name === "catalog") await page.locator("#codes button").first().waitFor();
      const small = await page.evaluate(() => [...document.querySelectorAll("button, select, textarea, summary, label.check, nav a, .foot a, .figures a, input:not([type=checkbox])")]
        .filter((node) => node.checkVisibility() && node.getBoundingClientRect().height < 43.9).map((node) => `${node.id || node.textContent}: ${node.getBoundingClientRect().height}`));
      assert.deepEqual(small, [], name);
    }
    await clean();
    await close(page);
  },

  async "a halted form says so, and the wall can be left without a keyboard"() {
    const page = await open({}, "/#start");
    await page.locator("#start-halted").waitFor({ state: "hidden" });
    await change("POST", "halt");
    await page.getByText("An experiment cannot start before you resume faults.").waitFor();
    await change("POST", "resume");
    await page.locator("#start-halted").waitFor({ state: "hidden" });
    await page.getByRole("link", { name: "Wall mode" }).click();
    await page.locator("nav").waitFor({ state: "hidden" });
    assert.equal(await page.locator("select:visible, summary:visible").count(), 0);
    await page.getByRole("link", { name: "Leave wall mode" }).click();
    await page.locator("nav").waitFor();
    await close(page);
  },

  async "the percentage of a running experiment is turned"() {
    await change("PUT", "experiments/turned", { points: ["shop"], match: [{ path: ["/turn"] }], percent: 10, faults: [{ fault: "respond", status_code: 599 }], ttl: "5m", note: "game day" });
    const page = await open();
    const control = row(page, "turned").getByRole("group", { name: "Percentage of turned" });
    const field = control.getByRole("spinbutton");
    const is = async (percent) => {
      const { experiment, time_left: left } = JSON.parse((await ask(port, "/fault/experiments/turned")).body);
      return experiment.percent === percent && left > 200 && left <= 300;
    };
    await row(page, "turned").getByText("at shop, by api: game day").waitFor();
    assert.equal(await field.inputValue(), "10");
    const plus = control.getByRole("button", { name: "Increase percentage of turned" });
    await plus.focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press("Enter"); // three presses are one change
    await until("25 %", () => is(25));
    await control.getByRole("button", { name: "Decrease percentage of turned" }).click();
    await until("20 %", () => is(20));
    await field.fill("33.5");
    await field.press("Enter");
    await until("33.5 %", () => is(33.5));
    await field.fill("700");
    await field.press("Enter");
    await until("the field is marked", async () => await field.getAttribute("aria-invalid") === "true");
    await field.press("Escape");
    assert.equal(await field.inputValue(), "33.5");
    await field.fill("100");
    await field.press("Tab");
    await until("100 %", () => is(100));
    assert.equal((await shop("/turn")).status, 599);
    const changes = JSON.parse((await ask(port, "/fault/activity")).body).activity.filter((act) => act.what === "changed" && act.experiment === "turned");
    assert.equal(changes.length, 4);
    await page.route("**/fault/experiments/turned", (route) => route.fulfill({ status: 412, json: { error: "changed by somebody else" } }));
    await plus.focus();
    await control.getByRole("button", { name: "Decrease percentage of turned" }).click();
    await page.locator("#toast", { hasText: "changed by somebody else." }).waitFor({ state: "attached" });
    await page.route("**/fault/**", (route) => route.abort());
    await control.getByRole("button", { name: "Decrease percentage of turned" }).click();
    await page.locator("#toast", { hasText: "Caddy does not answer." }).waitFor({ state: "attached" });
    await until("the percentage that is not changed", async () => await field.inputValue() === "100");
    await page.unroute("**/fault/**");
    await page.unroute("**/fault/experiments/turned");
    await change("PUT", "experiments/spared", { points: ["shop"], match: [{ path: ["/spared"] }], percent: 10, faults: [{ fault: "close" }], ttl: "5m" });
    await row(page, "spared").waitFor();
    await page.route("**/fault/experiments/turned", async (route) => {
      await change("DELETE", "experiments/turned"); // while somebody changes it
      return route.continue();
    });
    await field.fill("30");
    await field.press("Tab");
    await page.locator("#toast", { hasText: "turned has already ended." }).waitFor({ state: "attached" });
    await row(page, "turned").waitFor({ state: "detached" });
    await page.keyboard.press("Enter"); // which presses nothing of the next row
    await page.waitForFunction(() => document.activeElement.dataset.experiment === "spared");
    assert.equal(JSON.parse((await ask(port, "/fault/experiments/spared")).body).experiment.percent, 10);
    await clean();
    await close(page, /net::ERR_FAILED/);
  },

  async "points are grouped by site, and an address shows a part of them"() {
    const page = await open();
    const headings = () => page.locator("#points h3, #points h4 > span:first-child").allTextContents();
    await page.locator("#points h4").nth(2).waitFor();
    assert.deepEqual(await headings(), ["shop.localhost", "api", "shop", "blog.localhost", "blog"]);
    await page.keyboard.press("/");
    await page.keyboard.type("551");
    await until("the server has searched", async () => (await headings()).join() === "blog.localhost,blog");
    await page.waitForURL((url) => url.hash === "#overview?q=551");
    await page.locator("#find").fill("nothing");
    await page.locator("#none-match").waitFor();
    await page.goto(origin + "/#overview?q=api");
    await page.reload();
    await page.locator("#points h4").first().waitFor();
    assert.deepEqual(await headings(), ["shop.localhost", "api"]);
    await page.goto(origin + "/#overview?rule=rule1");
    await page.locator('.named[data-rule="rule1"]').waitFor();
    await page.goto(origin + "/#overview?rule=busy");
    await page.locator('.named[data-rule="busy"]').waitFor();
    assert.equal(await page.locator(".named").count(), 1);
    await page.goto(origin + "/#overview?wall");
    await page.locator("nav").waitFor({ state: "hidden" });
    assert.equal(await page.locator("button:visible, input:visible").count(), 0);
    await page.keyboard.press("Escape");
    await page.locator("nav").waitFor();
    await page.getByRole("link", { name: /injected/ }).first().click();
    await page.waitForURL((url) => /^#feed\?rule=busy$/.test(url.hash));
    await close(page);
  },

  async "the clients and their calls are shown"() {
    const page = await open();
    await page.route("**/fault/clients*", (route) => {
      const wanted = new URL(route.request().url()).searchParams.get("client");
      const all = report();
      return route.fulfill({ json: { ...all, clients: all.clients.filter((c) => !wanted || c.client === wanted) } });
    });
    await view(page, "clients");
    const rows = page.locator("#client-rows > li");
    await rows.nth(1).waitFor();
    assert.match(await rows.first().textContent(), /^hasty 1 error 1 warning 2 undecided retry_after_ignored: .*2 calls, 9 attempts, 4.5 attempts per call: 1 recovered, 1 gave up$/);
    assert.match(await rows.nth(1).textContent(), /^calm ok/);
    await tree(page, "clients");
    await page.locator("#client-search").fill("unsafe");
    await rows.nth(1).waitFor({ state: "detached" });
    await page.waitForURL((url) => url.hash === "#clients?q=unsafe");
    await page.getByRole("link", { name: "hasty" }).click();
    const drawing = page.locator(".timeline");
    await drawing.waitFor();
    await page.waitForURL((url) => url.hash === "#clients?client=hasty");
    assert.equal(await drawing.locator(".mark.failed").count(), 5);
    assert.equal(await drawing.locator(".mark.good").count(), 1);
    assert.equal(await drawing.locator(".told").count(), 2);
    assert.equal(await drawing.locator(".ignored").count(), 1); // the second wait was long enough
    assert.equal(await drawing.locator(".wait.missing").count(), 1);
    assert.deepEqual(await drawing.locator("g[data-call=a] .label").allTextContents(), ["503", "503", "200"]);
    assert.deepEqual(await drawing.locator("g[data-call=b] .label").allTextContents(), ["no reply", "503", "open"]);
    assert.match(await drawing.locator("g[data-call=a] title").textContent(), /^POST \/pay at api: 1: 503 after 100 ms, told to wait 4 s; waited 1 s, 2: 503/);
    await page.getByText("Show the calls as a table").click();
    await page.getByRole("cell", { name: "1 s, too early" }).waitFor();
    await page.getByRole("cell", { name: "3 attempts not kept" }).waitFor();
    await page.getByText("2 undecided: too little evidence").click();
    await page.getByText("no_jitter, no_growth: needs 20 first waits, has 2").waitFor();
    await tree(page, "client");
    await page.reload();
    await drawing.waitFor();
    await page.goto(origin + "/#clients?client=nobody");
    await page.getByText("No client is called 'nobody'.").waitFor();
    await page.getByRole("link", { name: "Show all clients" }).click();
    await rows.nth(1).waitFor();
    await close(page);
  },

  async "what somebody reads of a client stays while calls come"() {
    const page = await open();
    const now = report();
    const [calm, hasty] = now.clients;
    now.recorded.calls = Array.from({ length: 12 }, (_, i) => ({ ...now.recorded.calls[0], call: "c" + i }));
    await page.route("**/fault/clients*", (route) => route.fulfill({ json: now }));
    await view(page, "clients");
    const first = page.locator("#client-rows > li").first();
    await page.getByRole("link", { name: "calm" }).focus();
    Object.assign(calm, { calls: 9, findings: hasty.findings });
    await first.getByText("calm").waitFor();
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    assert.equal(await focused(), "calm");
    await page.getByRole("link", { name: "hasty" }).click();
    await page.getByText("Show the calls as a table").click();
    await page.getByText("2 undecided: too little evidence").click();
    const table = page.getByRole("region", { name: "Calls" });
    await table.evaluate((node) => { node.scrollTop = 40; });
    await page.evaluate(() => scrollTo(0, 1e6)); // the focus is above
    const scrolled = await page.evaluate(() => scrollY);
    assert.ok(scrolled > 200);
    hasty.calls = 3;
    await page.getByText("3 calls, 9 attempts").waitFor();
    assert.deepEqual(await page.locator("#client details").evaluateAll((all) => all.map((node) => node.open)), [true, true]);
    assert.equal(await focused(), "2 undecided: too little evidence");
    assert.equal(await table.evaluate((node) => node.scrollTop), 40);
    assert.equal(await page.evaluate(() => scrollY), scrolled);
    await close(page);
  },

  async "real clients are drawn"() {
    const page = await open();
    await view(page, "clients");
    await until("a client that ignores Retry-After", async () => {
      await retry("/api/orders", [20, 20, 20], { "User-Agent": "eager/1", "Idempotency-Key": String(Math.random()) });
      return await page.locator("#client-rows > li", { hasText: "retry_after_ignored" }).count() === 1;
    });
    await page.getByRole("link", { name: "eager/1" }).click();
    await page.locator(".timeline .ignored").first().waitFor();
    await close(page);
  },

  async "no client, and clients that are not recorded, say what to do"() {
    const page = await open();
    let answer = { json: { clients: [], periods: [], calls: 0 } };
    await page.route("**/fault/clients*", (route) => route.fulfill(answer));
    await view(page, "clients");
    await page.getByText("No client has met a fault yet.").waitFor();
    await tree(page, "clients-none");
    answer = { status: 404, json: { error: "clients are not recorded; remove the line 'clients off' from the global option fault" } };
    await page.getByText("remove the line 'clients off' from the global option fault. Then reload the configuration.").waitFor();
    await page.locator("#status-text", { hasText: /Armed|Injecting/ }).waitFor(); // the rest of the page works
    await close(page);
  },

  async "the activity says who has done what"() {
    await change("POST", "halt", { note: "lunch" });
    await change("POST", "resume");
    const page = await open({}, "/#activity");
    const first = page.locator("#acts > li").first();
    await first.getByText("api resumed faults").waitFor();
    await page.locator("#acts > li").nth(1).getByText("“lunch”").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("lunch");
    await page.locator("#acts > li").nth(1).waitFor({ state: "detached" });
    await page.waitForURL((url) => url.hash === "#activity?q=lunch");
    await page.locator("#act-search").fill("nothing of that name");
    await page.getByText("No change matches the search.").waitFor();
    const at = time(0);
    await page.route("**/fault/activity", (route) => route.fulfill({ json: { activity: [
      { at, what: "started", experiment: "a", by: "ada", line: "close", note: "why" },
      { at, what: "changed", experiment: "a", by: "eve", line: "percent 5; close" }, { at, what: "extended", experiment: "a", by: "eve" },
      { at, what: "stopped", experiment: "a", by: "eve" }, { at, what: "expired", experiment: "b" }, { at, what: "reloaded" },
      { at, what: "switched_off", rule: "api/busy", by: "ada" }, { at, what: "switched_on", rule: "api/busy", by: "ada" },
      { at, what: "halted", by: "halt_when", ended: "a, b", note: "more than 50 upstream errors within 1m0s" }, { at, what: "noted", by: "ada", note: "real" }, { at, what: "resumed", by: "ada" },
    ] } }));
    await page.goto(origin + "/#activity");
    await page.getByText("halt_when halted all faults. Ended: a, b.").waitFor();
    assert.equal(await page.locator("#acts > li").count(), 11);
    await tree(page, "activity");
    await page.unroute("**/fault/activity");
    await page.route("**/fault/activity", (route) => route.fulfill({ json: { activity: [] } }));
    await page.getByText("Nobody has changed anything yet.").waitFor();
    await close(page);
  },

  async "keys do what the list of keys says, unless they are switched off"() {
    const page = await open();
    const shown = () => page.locator("main > section:not([hidden])").getAttribute("id");
    for (const [i, name] of ["overview", "start", "feed", "clients", "activity", "explain", "catalog"].entries()) {
      await page.keyboard.press(String(i + 1));
      await until(name, async () => await shown() === name); // the address changes first
    }
    await page.keyboard.press("/");
    await page.keyboard.type("h?1"); // text
    assert.equal(await page.locator("#code-search").inputValue(), "h?1");
    await page.locator("#main").focus();
    await page.keyboard.press("Control+h");
    await page.keyboard.press("x");
    await page.keyboard.press("?");
    await page.locator("#keys").waitFor();
    await page.keyboard.press("h"); // a dialog is open
    await tree(page, "keys");
    await page.keyboard.press("Escape");
    assert.ok(await page.locator("#halt").isVisible());
    await page.keyboard.press("h");
    await page.locator("#status-text", { hasText: "Halted at" }).waitFor();
    await change("POST", "resume");
    await page.locator("#halt").waitFor();
    await page.locator("#main").focus();
    await page.keyboard.press("?");
    await page.locator("#keys-on").uncheck();
    await page.getByRole("button", { name: "Close" }).click();
    await page.reload();
    await page.locator("#status-text", { hasText: /Armed|Injecting/ }).waitFor();
    for (const key of ["h", "1", "?", "/"]) await page.keyboard.press(key);
    assert.equal(await shown(), "catalog");
    assert.equal(await page.locator("#keys").isVisible(), false);
    assert.ok(await page.locator("#halt").isVisible());
    await close(page);
  },

  async "a lost server, a restart and no points say what is known and what to do"() {
    const page = await open();
    await page.locator("#points h4").first().waitFor();
    await page.route(stateOf, (route) => route.abort());
    await page.locator("#status-text", { hasText: "No answer" }).waitFor();
    assert.match(await page.locator("#status-more").textContent(), /^(armed|injecting .*) at \S+$/);
    await page.getByText("run caddy fault halt on the machine of Caddy").waitFor();
    await tree(page, "lost");
    await page.unroute(stateOf);
    await page.locator("#status-text", { hasText: /Armed|Injecting/ }).waitFor();
    assert.equal(await page.locator(".lost-help").isVisible(), false);
    await caddy.stop();
    await page.locator("#status-text", { hasText: "No answer" }).waitFor();
    await caddy.write((dir) => caddyfile(dir).replaceAll(/fault( \S+)? {[^]*?\n    }\n/g, ""));
    caddy.run();
    await page.getByText(/^Caddy restarted at \S+\. Its experiments have ended/).waitFor();
    await page.getByText("The running configuration has no injection point.").waitFor();
    await tree(page, "no-points");
    await caddy.stop();
    await caddy.write((dir) => caddyfile(dir));
    caddy.run();
    await page.locator("#points h4").first().waitFor();
    await view(page, "activity");
    await page.locator("#restarted").waitFor({ state: "hidden" });
    await close(page, /ERR_(FAILED|CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE)/);
  },

  async "names never become markup"() {
    const page = await open();
    const all = report();
    Object.assign(all.clients[1], { client: evil });
    Object.assign(all.clients[1].findings[0], { finding: evil, text: evil });
    Object.assign(all.clients[1].undecided[0], { finding: evil, why: evil });
    for (const one of all.recorded.calls) Object.assign(one, { client: evil, path: "/" + evil, host: evil, method: evil, point: evil });
    await page.route("**/fault/clients*", (route) => route.fulfill({ json: all }));
    await page.route("**/fault/activity", (route) => route.fulfill({ json: { activity: [{ at: time(0), what: evil, experiment: evil, by: evil, note: evil, line: evil }] } }));
    await instead(page, stateOf, (json) => ({ ...json, why: evil, by: evil, note: evil, halted: true, server: { node: evil, version: evil, started: time(0) }, points: [{ ...json.points[0], site: evil, point: evil }] }));
    await page.locator("#server", { hasText: evil }).waitFor();
    await view(page, "activity");
    await page.locator("#acts strong", { hasText: evil }).first().waitFor();
    await view(page, "clients");
    await page.getByRole("link", { name: evil }).click();
    await page.locator(".timeline .name").first().waitFor();
    await page.getByText("Show the calls as a table").click();
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.evaluate(() => window.stung), undefined);
    await close(page);
  },

  async "on paper nothing is blank, dark or a button"() {
    const page = await open({ colorScheme: "dark" });
    const rules = Array.from({ length: 49 }, (_, i) => ({ name: "rule" + i, line: "close", hits: 0, passed: {} }));
    await instead(page, stateOf, (json) => ({ ...json, points: [{ point: "many", rules }] }));
    await page.locator('[data-rule="rule48"]').waitFor({ state: "attached" });
    await page.emulateMedia({ media: "print" });
    const last = page.locator('[data-rule="rule48"]');
    assert.equal(await last.evaluate((row) => getComputedStyle(row).contentVisibility), "visible");
    assert.ok(await last.locator(".line").evaluate((line) => line.getBoundingClientRect().height > 0));
    assert.equal(await page.locator("button:visible, input:visible, select:visible, nav:visible").count(), 0);
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(246, 247, 249)");
    assert.equal(await page.locator(".top").evaluate((top) => getComputedStyle(top).position), "static");
    await page.locator("#chart-picture .total").waitFor({ state: "attached" });
    await close(page);
  },

  async "a halted server that is lost stays halted, and a search is only text"() {
    const page = await open();
    await page.locator("#halt").click();
    await page.locator("#status-text", { hasText: "Halted at" }).waitFor();
    await page.route("**/fault/**", (route) => route.abort());
    await page.locator("#status-text", { hasText: "No answer" }).waitFor();
    assert.match(await page.locator("#status-more").textContent(), /^halted at \S+$/);
    assert.match(await page.title(), /^No answer – Faults on/);
    await page.unroute("**/fault/**");
    await page.locator("#status-text", { hasText: "Halted at" }).waitFor();
    await change("POST", "resume");
    await page.locator("#find").fill(`${evil}&limit=0#?`);
    await page.locator("#none-match").waitFor();
    await page.locator("#find").fill("");
    await page.locator("#points h4").nth(2).waitFor();
    assert.equal(await page.locator("img").count(), 0);
    await close(page, /net::ERR_FAILED/);
  },

  async "no violation of axe-core, in both themes and widths"() {
    await change("PUT", "experiments/shown", { points: ["shop"], match: [{ path: ["/shown"] }], percent: 10, faults: [{ fault: "close" }], note: "w".repeat(100) });
    await change("PUT", "experiments/past", { points: ["shop"], match: [{ path: ["/past"] }], faults: [{ fault: "close" }] });
    await change("DELETE", "experiments/past");
    for (const colorScheme of ["light", "dark"]) {
      const page = await open({ colorScheme });
      await page.route("**/fault/clients*", (route) => route.fulfill({ json: report() }));
      await page.route("**/fault/seen?over=*", (route) => route.fulfill({ json: { all: { count: 10, rate: 1, injected: 1, injected_rate: 1, real_errors: 0 } } }));
      await page.reload();
      await page.locator("#status-text", { hasText: "Injecting" }).waitFor();
      await page.locator("#past summary").click();
      const check = async (what) => {
        for (const width of [1280, 360]) {
          await page.setViewportSize({ width, height: 800 });
          assert.deepEqual(await violations(page), [], `${what}, ${colorScheme}, ${width}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= width, `${what} is ${wide} pixels wide on ${width}`);
        }
      };
      await check("overview");
      if (colorScheme === "light") await tree(page, "overview");
      await view(page, "explain");
      await page.locator("#explain-url").fill(`http://shop.localhost:${site}/api/orders`);
      await page.locator("#explain-url").press("Enter");
      await page.locator("#explained .verdict").waitFor();
      for (const node of await page.locator("#explained summary").all()) await node.click();
      await page.locator('#explained [data-rule="busy"]').waitFor();
      await check("explain");
      if (colorScheme === "light") await tree(page, "explain");
      for (const name of ["clients", "activity"]) {
        await view(page, name);
        await page.locator(`#${name} li`).first().waitFor();
        await check(name);
      }
      await page.goto(origin + "/#clients?client=hasty");
      await page.locator(".timeline").waitFor();
      await page.getByText("Show the calls as a table").click();
      await check("one client");
      await page.locator("#keys-show").click();
      await check("the keys");
      await page.keyboard.press("Escape");
      await page.goto(origin + "/#overview?wall");
      await check("the wall");
      await page.goto(origin + "/#overview");
      await page.locator("#halt").click();
      await page.locator("#halt-note").waitFor();
      await check("halted");
      if (colorScheme === "light") await tree(page, "halted");
      await change("POST", "resume");
      await close(page);
    }
    await clean();
  },

  async "pictures"() {
    if (!SHOTS) return;
    await mkdir(SHOTS, { recursive: true });
    await change("PUT", "experiments/checkout-latency", { points: ["shop"], match: [{ path: ["/checkout/*"] }], percent: 20, faults: [{ fault: "delay", min: "200ms", max: "900ms" }], ttl: "20m", note: "game day: does the shop time out?" });
    await change("PUT", "experiments/old", { points: ["shop"], match: [{ path: ["/none"] }], faults: [{ fault: "close" }] });
    await change("DELETE", "experiments/old");
    await change("PATCH", "experiments/checkout-latency", { percent: 40 });
    await change("POST", "halt", { note: "the payment provider is really down" });
    await change("POST", "resume");
    await change("PUT", "experiments/checkout-latency", { points: ["shop"], match: [{ path: ["/checkout/*"] }], percent: 40, faults: [{ fault: "delay", min: "200ms", max: "900ms" }], ttl: "20m", note: "game day: does the shop time out?" });
    const page = await open();
    const clients = [];
    for (let i = 0; i < 14; i++) {
      clients.push(retry("/api/orders", [300, 1200, 400, 1100], { "User-Agent": "checkout/2.1", "Idempotency-Key": "k" + i }));
      clients.push(retry("/api/gone", [5, 5, 5, 5], { "User-Agent": "mailer/1.0", "X-Request-Id": "m" + i, "Idempotency-Key": "m" + i }));
      clients.push(shop("/checkout/basket").catch(() => {}));
      await new Promise((later) => setTimeout(later, 250));
    }
    await Promise.all(clients);
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1280, 360]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: width === 360 ? 740 : 800 });
        for (const at of ["overview", "clients", "clients?client=checkout%2F2.1+127.0.0.1", "activity"]) {
          await page.evaluate((hash) => { location.hash = hash; }, at);
          await page.waitForTimeout(1300);
          await page.screenshot({ path: path.join(SHOTS, `${at.split("?")[0]}${at.includes("?") ? "-one" : ""}-${colorScheme}-${width}.png`), fullPage: true });
        }
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.evaluate(() => { location.hash = "overview?wall"; });
    await page.waitForTimeout(1300);
    await page.screenshot({ path: path.join(SHOTS, "wall.png") });
    await page.evaluate(() => { location.hash = "overview"; });
    await page.keyboard.press("?");
    await page.screenshot({ path: path.join(SHOTS, "keys.png") });
    await page.keyboard.press("Escape");
    await page.keyboard.press("h");
    await page.locator("#halt-note").waitFor();
    await page.screenshot({ path: path.join(SHOTS, "halted.png") });
    await change("POST", "resume");
    await close(page);
  },
};

await run(tests, () => until("caddy answers", () => ask(port, "/")), async (failed) => {
  await browser.close();
  await caddy.remove();
  if (failed) console.error(caddy.log.split("\n").filter((line) => /"level":"(warn|error)"/.test(line)).join("\n"));
});
