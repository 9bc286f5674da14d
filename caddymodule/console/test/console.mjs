// The console in a real browser, in front of a real Caddy:
//
//   CADDY=<binary> CHROMIUM=<binary> MODULES=<folder of node_modules> node console.mjs
//
// MODULES has playwright-core and axe-core, in the versions of .ci/run. With
// PICTURE=<file> the test also makes the picture of the console, and with SHOTS=<folder>
// one picture of each view. With TEST=<part of a name> it runs only such tests.

import assert from "node:assert/strict";
import path from "node:path";

import { ask, axe, browse, close, freePorts, open as openAt, run, start, stateOf, until } from "./harness.mjs";

const { PICTURE, SHOTS } = process.env;
const views = ["overview", "start", "feed", "clients", "activity", "explain", "catalog"];
const evil = "<img src=x onerror=window.stung=true>";

// caddyfile returns a configuration that has a site with faults, its upstream, and
// consoles at all possible places.
function caddyfile(dir, site, upstream, console) {
  return `{
    admin off
    persist_config off
    auto_https off
    default_bind 127.0.0.1
    storage file_system ${dir}/storage
  }
  :${site} {
    fault /checkout/* {
      point checkout
      rule slow {
        percent 10
        delay 20ms 200ms
      }
      rule refused {
        percent 20
        respond 503
      }
    }
    fault /mail/* {
      point mail
      trigger header
      rule moved {
        respond 551
      }
    }
    fault {
      point site
    }
    reverse_proxy 127.0.0.1:${upstream}
  }
  :${upstream} {
    respond "hello from the upstream"
  }
  :${console} {
    handle_path /inside/* {
      fault_console
    }
    fault_console /beside*
    fault_console
  }`;
}

const [site, upstream, port] = await freePorts(3);
const origin = `http://127.0.0.1:${port}`;
const caddy = await start((dir) => caddyfile(dir, site, upstream, port));
const browser = await browse();

// open opens a page that waits longer for answers, because the machine may be busy.
const open = (options = {}, at = "/") => openAt(browser, origin, { viewport: { width: 1240, height: 860 }, ...options }, at,
  (page) => page.addInitScript(() => {
    const timeout = AbortSignal.timeout;
    AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms * 10);
  }));

const moved = (page) => page.locator('#explained [data-rule="moved"]', { hasText: "hits" });
const go = (page, view) => page.locator(`nav a[href="#${view}"]`).click();

// Each test leaves the switch armed and no experiment running.
const tests = {
  async "an experiment makes requests fail, halt makes them pass"() {
    const page = await open();
    await go(page, "start");
    await page.locator("#start-point").selectOption("*");
    await page.locator("#start-path").fill("/orders/*");
    await page.locator("#start-percent").fill("100");
    await page.locator("#start-settings input").first().fill("599");
    await page.getByText("The rule is valid.").waitFor();
    assert.equal(await page.locator("#start-line").inputValue(), "match path /orders/*\npercent 100\nrespond 599");
    await page.locator("#start-name").fill("orders");
    await page.locator("#start-note").fill("does the client retry?");
    await page.getByRole("button", { name: "Start experiment" }).click();
    const row = page.locator('[data-experiment="orders"]');
    await row.getByText(/9 min \d+ s left|10 min 0 s left/).waitFor();

    assert.equal((await ask(site, "/orders/7")).status, 599);
    await go(page, "feed");
    const entry = page.locator('#entries [data-rule="orders"]').first();
    await entry.getByText("/orders/7").waitFor();
    await entry.locator("summary").focus();
    await page.keyboard.press("Enter");
    await entry.locator("dd", { hasText: "respond" }).waitFor();
    await page.locator("#feed-rule").selectOption("slow");
    await page.locator("#none-found").waitFor();
    await page.locator("#feed-rule").selectOption("");

    await page.getByRole("button", { name: "Pause feed" }).click();
    const before = await page.locator("#entries > li").count();
    await ask(site, "/orders/8");
    await until("the paused page knows", async () => (await ask(port, "/fault/journal?rule=orders")).body.includes("/orders/8"));
    assert.equal(await page.locator("#entries > li").count(), before);
    await page.getByRole("button", { name: "Continue feed" }).click();
    await page.locator("#entries").getByText("/orders/8").waitFor();

    await page.getByRole("button", { name: "Halt all faults" }).click();
    await page.getByText(/Halted at .* by api/).waitFor();
    await page.locator("#toast", { hasText: "Halted. Ended 1 experiment: orders." }).waitFor({ state: "attached" });
    assert.equal((await ask(site, "/orders/9")).status, 200);
    assert.equal((await ask(site, "/mail/x")).status, 200);

    await page.getByRole("button", { name: "Resume faults …" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal((await ask(site, "/mail/x")).status, 200);
    await page.getByRole("button", { name: "Resume faults …" }).click();
    await page.getByRole("button", { name: "Resume faults", exact: true }).click();
    await page.getByText("Armed", { exact: true }).waitFor();
    assert.equal((await ask(site, "/mail/x")).status, 551);

    await go(page, "overview");
    await page.locator("#past summary").click();
    await page.getByRole("button", { name: "Repeat orders" }).click();
    await row.waitFor();
    assert.equal((await ask(site, "/orders/10")).status, 599);
    await page.getByRole("button", { name: "Extend 10 min orders" }).click();
    await row.getByText(/(19 min \d+|20 min 0) s left/).waitFor();
    await page.getByRole("button", { name: "Stop orders" }).click();
    await row.waitFor({ state: "detached" });
    assert.equal((await ask(site, "/orders/11")).status, 200);

    await page.getByRole("button", { name: "Switch off mail moved" }).click();
    await page.getByRole("button", { name: "Switch on mail moved" }).waitFor();
    assert.equal((await ask(site, "/mail/x")).status, 200);
    await page.getByRole("button", { name: "Switch on mail moved" }).click();
    await page.getByRole("button", { name: "Switch off mail moved" }).waitFor();
    await close(page);
  },

  async "many rules are shown step by step"() {
    const page = await open();
    const all = Array.from({ length: 120 }, (_, i) => ({ name: "rule" + i, line: i === 110 ? "delay 1s" : "close", hits: i, passed: {} }));
    const asked = [];
    await page.route(stateOf, (route) => {
      const query = new URL(route.request().url()).searchParams;
      asked.push(route.request().url());
      const found = all.filter((r) => `${r.name} ${r.line}`.includes(query.get("q") ?? ""));
      const rules = found.slice(0, Number(query.get("limit")));
      return route.fulfill({ json: { halted: false, active: 0, experiments: [], total: found.length, next: rules.length < found.length ? "?after=many/" + rules.at(-1).name : undefined, points: [{ point: "many", rules }] } });
    });
    await page.reload();
    const rows = page.locator("#points [data-rule]");
    await page.getByText("50 of 120 rules are shown.").waitFor();
    assert.equal(await rows.count(), 50);
    await page.getByRole("button", { name: "Show 50 more" }).click();
    await page.getByText("100 of 120 rules are shown.").waitFor();
    await page.getByRole("button", { name: "Show 20 more" }).click();
    await page.locator("#more-rules").waitFor({ state: "hidden" });
    assert.equal(await rows.count(), 120);
    await page.locator("#find").fill("delay 1s"); // the server searches in all rules
    await page.locator('#points [data-rule="rule110"]').waitFor();
    await until("the others are gone", async () => await rows.count() === 1);
    assert.match(asked.at(-1), /\?limit=50&q=delay\+1s$/);
    await page.goto(origin + "/#overview?rule=rule99"); // which is not among the first
    await page.locator('.named[data-rule="rule99"]').waitFor();
    assert.equal(await page.locator("#find").inputValue(), "rule99");
    await go(page, "clients");
    await until("the rules are not read", async () => asked.at(-1).endsWith("?limit=1"));
    await close(page);
  },

  async "the overview counts"() {
    const page = await open();
    await page.locator("#period", { hasText: /^Rows count the last \d+ s\.$/ }).waitFor();
    await until("a rule has been counted", async () => {
      await ask(site, "/mail/y");
      return await page.locator('#points [data-rule="moved"] .figures b').first().textContent() !== "0";
    });
    await until("a hit has been counted", async () => Number(await page.locator("#sum-hits").textContent()) > 0);
    // a new counter has counted since its beginning, and so has a counter after a reset
    const state = { points: [], experiments: [], halted: false, active: 0 };
    const point = (name) => ({ point: name, rules: [{ name: "shared", line: "close", hits: 100, passed: { percent: 50 } }] });
    const injected = (row, n) => until(n + " injected", async () => {
      const texts = await page.locator(`#overview ${row} .figures a b`).allTextContents();
      return texts.length > 0 && texts.every((text) => text === String(n));
    });
    await page.addInitScript(() => { // time does not pass
      const now = Date.now();
      Date.now = () => now;
    });
    await page.route(stateOf, (route) => route.fulfill({ json: state }));
    await page.reload();
    await page.locator("#no-points").waitFor();
    state.points = [point("old"), point("old")];
    await page.locator("#points > section").nth(1).waitFor();
    await injected('[data-rule="shared"]', 100); // twice the same, because two have the name
    assert.match(await page.locator('[data-rule="shared"] .figures').first().textContent(), /50 passed$/);
    state.experiments = [{ name: "new", hits: 3, line: "close", applies_to: [], experiment: {} }];
    await page.locator('[data-experiment="new"]').waitFor();
    await injected('[data-experiment="new"]', 3);
    state.experiments[0].hits = 2;
    await injected('[data-experiment="new"]', 2);
    state.points = [point("old"), point("old"), point("later")];
    await injected('[aria-label="Injection point later"]', 100);
    await page.route(stateOf, (route) => route.fulfill({ json: new URL(route.request().url()).searchParams.has("q") ? { ...state, points: state.points.slice(0, 2) } : state }));
    await page.locator("#find").fill("old");
    await page.locator('[aria-label="Injection point later"]').waitFor({ state: "detached" });
    await page.locator("#find").fill("");
    await page.locator('[aria-label="Injection point later"]').waitFor();
    await injected('[aria-label="Injection point later"]', 0); // the search had hidden it, so it is not new
    state.points = state.points.slice(0, 2);
    Object.assign(state.experiments[0], { came: 214, matched: 0 });
    await page.getByText("; 0 of 214 requests at its points matched").waitFor();
    Object.assign(state.points[1], { site: "shop.example.com", source: "Caddyfile:12" });
    await page.locator("#points h3", { hasText: "shop.example.com" }).waitFor();
    await page.locator("#points h4", { hasText: "old" }).getByText("Caddyfile:12").waitFor();
    state.points[0].triggers = [{ source: "header", name: "X-Fault", hits: 7, refused: 0 }];
    await page.getByText("trigger header X-Fault (7 injected)").waitFor();
    state.points[0].triggers[0].refused = 2;
    await page.getByText("trigger header X-Fault (7 injected, 2 refused)").waitFor();
    await page.route("**/fault/points", (route) => route.fulfill({ json: { points: [{ point: "old", rules: ["shared"] }, { point: "other", rules: ["shared"] }] } }));
    await go(page, "feed");
    await page.locator('#feed-rule option[value="other/shared"]').waitFor({ state: "attached" });
    assert.equal(await page.locator('#feed-rule option[value="shared"]').count(), 0);
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await page.goto(origin + "/");
    await page.reload();
    await page.locator('#points [data-rule="slow"] code', { hasText: /^percent 10; delay 20ms 200ms$/ }).waitFor();
    await close(page);
  },

  async "settings that only JSON can express are readable"() {
    const page = await open();
    const lines = [
      ['respond {"headers":{"set":{"Retry-After":["5"]}},"status_code":503}', "respond 503 · Retry-After: 5"],
      ['match path /a;b; percent 10; respond {"body":"a;{","status_code":429,"headers":{"delete":["Server"]}}; close', 'match path /a; b; percent 10; respond 429 · body a;{ · no Server; close'],
      ['match { method GET; path `/;"` }; close', 'match { method GET; path `/;"` }; close'],
      ['choose {"branches":[{"weight":70,"faults":[{"fault":"respond"}]},{"faults":[{"fault":"close"}]}]}', "choose · branches (respond, close)"],
      ['other {"max_size":[1,2],"on":true,"why":null,"list":[{}]}', "other · max size 1, 2 · on true · why  · list (1)"],
      ["odd {not json}", "odd {not json}"],
    ];
    await page.route(stateOf, (route) => route.fulfill({ json: { halted: false, active: 0, total: 6, experiments: [], points: [{ point: "p", rules: lines.map(([line], i) => ({ name: "r" + i, line, hits: 0, passed: {} })) }] } }));
    await page.locator('[data-rule="r5"]').waitFor();
    assert.deepEqual(await page.locator("#points .line").allTextContents(), lines.map(([, text]) => text));
    assert.equal(await page.locator('[data-rule="r0"] .line').getAttribute("title"), lines[0][0]);
    await close(page);
  },

  async "the chart shows rules, real errors and events"() {
    const page = await open();
    const rates = page.locator("#chart-now");
    await until("the requests are in the chart", async () => {
      await ask(site, "/mail/z");
      return /^Last 10 s: [\d.]+ requests\/s, [\d.]*[1-9][\d.]* injected\/s \(\d+ %\), [\d.]+ real errors\/s\./.test(await rates.textContent());
    });
    await page.locator("#chart-legend li", { hasText: "mail/moved" }).waitFor();
    assert.match(await page.locator("#chart-picture").getAttribute("aria-label"), /^Chart of the last 15 min\. Last 10 s: .* injected\/s/);
    await page.locator("#chart-point").selectOption("site"); // where no rule hits
    await page.locator("#chart-legend li", { hasText: "mail/moved" }).waitFor({ state: "detached" });
    await page.locator("#chart-point").selectOption("");
    await page.locator("#chart-window").selectOption("60m");
    await page.locator('#chart-picture[aria-label^="Chart of the last 60 min"]').waitFor();

    // what the server has seen before the page was opened
    const start = Math.floor(Date.now() / 10_000) * 10_000 - 290_000;
    const at = (step) => new Date(start + step * 10_000).toISOString();
    const steps = (values) => Array.from({ length: 30 }, (_, i) => values[i] ?? 0);
    const series = {
      at: at(29.5), from: at(0), step: 10, total: steps({ 3: 400, 4: 100 }), hits: steps({ 3: 160 }), real: steps({ 4: 20 }),
      rules: [[evil, 90], ["b", 20], ["c", 10], ["d", 10], ["e", 10], ["f", 10], ["g", 10]].map(([rule, n]) => ({ point: "mail", rule, count: n, hits: steps({ 3: n }) })),
    };
    await page.route("**/fault/seen?window=*", (route) => route.fulfill({ json: series }));
    await page.route("**/fault/activity", (route) => route.fulfill({ json: { activity: [
      { at: at(-9), what: "started", experiment: "before", by: "eve" }, { at: at(3.2), what: "started", experiment: "boom", by: "ada" },
      { at: at(3.3), what: "changed", experiment: "boom" }, { at: at(4.1), what: "halted", by: "bob", note: "it is us" }, { at: at(5), what: "reloaded" },
    ] } }));
    await page.locator("#chart-legend li", { hasText: "other rules" }).waitFor();
    const legend = await page.locator("#chart-legend li").allTextContents();
    assert.deepEqual(legend.map((name) => name.trim()), ["mail/" + evil, "mail/b", "mail/c", "mail/d", "mail/e", "other rules", "all requests", "real errors", "▶ started", "✕ halted", "⟳ reloaded"]);
    assert.deepEqual(await page.locator("#chart-picture .mark title").evaluateAll((all) => all.map((title) => title.textContent.replace(/^\S+ /, ""))),
      ["started boom by ada", "halted by bob (it is us)", "reloaded"]);
    await page.getByText("Show as a table").click();
    const row = (step) => page.locator("#chart-rows tr").nth(29 - step).locator("td").allTextContents();
    await until("the table is filled", async () => await page.locator("#chart-rows tr").count() === 30);
    assert.deepEqual((await row(3)).slice(0, 3), ["40", "16", "0"]);
    assert.match((await row(3))[3], /^[\d:]+ started boom by ada$/);
    assert.deepEqual((await row(4)).slice(0, 3), ["10", "0", "2.0"]);
    assert.deepEqual(await row(20), ["0", "0", "0", ""]);
    const first = await page.locator("#chart-rows").evaluateHandle((rows) => {
      getSelection().selectAllChildren(rows);
      return rows.firstChild;
    });
    for (let i = 0; i < 2; i++) await page.waitForResponse(/seen\?window/);
    assert.ok(await first.evaluate((row) => row.isConnected), "the table loses what is selected");
    await page.evaluate(() => getSelection().removeAllRanges());

    // all areas together are as high as the hits, on the scale of the requests
    const box = async (selector) => page.locator("#chart-picture " + selector).evaluateAll((all) => all.map((node) => node.getBBox()).map(({ y, height }) => ({ y, height })));
    const [[total], areas, [real]] = [await box(".total"), await box(".area"), await box(".real")];
    const stacked = Math.max(...areas.map((a) => a.y + a.height)) - Math.min(...areas.filter((a) => a.height > 0).map((a) => a.y));
    assert.ok(Math.abs(stacked / total.height - 16 / 40) < 0.01, `the hits are ${stacked} of ${total.height}`);
    assert.ok(Math.abs(real.height / total.height - 2 / 40) < 0.01, `the real errors are ${real.height} of ${total.height}`);
    const picture = await page.locator("#chart-picture").boundingBox();
    await page.locator("#chart-picture").hover({ position: { x: 44 + ((picture.width - 48) * 3.5) / 30, y: 90 } });
    await rates.getByText("40 requests/s, 16 injected/s (40 %), 0 real errors/s.").waitFor();
    for (const values of [series.total, series.hits, series.real]) values.length = 3; // as with a shorter window
    delete series.rules;
    await rates.getByText("Last 10 s").waitFor();
    assert.equal(await page.locator("#chart.stale").count(), 0);
    await page.locator("#chart-point").hover();
    await rates.getByText("Last 10 s").waitFor();
    await close(page);
  },

  async "the chart survives a restart, a lost server and a point that is gone"() {
    const page = await open();
    const rates = page.locator("#chart-now");
    await rates.getByText("Last 10 s").waitFor();
    await page.route("**/fault/seen*", (route) => route.abort());
    await rates.getByText(/^The chart ends at .*: Caddy does not answer\.$/).waitFor();
    assert.equal(await page.locator("#chart-picture .total").count(), 1, "the chart is gone");
    await page.unroute("**/fault/seen*");
    await rates.getByText("Last 10 s").waitFor();
    assert.ok(!await page.locator("#chart").evaluate((chart) => chart.classList.contains("stale")));
    const since = new Date().toISOString(); // as after a restart
    await page.route("**/fault/seen?window=*", async (route) => {
      const answer = await route.fetch();
      const series = await answer.json();
      await route.fulfill({ response: answer, json: { ...series, since, total: series.total.map(() => 0), hits: series.hits.map(() => 0), real: series.real.map(() => 0), rules: undefined } });
    });
    await rates.getByText(/No data before \d\d:\d\d:\d\d\.$/).waitFor();
    assert.equal(await page.locator("#chart-picture .unknown").count(), 1);
    await page.unroute("**/fault/seen?window=*");
    await page.locator("#chart-point").selectOption("mail");
    await page.route("**/fault/seen?*point=mail*", (route) => route.fulfill({ status: 404, json: { error: "no injection point 'mail'; the injection points are: site" } }));
    await until("all points are shown", async () => await page.locator("#chart-point").inputValue() === "");
    await rates.getByText("Last 10 s").waitFor();
    await page.route("**/fault/seen*", (route) => route.fulfill({ status: 200, json: { all: { count: 0, rate: 0, injected_rate: 0, real_errors: 0 }, at: since, from: since, step: 10, total: [0], hits: [0], real: [0] } }));
    await rates.getByText("Last 10 s: 0 requests/s, 0 injected/s, 0 real errors/s.").waitFor(); // a configuration without points
    await close(page, /net::ERR_FAILED/);
  },

  async "the form waits until it can be used, and says so"() {
    const page = await open();
    let answer;
    await page.route("**/fault/kinds", (route) => { answer = () => route.continue(); });
    await page.goto(origin + "/#start");
    await page.reload();
    await until("the page asks for the kinds", async () => answer);
    const form = page.locator("#start-form");
    assert.equal(await form.evaluate((form) => form.inert), true);
    assert.equal(await page.locator("#status-text").textContent(), "Connecting …");
    assert.equal(await page.locator("#no-experiments").getAttribute("hidden"), "", "says that no experiment is running before it knows");
    assert.equal(await page.locator("#no-entries").getAttribute("hidden"), "");
    await answer();
    await page.locator("#status-text", { hasText: "Armed" }).waitFor();
    assert.equal(await form.evaluate((form) => form.inert), false);
    assert.equal(await page.locator("#start-line").inputValue(), "percent 10\nrespond 503");
    await go(page, "overview");
    await page.locator("#no-experiments").waitFor();
    await close(page);
    const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
    await plain.goto(origin + "/");
    await plain.locator("noscript p", { hasText: "needs JavaScript" }).waitFor();
    await plain.context().close();
  },

  async "an answer that a later one has overtaken is not shown"() {
    const page = await open();
    let late;
    await page.route(stateOf, async (route) => {
      const answer = await route.fetch();
      if (late) return route.fulfill({ response: answer });
      late = () => route.fulfill({ response: answer });
    });
    await until("a reading is under way", async () => late);
    await page.getByRole("button", { name: "Halt all faults" }).click();
    await page.getByText(/Halted at .* by api/).waitFor();
    await page.evaluate(() => {
      const status = document.querySelector("#status-text");
      window.shown = [];
      new MutationObserver(() => window.shown.push(status.textContent)).observe(status, { childList: true });
    });
    await Promise.all([page.waitForResponse((answer) => answer.url().endsWith("/fault/experiments?ended")), late()]);
    await page.getByRole("button", { name: "Resume faults …" }).click();
    await page.getByRole("button", { name: "Resume faults", exact: true }).click();
    await page.getByText("Armed", { exact: true }).waitFor();
    assert.deepEqual(await page.evaluate(() => window.shown), ["Armed"]);
    await close(page);
  },

  async "a reading that a later one has overtaken schedules nothing"() {
    const page = await openAt(browser, origin, {}, "/#activity", async (page) => {
      await page.clock.install();
      await page.addInitScript(() => {
        const { fetch } = window;
        window.states = 0;
        window.fetch = (url, ...more) => {
          if (/\/fault\/(\?|$)/.test(url)) window.states++;
          return fetch(url, ...more);
        };
      });
    });
    const held = [];
    await page.route("**/fault/seen?over=*", (route) => { held.push(route); });
    await until("the first reading waits", async () => held.length === 1);
    await go(page, "catalog");
    await until("the second reading waits", async () => held.length === 2);
    const before = await page.evaluate(() => window.states);
    await Promise.all([page.waitForResponse(/seen\?over/), held[0].continue()]);
    await page.evaluate(() => new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)))); // the answer is read
    await page.clock.fastForward(3000);
    assert.equal(await page.evaluate(() => window.states), before, "a third reading begins before the second has ended");
    await page.unroute("**/fault/seen?over=*"); // which lets the request go on
    await until("the next reading", () => page.evaluate((n) => window.states > n, before));
    await close(page);
  },

  async "a switch that does not turn says so until it does"() {
    const page = await open();
    const alert = page.locator("#not-turned");
    for (const [path, button, during, not, turned] of [
      ["halt", page.locator("#halt"), "Halting …", "NOT halted: no disk.", /^Halted at/],
      ["resume", page.locator("#resume"), "Resuming …", "NOT resumed: no disk.", /^Armed$/],
    ]) {
      const press = async () => {
        await button.click();
        if (path === "resume") await page.locator("#confirm-yes").click();
      };
      let asked = 0, refuse;
      await page.route("**/fault/" + path, (route) => {
        asked++;
        refuse = () => route.fulfill({ status: 500, json: { error: "no disk." } });
      });
      const label = await button.textContent();
      await press();
      await until(path + " is asked for", async () => asked === 1);
      assert.equal(await button.textContent(), during);
      assert.equal(await button.getAttribute("aria-busy"), "true");
      if (path === "halt") assert.equal(await page.evaluate(() => document.activeElement.id), path);
      await button.evaluate((button) => button.click());
      assert.equal(asked, 1, "sent again while it was busy");
      await refuse();
      await alert.getByText(not, { exact: true }).waitFor();
      await button.getByText(label, { exact: true }).waitFor();
      await page.waitForResponse((answer) => stateOf.test(answer.url())); // which changes nothing
      assert.equal(await alert.textContent(), not);
      await page.unroute("**/fault/" + path);
      await press();
      await page.locator("#status-text", { hasText: turned }).waitFor();
      await alert.waitFor({ state: "hidden" });
    }
    await close(page, /status of 500/);
  },

  async "a page without an answer says so"() {
    const page = await open();
    const status = page.locator("#status-text");
    await page.route(stateOf, (route) => route.abort());
    await status.getByText("No answer").waitFor();
    await page.getByText("Caddy does not answer. The values on this page may be outdated.").waitFor();
    await page.unroute(stateOf);
    await status.getByText("Armed").waitFor();
    await page.addInitScript(() => {
      const timeout = AbortSignal.timeout;
      AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 100);
    });
    await page.reload();
    await status.getByText("Armed").waitFor();
    await page.route(stateOf, () => {}); // forever
    await status.getByText("No answer").waitFor();
    await close(page, /net::ERR_FAILED/);
  },

  async "an answer that is not from the API is recognized"() {
    const page = await open();
    const strange = "The answer is not from the fault API";
    const login = "You may be logged out. Reload the page.";
    const old = "The values on this page may be outdated.";
    let reply;
    await page.route(stateOf, (route) => route.fulfill(reply));
    for (const [answer, want] of [ // no two successive answers give the same text
      [{ contentType: "text/html", body: "<title>Log in</title>" }, `${strange} (status 200). ${login} ${old}`],
      [{ status: 204 }, `${strange} (status 204). ${login} ${old}`],
      [{ json: null }, `${strange} (status 200). ${login} ${old}`],
      [{ status: 401 }, `${strange} (status 401). ${login} ${old}`],
      [{ json: {} }, `${strange} (status 200). ${login} ${old}`],
      [{ status: 403, json: { error: "not from there" } }, `not from there. ${login} ${old}`],
      [{ status: 502, body: "Bad Gateway" }, `${strange} (status 502). ${old}`],
      [{ status: 500, json: { error: "no disk" } }, `no disk. ${old}`],
    ]) {
      reply = answer;
      await page.locator("#problem").getByText(want, { exact: true }).waitFor();
    }
    await page.route("**/fault/halt", (route) => route.fulfill({ status: 302, headers: { Location: origin + "/fault/" } }));
    await page.getByRole("button", { name: "Halt all faults" }).click();
    await page.getByText(`NOT halted: ${strange} (a redirect). ${login}`).waitFor();
    await close(page, /status of 50\d/);
  },

  async "rare states are shown"() {
    const page = await open();
    let change = {};
    await page.route(stateOf, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...await answer.json(), ...change } });
    });
    await page.route("**/fault/experiments?ended", async (route) => {
      const past = (i) => ({ name: "past" + i, why: "deleted", line: "close", started: "2020-02-03T12:00:00Z", ended: "2020-02-03T12:00:00Z", hits: 0, experiment: {} });
      await route.fulfill({ json: { ended: Array.from({ length: 25 }, (_, i) => past(i)) } });
    });
    await page.getByText("the last 20 of 25").waitFor();
    assert.equal(await page.locator("#ended > li").count(), 20);
    change = { points: [] };
    await page.getByText("The running configuration has no injection point").waitFor();
    change = { share: { group: "staging", error: "no route" } };
    await page.getByText("Not synchronized with the group 'staging': no route").waitFor();
    change = { dry_run: true };
    await page.locator("#status").getByText("Dry run: no fault is injected").waitFor();
    change = { halted: true, since: "2020-02-03T12:00:00Z", why: "halt_when" };
    await page.getByText(/Halted at 3 Feb \d\d:00:00 by halt_when/).waitFor();
    await close(page);
  },

  async "the feed reconnects"() {
    const page = await open();
    const hit = (id, path) => `event: done\ndata: ${JSON.stringify({ seq: 1, id, path, method: "GET", rule: "moved", kind: "respond", time: new Date().toISOString(), done: true })}\n\n`;
    const answers = [{ status: 502 }, { contentType: "text/event-stream", body: hit("a", "/before") }, { contentType: "text/event-stream", body: hit("b", "/after") }];
    await page.route("**/fault/journal*", (route) => route.fulfill(answers.length > 1 ? answers.shift() : answers[0]));
    await page.reload();
    await go(page, "feed");
    await page.locator("#entries").getByText("/before").waitFor();
    await page.locator("#entries").getByText("/after").waitFor(); // the same number, from a Caddy that has restarted
    await page.unroute("**/fault/journal*");
    await page.waitForFunction(() => document.querySelector("#feed-state").textContent === "");
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: true });
      document.dispatchEvent(new Event("visibilitychange"));
      document.querySelector("#feed-pause").click(); // shows the state
    });
    await page.getByText("not connected · paused").waitFor(); // browsers open few connections at a time
    await close(page, /status of 502/);
  },

  async "rows of the feed stay in place while they are used"() {
    const page = await open({}, "/#feed");
    const rows = page.locator("#entries > li");
    const row = rows.filter({ hasText: "/mail/stay" });
    const state = page.locator("#feed-state");
    let number = 0;
    const comesLater = async (release) => {
      const path = `/mail/new${++number}`;
      const before = await rows.count();
      await ask(site, path);
      await state.getByText("1 new, shown when no row is open or pointed at").waitFor();
      assert.equal(await rows.count(), before);
      await release();
      await page.locator("#entries").getByText(path, { exact: true }).waitFor();
      assert.equal(await state.textContent(), "");
    };
    const away = () => page.mouse.move(5, 5);
    await ask(site, "/mail/stay");
    await row.waitFor();
    await row.hover();
    await comesLater(away);
    await row.locator("summary").focus();
    await comesLater(() => row.locator("summary").blur());
    await row.locator("summary").click();
    await row.locator("summary").blur();
    await away();
    await row.locator("dd").first().evaluate((fact) => getSelection().selectAllChildren(fact)); // to copy it
    const selected = () => page.evaluate(() => String(getSelection()));
    const before = await selected();
    await ask(site, "/mail/stay");
    await row.getByText("×2").waitFor();
    assert.equal(await selected(), before);
    await page.evaluate(() => getSelection().removeAllRanges());
    await comesLater(() => row.locator("details").evaluate((details) => { details.open = false; }));
    await close(page);
  },

  async "the feed finds out about missing ends"() {
    const page = await open();
    const entry = { seq: 1, path: "/", method: "GET", rule: "moved", kind: "delay", time: new Date().toISOString() };
    const hit = (id) => `event: hit\ndata: ${JSON.stringify({ ...entry, id })}\n\n`;
    let body = hit("over") + hit("holding") + hit("gone") + "event: skipped\ndata: 7\n\n";
    await page.route("**/fault/journal*", (route) => {
      if (/limit=1000/.test(route.request().url())) return route.fulfill({ json: { entries: [{ ...entry, id: "over", done: true, duration: 1.5 }, { ...entry, id: "holding" }] } });
      route.fulfill({ contentType: "text/event-stream", body });
      body = "\n";
    });
    await go(page, "feed");
    await page.locator("#entries").getByText("1.5 s").waitFor();
    await until("the unknown entry is gone", async () => await page.locator("#entries > li").count() === 2);
    assert.equal(await page.locator("#entries").getByText("held", { exact: true }).count(), 1);
    await page.getByText("7 more arrived too fast to show").waitFor();
    await close(page);
  },

  async "the switch works with many pages open"() {
    const page = await open();
    const others = [];
    for (let i = 0; i < 7; i++) { // one more than the connections that a browser opens to a server
      const other = await page.context().newPage();
      await other.goto(origin + "/");
      await other.locator("#status-text", { hasText: "Armed" }).waitFor();
      others.push(other);
    }
    await page.bringToFront();
    await page.getByRole("button", { name: "Halt all faults" }).click();
    for (const one of [page, ...others]) await one.getByText(/Halted at .* by api/).waitFor();
    await page.getByRole("button", { name: "Resume faults …" }).click();
    await page.getByRole("button", { name: "Resume faults", exact: true }).click();
    await page.getByText("Armed", { exact: true }).waitFor();
    // the feed is followed only while it is shown
    const feeds = [];
    page.on("request", (request) => { if (request.url().includes("/fault/journal")) feeds.push(request); });
    await go(page, "feed");
    await until("the feed is requested", async () => feeds.length > 0);
    await until("the feed is connected", async () => await page.locator("#feed-state").textContent() === "");
    const ended = page.waitForEvent("requestfailed", (request) => feeds.includes(request));
    await go(page, "overview");
    await ended;
    await go(page, "feed");
    await page.waitForFunction(() => document.querySelector("#feed-state").textContent === "");
    await close(page);
  },

  async "a paused feed follows the choice of a rule"() {
    const page = await open({}, "/#feed");
    await ask(site, "/mail/z");
    await page.locator('#entries [data-rule="moved"]').first().waitFor();
    await page.getByRole("button", { name: "Pause feed" }).click();
    await page.locator("#feed-rule").selectOption("trigger");
    assert.equal(await page.locator("#entries > li").count(), 0);
    await close(page);
  },

  async "the address of the feed has its filters"() {
    for (const path of ["/mail/a", "/mail/a", "/mail/b"]) await ask(site, path);
    await ask(site, "/mail/a", { "X-Fault": "respond 404" });
    const page = await open({}, "/#feed?status=551&path=/mail/a");
    const rows = page.locator("#entries > li");
    const both = rows.filter({ hasText: "/mail/a" });
    await both.getByText(/^×\d+$/).waitFor();
    assert.equal(await rows.count(), 1, "other entries, or equal ones in several rows");
    assert.match(await both.locator("summary").textContent(), /551 GET 127\.0\.0\.1:\d+\/mail\/a .*mail\/moved 127\.0\.0\.1/);
    assert.deepEqual([await page.locator("#feed-status").inputValue(), await page.locator("#feed-path").inputValue()], ["551", "/mail/a"]);
    await page.getByLabel("Group equal hits").uncheck();
    await until("each entry has a row", async () => await rows.count() > 1);
    await page.waitForURL((url) => url.hash === "#feed?status=551&path=%2Fmail%2Fa&group=no");
    await page.locator("#feed-status").fill("5x");
    await page.locator("#feed-status").press("Enter");
    await page.getByText("Enter 503, 5xx, cut, no_reply or left.").waitFor();
    await page.locator("#feed-status").fill("4xx");
    await page.locator("#feed-status").press("Enter");
    await rows.filter({ hasText: "404" }).first().waitFor();
    assert.equal(await rows.filter({ hasText: "551" }).count(), 0);
    await rows.first().locator("summary").click();
    await rows.first().getByRole("link", { name: "Explain this request" }).click();
    await page.locator("#explained .verdict", { hasText: "551 by mail/moved" }).waitFor();
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(origin + "/#feed?status=abc");
    await page.getByText("Enter 503, 5xx, cut, no_reply or left.").waitFor();
    await page.goto(origin + "/#feed?status=4xx");
    await rows.filter({ hasText: "404" }).first().waitFor();
    assert.deepEqual(asked.filter((url) => /status=abc/.test(url)), [], "the feed asks for a status that there is not");
    await go(page, "overview");
    await go(page, "feed"); // without filters in the link, those of the last visit stay
    await page.waitForURL((url) => /status=4xx/.test(url.hash));
    await page.getByRole("button", { name: "Clear filters" }).click();
    await rows.filter({ hasText: "551" }).first().waitFor();
    await close(page);
  },

  async "explain shows which rule would hit"() {
    const page = await open({}, "/#explain");
    await page.locator("#explain-url").fill(`http://127.0.0.1:${site}/mail/inbox`);
    await page.locator("#explain-headers").fill("X-User 42");
    await page.getByRole("button", { name: "Explain request" }).click();
    await page.getByText("'X-User 42' is not a header field").waitFor();
    await page.locator("#explain-headers").fill("X-User: 42");
    await page.getByRole("button", { name: "Explain request" }).click();
    await page.locator("#explained .verdict", { hasText: "551 by mail/moved" }).waitFor();
    assert.equal(await page.locator("#explained > :first-child").getAttribute("class"), "verdict");
    assert.equal(await page.locator("#explained [data-rule]").count(), 0, "the rules are not folded");
    await page.locator("#explained summary", { hasText: "mail: 1 of 1 rule hits" }).click();
    await moved(page).waitFor();
    await page.locator("#explained summary", { hasText: /other points? (does|do) not apply/ }).click();
    await page.locator("#explained li", { hasText: /checkout the matcher of the point does not match$/ }).waitFor();
    await close(page);
  },

  async "a link to explain may have a query in its URL"() {
    const page = await open({}, "/#explain?method=PUT&url=/mail/x?a=1?");
    await page.locator("#explained .verdict", { hasText: "551 by mail/moved" }).waitFor();
    assert.deepEqual([await page.locator("#explain-method").inputValue(), await page.locator("#explain-url").inputValue()], ["PUT", "/mail/x?a=1?"]);
    await page.goto(origin + "/#feed?path=/mail/x?a=1");
    await until("the filter has all of the path", async () => await page.locator("#feed-path").inputValue() === "/mail/x?a=1");
    await page.goto(origin + "/#overview?q=a?b");
    await until("the search has all of the text", async () => await page.locator("#find").inputValue() === "a?b");
    await close(page);
  },

  async "explain folds what does not concern the request"() {
    const page = await open({}, "/#explain");
    const rule = (name, fires, gate = "", why = "") => ({ rule: name, fires, gate, why });
    const point = (name, match, reason, ...rules) => ({ point: name, site: "shop", match, reason, rules });
    await page.route("**/fault/explain", (route) => route.fulfill({ json: { answer: "30 %: 503 by api/brownout; else the upstream", may_hit: true, outcomes: [], halted: false, notes: ["the host is not known"], points: [
      point("api", true, "", rule("brownout", true, "percent", "30 %"), rule("gone", false, "match")),
      point("cors", true, "", rule("a", false, "preflight", "a CORS preflight passes")),
      point("health", true, "", rule("a", false, "exempt", "the global option exempts the request")),
      point("bare", true, "only if it is not cached"), { ...point("broken", false, ""), error: "no such header" },
      ...Array.from({ length: 900 }, (_, i) => point("other" + i, false, evil)),
    ] } }));
    await page.locator("#explain-url").fill("/");
    await page.locator("#explain-url").press("Enter");
    await page.locator("#explained .verdict", { hasText: "30 %: 503 by api/brownout" }).waitFor();
    assert.deepEqual(await page.locator("#explained summary").allTextContents(), [
      "shop › api: 1 of 2 rules may hit", "shop › cors: a preflight passes", "shop › health: the request is exempt",
      "shop › bare: no rule or experiment", "shop › broken: its matcher fails", "900 other points do not apply"]);
    assert.equal(await page.locator("#explained li").count(), 0);
    for (const node of await page.locator("#explained summary").all()) await node.click();
    await page.getByText("the global option exempts the request").waitFor();
    await page.getByText("The point applies only if it is not cached.").waitFor();
    await page.getByText("no such header").waitFor();
    await until("all others are listed", async () => await page.locator("#explained .plain li").count() === 900);
    assert.equal(await page.locator("img").count(), 0);
    await close(page);
  },

  async "explain answers the last request, whatever its header fields are called"() {
    const page = await open({}, "/#explain");
    let late;
    await page.route("**/fault/explain", (route) => {
      if (late) return route.continue();
      late = () => route.fulfill({ json: { answer: "late", may_hit: false, outcomes: [], halted: false, points: [{ point: "late", site: "", match: false, reason: "late", rules: [] }] } });
    });
    await page.locator("#explain-url").fill("/mail/inbox");
    await page.locator("#explain-headers").fill("constructor: a\n__proto__: b\n__proto__: c");
    await page.getByRole("button", { name: "Explain request" }).click();
    await page.locator("#explained").getByText("Explaining …").waitFor();
    await until("the first request is sent", async () => late);
    const [question] = await Promise.all([
      page.waitForRequest("**/fault/explain"),
      page.getByRole("button", { name: "Explain request" }).click(),
    ]);
    assert.match(question.postData(), /"header":\{"constructor":\["a"\],"__proto__":\["b","c"\]\}/);
    await page.locator("#explained .verdict", { hasText: "551 by mail/moved" }).waitFor();
    await page.evaluate(() => {
      window.shown = [];
      const answer = document.querySelector("#explained");
      new MutationObserver(() => window.shown.push(answer.textContent)).observe(answer, { childList: true });
    });
    await Promise.all([page.waitForResponse("**/fault/explain"), late()]);
    await page.getByRole("button", { name: "Explain request" }).click();
    await until("the last answer", async () => await page.evaluate(() => window.shown.length > 1));
    await page.locator("#explained .verdict", { hasText: "551 by mail/moved" }).waitFor();
    assert.ok(!(await page.evaluate(() => window.shown.join())).includes("late"), "a late answer is shown");
    await close(page);
  },

  async "the catalog is searched and copied from"() {
    const page = await open({ permissions: ["clipboard-read", "clipboard-write"] }, "/#catalog");
    const search = page.locator("#code-search");
    await page.locator("#codes > li").first().waitFor();
    const written = await page.locator("#codes > li").evaluateAll((rows) => rows.map((row) => row.dataset.code));
    assert.deepEqual(written.slice(0, 6), ["http:429", "http:500", "http:502", "http:503", "http:504", "smtp:551"]);
    assert.ok(!written.some((code) => /:1\d\d$/.test(code)), "an interim status cannot be sent");
    for (const [words, code] of [["551", "smtp:551"], ["mailbox", "smtp:550"], ["cloudflare", "cloudflare:521"]]) {
      await search.fill(words);
      await page.locator(`[data-code="${code}"]`).waitFor();
    }
    await search.fill("");
    await page.getByText(/^100 of \d+$/).waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByText(/^[23]\d\d found$/).waitFor();
    assert.ok(await page.locator("#codes > li").count() > 200);
    await page.waitForFunction(() => document.activeElement.closest("#codes > li:nth-child(101)"));
    await search.fill("551");
    for (const [label, want] of [["directive", /^fault smtp:551$/], ["curl -H", /^curl -i -H 'X-Fault: smtp:551' https:\/\/example.com\/$/], ["JSON", /"status_code":551/]]) {
      await page.getByRole("button", { name: `Copy smtp:551 as ${label}`, exact: true }).click();
      await until(label + " is copied", async () => want.test(await page.evaluate(() => navigator.clipboard.readText())));
      await page.locator("#toast", { hasText: "Copied: " }).waitFor({ state: "attached" });
    }
    await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed")); });
    await page.getByRole("button", { name: "Copy smtp:551 as JSON" }).click();
    await page.locator("#toast", { hasText: "Cannot copy: not allowed." }).waitFor({ state: "attached" });
    await page.evaluate(() => { // as at an insecure origin
      Object.defineProperty(navigator, "clipboard", { value: undefined });
      document.execCommand = () => false;
    });
    await page.getByRole("button", { name: "Copy smtp:551 as JSON" }).click();
    await page.locator("#toast", { hasText: "Cannot copy: the browser does not allow it." }).waitFor({ state: "attached" });
    await close(page);
  },

  async "text of requests never becomes markup"() {
    const page = await open();
    // whatever the API answers, even names that it would refuse
    await page.route(stateOf, async (route) => {
      const answer = await route.fetch();
      const state = await answer.json();
      const rule = state.points[0].rules[0];
      [rule.name, rule.line, state.points[0].point] = [evil, evil, evil];
      await route.fulfill({ response: answer, json: state });
    });
    await page.locator(`strong`, { hasText: evil }).first().waitFor();
    await ask(site, "/mail/" + encodeURIComponent(evil), { "X-Fault": "respond 503", "X-Evil": evil });
    await go(page, "feed");
    await page.locator("#entries").getByText(`/mail/${evil}`).waitFor();
    await go(page, "start");
    await page.locator("#start-line").fill(`${evil}; close`);
    await page.locator("#start-answer mark").waitFor();
    await go(page, "explain");
    await page.locator("#explain-url").fill("/mail/" + encodeURIComponent(evil));
    await page.locator("#explain-headers").fill(`${evil}: ${evil}`);
    await page.getByRole("button", { name: "Explain request" }).click();
    await page.locator("#explained > *").first().waitFor();
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.evaluate(() => window.stung), undefined);
    // if there were markup, the policy would prevent it from running
    await page.evaluate((markup) => document.body.insertAdjacentHTML("beforeend", markup), evil);
    assert.equal(await page.evaluate(() => new Promise((late) => setTimeout(() => late(window.stung), 200))), undefined);
    await close(page, /Content Security Policy|net::ERR/); // from the last step
  },

  async "no violation of axe-core in both themes"() {
    await ask(site, "/mail/x"); // for the feed
    for (const colorScheme of ["light", "dark"]) {
      const page = await open({ colorScheme });
      const check = async (what) => {
        const { violations } = await page.evaluate(`(() => { const module = undefined; ${axe}; return axe.run() })()`);
        assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), [], `${what}, ${colorScheme}`);
      };
      for (const view of views) {
        await go(page, view);
        if (view === "overview") await page.getByText("Show as a table").click();
        if (view === "start") await page.locator("#start-line").fill("percent 10; explode 3");
        if (view === "feed") await page.locator("#entries summary").first().click();
        await check(view);
      }
      await go(page, "overview");
      await page.getByRole("button", { name: "Halt all faults" }).click();
      await page.getByRole("button", { name: "Resume faults …" }).click();
      await check("halted");
      await page.getByRole("button", { name: "Resume faults", exact: true }).click();
      await page.getByText("Armed", { exact: true }).waitFor();
      await page.route(stateOf, (route) => route.abort());
      await page.getByText("No answer", { exact: true }).waitFor();
      await check("without an answer");
      await close(page, /net::ERR_FAILED/);
    }
  },

  async "it fits a screen of 360 pixels"() {
    const page = await open({ viewport: { width: 360, height: 740 } });
    const long = "w".repeat(64);
    await page.route(stateOf, async (route) => {
      const answer = await route.fetch();
      const state = await answer.json();
      [state.points[0].point, state.points[0].rules[0].name] = [long, long];
      await route.fulfill({ response: answer, json: state });
    });
    await page.locator("#points").getByText(long).first().waitFor();
    await go(page, "overview");
    await go(page, "overview"); // stays in the same view
    assert.equal(await page.evaluate(() => scrollY), 0, "the head covers the view");
    for (const view of views) {
      await go(page, view);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 360, `${view} is ${wide} pixels wide`);
      assert.ok(await page.evaluate(() => document.querySelector("nav").scrollWidth <= 360), "the views do not fit");
      assert.ok(await page.getByRole("button", { name: "Halt all faults" }).isVisible());
    }
    await close(page);
  },

  async "a long word about a halt or a trigger fits"() {
    const long = "https://wiki.example.com/" + "w".repeat(95);
    for (const width of [360, 1000]) {
      const page = await open({ viewport: { width, height: 740 } });
      await page.route(stateOf, async (route) => {
        const answer = await route.fetch();
        const state = await answer.json();
        state.points[0].triggers = [{ source: "header", name: long, hits: 0, refused: 0 }];
        await route.fulfill({ response: answer, json: { ...state, halted: true, since: new Date().toISOString(), by: long, note: long } });
      });
      await page.getByText(`“${long}”`).waitFor();
      await page.getByText(`trigger header ${long}`).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `it is ${wide} of ${width} pixels wide`);
      await close(page);
    }
  },

  async "it fits a screen of 320 pixels, with forced colors"() {
    const page = await open({ viewport: { width: 320, height: 640 }, forcedColors: "active" });
    assert.ok(await page.evaluate(() => document.querySelector("nav").scrollWidth <= 320), "the views do not fit");
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320));
    const edge = (name) => page.getByRole("link", { name, exact: true }).evaluate((link) => getComputedStyle(link).borderBottomColor);
    assert.notEqual(await edge("Overview"), await edge("Feed"));
    await page.route(stateOf, async (route) => {
      const answer = await route.fetch();
      const state = await answer.json();
      state.points[0].rules[0].line = "respond 503 " + "long ".repeat(200);
      await route.fulfill({ response: answer, json: state });
    });
    const line = page.locator("code.line", { hasText: "long long" });
    await line.waitFor();
    assert.ok(await line.evaluate((line) => line.clientHeight < line.scrollHeight), "a long line is not cut");
    assert.match(await line.getAttribute("title"), /^respond 503 (long ){200}$/);
    await close(page);
  },

  async "everything can be reached by keyboard"() {
    const page = await open();
    const reached = new Set();
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.textContent.trim()));
    }
    for (const name of ["Skip to content", "Halt all faults", "Start", "Catalog", "Switch off"]) {
      assert.ok(reached.has(name), `${name} is not among ${[...reached]}`);
    }
    await go(page, "feed");
    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement.id === "main");
    await page.reload();
    await page.locator("#feed").waitFor(); // the view is still there
    await close(page);
  },

  async "the focus is not lost with its element"() {
    const page = await open();
    const put = (name) => page.request.fetch(origin + "/fault/experiments/" + name, { method: "PUT", headers: { Origin: origin }, data: { points: ["mail"], percent: 0, faults: [{ fault: "close" }] } });
    for (const name of ["one", "three", "two"]) assert.ok((await put(name)).ok());
    const focused = () => page.evaluate(() => document.activeElement.dataset.experiment ?? document.activeElement.textContent);
    const button = (name) => page.getByRole("button", { name: "Stop " + name, exact: true });
    for (const name of ["one", "three", "two"]) await button(name).waitFor();
    const order = await page.locator("#experiments strong").allTextContents();
    for (const [i, name] of order.entries()) {
      await button(name).focus();
      await page.keyboard.press("Enter");
      await page.locator("#toast", { hasText: "Stopped " + name }).waitFor({ state: "attached" });
      await page.locator(`[data-experiment="${name}"]`).waitFor({ state: "detached" });
      assert.equal(await focused(), i < 2 ? order[i + 1] : "Experiments");
    }
    await page.locator("#past summary").click();
    await page.getByRole("button", { name: "Repeat one" }).focus();
    await page.keyboard.press("Enter");
    await button("one").waitFor();
    await page.locator("#ended > li", { hasText: "one" }).waitFor({ state: "detached" });
    assert.notEqual(await page.evaluate(() => document.activeElement.localName), "body");
    await button("one").click();
    await page.locator('[data-experiment="one"]').waitFor({ state: "detached" });
    await close(page);
  },

  async "it works at every place where a matcher puts it"() {
    for (const at of ["/inside/", "/beside/", "/beside"]) {
      const page = await open({}, at);
      await page.locator('#points [data-rule="moved"]').waitFor();
      await close(page);
    }
  },

  async "other origins are refused"() {
    assert.equal((await ask(port, "/fault/", { Host: "evil.test" })).status, 403);
    assert.equal((await ask(port, "/fault/", { "X-Forwarded-For": "192.0.2.1" })).status, 403);
    const page = await open();
    const other = await (await browser.newContext()).newPage();
    await other.goto(`http://localhost:${site}/`);
    const answer = await other.evaluate((url) => fetch(url, { method: "POST", mode: "no-cors", body: "" }).then((r) => r.type, (e) => e.message), origin + "/fault/halt");
    assert.ok(["opaque", "Failed to fetch"].includes(answer), answer);
    assert.equal((await ask(site, "/mail/x")).status, 551, "the switch has been turned by another page");
    await other.context().close();
    await close(page);
  },

  async "pictures"() {
    const page = await open({ colorScheme: "light", deviceScaleFactor: 1.25, viewport: { width: 1100, height: 900 } });
    await page.evaluate(async () => {
      const put = (name, body) => fetch("fault/experiments/" + name, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      await put("basket-timeout", { match: [{ path: ["/checkout/basket*"] }], points: ["checkout"], percent: 25, faults: [{ fault: "delay", min: "100ms", max: "300ms" }], ttl: "25m", note: "does the shop retry?" });
    });
    for (let i = 0; i < 100; i++) { // a minute
      await Promise.all(Array.from({ length: 2 + (i * 7) % 9 }, (_, n) => ask(site, n % 3 ? "/checkout/basket" : "/mail/inbox").catch(() => {})));
      await new Promise((later) => setTimeout(later, 600));
    }
    await page.locator("#chart-window").selectOption("5m");
    await page.locator('#chart-picture[aria-label^="Chart of the last 5 min"]').waitFor();
    if (PICTURE) await page.screenshot({ path: PICTURE });
    if (SHOTS) {
      for (const colorScheme of ["light", "dark"]) {
        for (const width of [1100, 360]) {
          await page.emulateMedia({ colorScheme });
          await page.setViewportSize({ width, height: width === 360 ? 740 : 700 });
          for (const view of views) {
            await go(page, view);
            if (view === "start") await page.locator("#start-line").fill("percent 10; explode 3");
            await page.waitForTimeout(300);
            await page.screenshot({ path: path.join(SHOTS, `${view}-${colorScheme}-${width}.png`) });
          }
        }
      }
    }
    if (SHOTS) {
      for (const width of [1100, 360]) {
        await page.setViewportSize({ width, height: 700 });
        await go(page, "overview");
        await page.getByRole("button", { name: "Halt all faults" }).click();
        await page.getByText(/Halted at/).waitFor();
        await page.screenshot({ path: path.join(SHOTS, `halted-${width}.png`) });
        await page.getByRole("button", { name: "Resume faults …" }).click();
        await page.screenshot({ path: path.join(SHOTS, `resume-${width}.png`) });
        await page.getByRole("button", { name: "Resume faults", exact: true }).click();
        await page.getByText("Armed", { exact: true }).waitFor();
      }
    }
    await page.request.fetch(origin + "/fault/experiments/basket-timeout", { method: "DELETE", headers: { Origin: origin, "Content-Type": "application/json" } });
    await close(page);
  },
};

// Pictures need a Caddy without the experiments of other tests.
const pictures = Boolean(PICTURE || SHOTS);
await run(Object.fromEntries(Object.entries(tests).filter(([name]) => (name === "pictures") === pictures)), () => until("caddy answers", () => ask(port, "/")), async (failed) => {
  await browser.close();
  await caddy.remove();
  if (failed) console.error(caddy.log);
});
