// The form that starts an experiment, in a real browser, in front of a real Caddy:
//
//   CADDY=<binary> CHROMIUM=<binary> MODULES=<folder of node_modules> node start.mjs
//
// With SHOTS=<folder> it also makes pictures of the form. With UPDATE=1 it writes the
// accessibility tree of the form in trees/, which it otherwise compares. With
// TEST=<part of a name> it runs only such tests.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import { ask, browse, close, freePorts, open as openAt, run, start, until, violations } from "./harness.mjs";

const { SHOTS, UPDATE } = process.env;

const [site, upstream, port] = await freePorts(3);
const origin = `http://127.0.0.1:${port}`;
const caddy = await start((dir) => `{
    admin off
    persist_config off
    auto_https off
    default_bind 127.0.0.1
    storage file_system ${dir}/storage
  }
  :${site} {
    fault /mail/* {
      point mail
      rule moved {
        match path /mail/old
        respond 551
      }
    }
    fault {
      point site
    }
    reverse_proxy 127.0.0.1:${upstream} {
      transport fault {
        point up
      }
    }
  }
  :${upstream} {
    respond "hello from the upstream"
  }
  :${port} {
    fault_console
  }`);
const browser = await browse();

// open opens the form on a page that waits longer for answers, because the machine may be
// busy.
const open = async (options = {}) => {
  const page = await openAt(browser, origin, options, "/#start", (page) => page.addInitScript(() => {
    const timeout = AbortSignal.timeout;
    AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms * 10);
  }));
  await page.getByText("The rule is valid.").waitFor();
  await page.locator("#start-kind option[value=preset]").waitFor({ state: "attached" });
  return page;
};

const rule = (page) => page.locator("#start-line").inputValue();
const press = (page) => page.getByRole("button", { name: "Start experiment" }).click();
const focused = (page) => page.evaluate(() => document.activeElement.id);

// stop ends an experiment that a test has started.
async function stop(page, name) {
  await page.getByRole("button", { name: "Stop " + name, exact: true }).click();
  await page.locator(`[data-experiment="${name}"]`).waitFor({ state: "detached" });
}

// answerTo waits for the answer to a draft that has a text, while something happens.
async function answerTo(page, part, act) {
  const has = (answer) => answer.url().endsWith("/fault/draft") && JSON.parse(answer.request().postData()).rule.includes(part);
  const [answer] = await Promise.all([page.waitForResponse(has), act()]);
  return answer;
}

const tests = {
  async "the default is 10 percent, and a place must be chosen"() {
    const page = await open();
    assert.equal(await rule(page), "percent 10\nrespond 503");
    assert.deepEqual(await page.locator("#start-point option").allTextContents(), ["choose …", "all points", "mail", "site", "up"].map((name) => (name === "all points" || name === "choose …" ? name : `127.0.0.1:${site} › ${name}`)));
    await press(page);
    assert.equal(await page.locator("#start-wrong").textContent(), "Not started: Choose an injection point, or all points.");
    assert.equal(await focused(page), "start-point");
    await page.locator("#start-point").selectOption("site");
    assert.ok(await page.locator("#start-wrong").isHidden());
    await page.locator("#start-slide").fill("35");
    assert.equal(await page.locator("#start-percent").inputValue(), "35");
    assert.match(await rule(page), /^percent 35$/m);
    await page.locator("#start-percent").fill("0.5");
    assert.match(await rule(page), /^percent 0.5$/m);
    await page.locator("#start-percent").fill("7");
    assert.equal(await page.locator("#start-slide").inputValue(), "7");
    for (const wrong of ["", "101", "x", "1e1"]) {
      await page.locator("#start-percent").fill(wrong);
      await press(page);
      await page.locator("#start-wrong", { hasText: "Not started: Enter a number from 0 to 100." }).waitFor();
      assert.equal(await focused(page), "start-percent");
    }
    await close(page);
  },

  async "the preview says what would have been hit"() {
    const page = await open();
    const would = page.locator("#start-would");
    await would.getByText(/^(No request has come to all points since|Would have hit)/).waitFor();
    const before = JSON.parse((await (await answerTo(page, "10", () => page.locator("#start-percent").fill("10.0"))).text())).preview;
    for (let i = 0; i < 20; i++) await ask(site, i % 4 === 0 ? "/mail/x" : "/shop/x", { "X-Test": String(i % 5) });
    await would.getByText(`Would have hit about ${(before.matched + 20) / 10} of the last ${before.requests + 20} requests at all points (10 %).`).waitFor();
    await page.locator("#start-point").selectOption("mail");
    await page.locator("#start-percent").fill("100");
    await would.getByText(/^Would have hit (\d+) of the last \1 requests at mail \(100 %\)\.$/).waitFor();
    await page.locator("#start-point").selectOption("site");
    await page.locator("#start-path").fill("/shop/*");
    await page.locator("#start-header").fill("X-Test");
    await page.locator("#start-value").fill("3");
    await would.getByText(/^Would have hit 3 of the last \d+ requests at site/).waitFor();
    await page.getByText("Limits: stop after").click();
    await page.getByLabel("Stop after hits").fill("3");
    await page.locator("#start-would-why", { hasText: /^3 match\. .* Not considered: times\.$/ }).waitFor();
    await page.locator("#start-line").fill("explode");
    await would.waitFor({ state: "hidden" });
    await close(page);
  },

  async "starters fill the form"() {
    const page = await open();
    for (const [name, want] of [
      ["Slow", "percent 10\ndelay 200ms 900ms"], ["Flaky", "percent 10\nrespond 503"], ["Down", "percent 100\nrespond 503"],
      ["Rate-limited", "percent 10\nrespond 429 {\n\tretry_after 30s\n}"], ["Flaky", "percent 10\nrespond 503"],
    ]) {
      const answer = await answerTo(page, want, () => page.getByRole("button", { name, exact: true }).click());
      assert.equal(await rule(page), want);
      assert.equal(answer.status(), 200, name);
    }
    await page.locator("#start-line").fill("close");
    await page.getByRole("button", { name: "Down", exact: true }).click();
    assert.equal(await rule(page), "percent 100\nrespond 503");
    assert.ok(await page.locator("#start-path").isEnabled());
    await page.locator("#start-point").selectOption("site");
    await page.locator("#start-path").fill("/down");
    await page.locator("#start-name").fill("down");
    await press(page);
    await page.locator('[data-experiment="down"]').waitFor();
    assert.equal((await ask(site, "/down")).status, 503);
    await stop(page, "down");
    await close(page);
  },

  async "every kind can be chosen"() {
    const page = await open();
    const kinds = await page.locator("#start-kind option").allTextContents();
    const { kinds: known } = JSON.parse((await ask(port, "/fault/kinds")).body);
    assert.deepEqual(kinds, ["preset", ...known]);
    await page.locator("#start-kind").selectOption("close");
    for (const kind of kinds) {
      await page.locator("#start-point").selectOption(kind === "refuse" ? "up" : "site");
      if (kind === "close") continue; // chosen above
      const answer = await answerTo(page, "\n" + kind, () => page.locator("#start-kind").selectOption(kind));
      assert.equal(answer.status(), 200, `${await rule(page)}: ${await answer.text()}`);
    }
    await close(page);
  },

  async "a preset is chosen by its name"() {
    const page = await open();
    await page.locator("#start-kind").selectOption("preset");
    await page.locator("#start-settings select").first().selectOption("aws-query-throttled");
    assert.equal(await rule(page), "percent 10\npreset aws-query-throttled");
    await page.locator("#start-settings select").nth(1).selectOption("400");
    const want = "percent 10\npreset aws-query-throttled code=400 type=SlowDown";
    const answer = await answerTo(page, want, () => page.locator("#start-settings input").fill("SlowDown"));
    assert.equal(answer.status(), 200, await answer.text());
    await page.locator("#start-settings select").first().selectOption("anthropic-overloaded");
    assert.equal(await rule(page), "percent 10\npreset anthropic-overloaded");
    await page.locator("#start-percent").fill("100");
    await page.locator("#start-point").selectOption("site");
    await page.locator("#start-path").fill("/v1/*");
    await page.locator("#start-name").fill("overloaded");
    await press(page);
    await page.locator('[data-experiment="overloaded"]').waitFor();
    assert.equal((await ask(site, "/v1/messages")).status, 529);
    await stop(page, "overloaded");
    await close(page);
  },
  async "every option writes a line that is valid"() {
    const page = await open();
    await page.locator("#start-point").selectOption("site");
    const values = {
      "Retry-After": "30s", "Media type": "text/plain", "Reason phrase": "Too Busy", "Header fields, one per line": "X-Reason: game day\nLink </a>", Pushback: "1s", RetryInfo: "1s",
      "At least": "10ms", "At most": "5s", "Faults above the quota": "respond 429\n", "Full speed for": "1KiB", Burst: "1MiB", "Only at": "/a /b", "Not at": "/c", "Changes of a reply": "2", "More steps": "2 drop\n3 repeat",
    };
    const boxes = { respond: ["Close the connection after the reply"], delay: ["Hold the reply, not the request"], throttle: ["All requests share the rate"], mutate: [] };
    for (const [kind, labels, want] of [
      ["respond", ["Retry-After", "Media type", "Reason phrase", "Header fields, one per line"], "respond 503 {\n\tretry_after 30s\n\tcontent_type text/plain\n\treason `Too Busy`\n\tclose\n\theader X-Reason `game day`\n\theader Link </a>\n}"],
      ["interim", ["Header fields, one per line"], "interim 103 {\n\theader X-Reason `game day`\n\theader Link </a>\n}"],
      ["grpc", ["Pushback", "RetryInfo"], "grpc UNAVAILABLE {\n\tpushback 1s\n\tretry_info 1s\n}"],
      ["delay", ["At least", "At most"], "delay 200ms {\n\tat_least 10ms\n\tat_most 5s\n\thold\n}"],
      ["ratelimit", ["Header fields, one per line", "Faults above the quota"], "ratelimit 100 1m {\n\theader X-Reason `game day`\n\theader Link </a>\n\trespond 429\n}"],
      ["throttle", ["Full speed for", "Burst"], "throttle 10KiB/s {\n\tafter 1KiB\n\tburst 1MiB\n\tshared\n}"],
      ["mutate", ["Only at", "Not at", "Changes of a reply"], "mutate {\n\tat /a /b\n\tnot_at /c\n\tcount 2\n}"],
      ["stream", ["More steps"], "stream 5 stop close {\n\t2 drop\n\t3 repeat\n}"],
    ]) {
      await page.locator("#start-kind").selectOption(kind);
      const settings = page.locator("#start-settings");
      for (const label of boxes[kind] ?? []) await settings.getByLabel(label).check();
      for (const label of labels.slice(1)) await settings.getByLabel(label, { exact: true }).fill(values[label]);
      const answer = await answerTo(page, want, () => settings.getByLabel(labels[0], { exact: true }).fill(values[labels[0]]));
      assert.equal(await rule(page), "percent 10\n" + want);
      assert.equal(answer.status(), 200, `${want}: ${await answer.text()}`);
    }
    await page.locator("#start-kind").selectOption("trailers");
    for (const [change, want] of [["set", "trailers set Grpc-Status 14"], ["", "trailers {\n\tdrop *\n\tset Grpc-Status 14\n\tset Grpc-Message `try later`\n}"], ["drop", "trailers drop"]]) {
      const answer = await answerTo(page, want, () => page.getByLabel("Change").selectOption(change));
      assert.equal(await rule(page), "percent 10\n" + want);
      assert.equal(answer.status(), 200, want);
    }
    await page.locator("#start-kind").selectOption("respond");
    for (const [value, want] of [["30s date", "retry_after 30s date"], ["off", "retry_after off"]]) {
      const answer = await answerTo(page, want, () => page.getByLabel("Retry-After").fill(value));
      assert.equal(answer.status(), 200, want);
    }
    await page.getByLabel("Media type").fill("");
    const html = await answerTo(page, "format html", () => page.getByLabel("Form of the catalog's body").selectOption("html"));
    assert.equal(html.status(), 200, await html.text());
    await page.locator("#start-kind").selectOption("delay");
    for (const [shape, want] of [["normal", "delay normal 300ms 100ms"], ["pareto", "delay pareto 100ms 1.5"], ["percentiles", "delay percentiles p50=100ms p99=2s"], ["ramp", "delay ramp 0s 2s 5m"]]) {
      await page.getByLabel("Distribution").focus();
      const answer = await answerTo(page, want, () => page.getByLabel("Distribution").selectOption(shape));
      assert.equal(answer.status(), 200, want);
      assert.equal(await page.evaluate(() => document.activeElement.value), shape, "the focus is lost");
    }
    await page.getByText("Limits: stop after").click();
    const limits = page.locator("#start-limits");
    for (const [label, value] of [["Stop after hits", "3"], ["Most at the same time", "2"], ["Skip the first", "1"], ["Only every n-th", "2"], ["Only above a quota", "100 1m"],
      ["Count for each", "{header.X-User}"], ["Hit and pause", "10s 1m"], ["Begin after", "5m"], ["Hit until", "1h"], ["Only replies with", "status 5xx"]]) await limits.getByLabel(label).fill(value);
    await limits.getByLabel("When").selectOption("response");
    const answer = await answerTo(page, "dry_run", () => limits.getByLabel("Dry run").check());
    assert.equal(answer.status(), 200, await answer.text());
    await close(page);
  },

  async "an error of the rule is shown at the word"() {
    const page = await open();
    const line = page.locator("#start-line");
    await line.fill("percent 10; explode 3");
    await page.locator("mark", { hasText: /^explode$/ }).waitFor();
    assert.equal(await line.getAttribute("aria-invalid"), "true");
    await line.fill("percent 10\n\nrespond 503 `höher` {\n\tretry_after soon\n}");
    await page.locator("mark", { hasText: /^soon$/ }).waitFor();
    assert.equal(await page.locator("#start-answer .echo").textContent(), "\tretry_after soon");
    await page.locator("#start-point").selectOption("site");
    await press(page);
    await page.locator("#start-wrong", { hasText: "Not started: " }).waitFor();
    assert.equal(await focused(page), "start-line");
    await line.fill("percent 10; delay 1s; respond 503");
    await page.getByText("The rule is valid.").waitFor();
    await close(page);
  },

  async "a server that does not answer is not an error of the rule"() {
    const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
    await page.locator("#start-point").selectOption("mail");
    await page.route("**/fault/draft", (route) => route.abort());
    await page.locator("#start-note").fill("it is gone");
    await page.locator("#start-answer", { hasText: "Caddy does not answer." }).waitFor();
    assert.equal(await page.locator("#start-line").getAttribute("aria-invalid"), "false");
    await page.getByRole("button", { name: "command", exact: true }).click();
    await page.locator("#toast", { hasText: "Caddy does not answer." }).waitFor({ state: "attached" });
    await close(page, /net::ERR_FAILED/);
  },

  async "the form writes the whole rule"() {
    const page = await open();
    await page.locator("#start-kind").selectOption("close");
    await page.locator("#start-percent").fill("100");
    await page.locator("#start-point").selectOption("*");
    await page.locator("#start-path").fill("/a /b/*");
    assert.equal(await rule(page), "match path /a /b/*\npercent 100\nclose");
    await page.locator("#start-header").fill("X-Test");
    await page.locator("#start-value").fill("it's");
    assert.equal(await rule(page), "match `path('/a', '/b/*') && header({'X-Test': 'it\\'s'})`\npercent 100\nclose");
    await page.locator("#start-name").fill("both");
    await press(page);
    await page.locator('[data-experiment="both"]', { hasText: "at all points" }).waitFor();
    assert.equal((await ask(site, "/a")).status, 200);
    await assert.rejects(ask(site, "/b/c", { "X-Test": "it's" }));
    // the end of an experiment does not change a choice
    await page.locator('nav a[href="#feed"]').click();
    await page.locator("#feed-rule").selectOption("both");
    await page.locator('nav a[href="#overview"]').click();
    await stop(page, "both");
    assert.equal(await page.locator("#feed-rule").inputValue(), "both");
    await close(page);
  },

  async "an experiment without a name gets one"() {
    const page = await open();
    await page.locator("#start-point").selectOption("mail");
    await page.locator("#start-kind").selectOption("delay");
    await press(page);
    const row = page.locator('[data-experiment^="delay-"]');
    await row.waitFor();
    await stop(page, await row.getAttribute("data-experiment"));
    await close(page);
  },

  async "an error is shown beside its field and at the button"() {
    const page = await open();
    const wrong = async (id, value, message, then) => {
      const field = page.locator("#" + id);
      await field.fill(value);
      await press(page);
      await page.locator("label", { has: field }).locator(".wrong", { hasText: message }).waitFor();
      await page.locator("#start-wrong", { hasText: message }).waitFor();
      assert.equal(await field.getAttribute("aria-invalid"), "true");
      assert.equal(await focused(page), id);
      await field.fill(then);
      await page.locator("label", { has: field }).locator(".wrong").waitFor({ state: "detached" });
    };
    await page.locator("#start-point").selectOption("mail");
    await wrong("start-path", "api", "begins with a slash", "");
    await wrong("start-path", "/a?b=1", "is the query", "/a");
    await wrong("start-header", "X-Test: 1", "is not a header field name", "");
    await page.locator("#start-header").fill("X-Test");
    await wrong("start-value", "a`\\", "The rule cannot express this text", "1");
    await page.locator("#start-header").fill("");
    await press(page);
    await page.locator("label .wrong", { hasText: "Enter the name of the header field." }).waitFor();
    await page.locator("#start-header").fill("X-Test:");
    assert.match(await rule(page), /^match `path\('\/a'\) && header\({'X-Test': '1'}\)`$/m);
    await wrong("start-name", "a b", "A name has up to 64", "refund");
    await wrong("start-ttl", "10 min", "This is not a duration", "1h30m");
    await wrong("start-name", "trigger", "it is reserved for triggers", "refund");
    await wrong("start-name", "moved", "has a rule 'moved'", "refund");
    const put = () => page.request.fetch(origin + "/fault/experiments/refund", { method: "PUT", headers: { Origin: origin }, data: { points: ["mail"], percent: 0, faults: [{ fault: "close" }] } });
    assert.ok((await put()).ok());
    await wrong("start-name", "refund", "is already running; choose another name", "spare");
    await page.locator('nav a[href="#overview"]').click();
    await stop(page, "refund");
    await page.locator('nav a[href="#start"]').click();
    await page.route("**/fault/experiments/*", (route) => route.fulfill({ status: 409, json: { error: "faults are halted" } }));
    await press(page);
    await page.locator("#start-wrong", { hasText: "Not started: faults are halted." }).waitFor();
    assert.equal(await focused(page), "start-go");
    await close(page);
  },

  async "an empty field before a filled one stands for its default"() {
    const page = await open();
    for (const [kind, second, want] of [["delay", "2s", "delay 0s 2s"], ["error", "oh", "error 502 oh"], ["respond", "a `b`", 'respond 503 "a `b`"'],
      ["grpc", "oh", "grpc UNAVAILABLE oh"], ["dribble", "1s", "dribble 10 1s"]]) {
      await page.locator("#start-kind").selectOption(kind);
      await page.locator("#start-settings input").nth(0).fill("");
      const answer = await answerTo(page, want, () => page.locator("#start-settings input").nth(1).fill(second));
      assert.equal(await rule(page), "percent 10\n" + want);
      assert.equal(answer.status(), 200, want);
    }
    await close(page);
  },

  async "a rule that was written by hand is not lost"() {
    const page = await open();
    const line = page.locator("#start-line");
    await page.locator("#start-settings input").first().fill("551");
    await page.locator("#start-kind").selectOption("delay");
    await page.locator("#start-kind").selectOption("respond");
    assert.equal(await rule(page), "percent 10\nrespond 551", "what was typed for a kind is lost");
    const again = page.getByRole("button", { name: "Rebuild rule from fields" });
    assert.equal(await again.isVisible(), false);
    await line.fill("match path /x; respond 551 by-hand");
    await again.waitFor();
    for (const id of ["start-path", "start-header", "start-value", "start-percent", "start-slide", "start-kind"]) {
      assert.ok(await page.locator("#" + id).isDisabled(), id);
    }
    await page.locator("#start-point").selectOption("mail");
    assert.equal(await rule(page), "match path /x; respond 551 by-hand");
    await again.click();
    assert.equal(await rule(page), "percent 10\nrespond 551");
    assert.ok(await page.locator("#start-path").isEnabled());
    assert.equal(await focused(page), "start-line");
    await close(page);
  },

  async "an experiment is started once, as it was when the button was pressed"() {
    const page = await open();
    await page.locator("#start-point").selectOption("site");
    await page.locator("#start-path").fill("/once");
    await page.locator("#start-name").fill("once");
    await page.waitForTimeout(300); // the last preview has been asked for
    const held = [];
    let puts = 0;
    await page.route("**/fault/draft", (route) => held.push(route));
    await page.route("**/fault/experiments/*", (route) => { puts++; return route.continue(); });
    const go = page.locator("#start-go");
    await go.click();
    await until("the draft is sent", async () => held.length > 0);
    assert.equal(await go.textContent(), "Starting …");
    await page.locator("#start-form").evaluate((form) => form.requestSubmit());
    await page.locator("#start-path").fill("/later");
    await page.locator("#start-name").fill("later");
    await until("the draft is sent again", async () => held.some((route) => route.request().postData().includes("/later")));
    await page.unroute("**/fault/draft");
    for (const route of held.reverse()) await route.continue();
    await page.locator('[data-experiment="once"]', { hasText: "match path /once" }).waitFor();
    assert.equal(puts, 1);
    assert.equal(await page.locator("#start-name").inputValue(), "later");
    await stop(page, "once");
    await close(page);
  },

  async "an experiment is copied as a command, a Caddyfile and JSON"() {
    const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
    const copied = async (name) => {
      await page.evaluate(() => navigator.clipboard.writeText("nothing"));
      await page.locator("#toast").evaluate((toast) => { toast.textContent = ""; }); // the one of an earlier copy
      await page.getByRole("button", { name, exact: true }).click();
      await page.locator("#toast", { hasText: /./ }).waitFor({ state: "attached" });
      return page.evaluate(() => navigator.clipboard.readText());
    };
    await page.getByRole("button", { name: "command", exact: true }).click();
    await page.locator("#start-wrong", { hasText: "Not copied: Choose an injection point" }).waitFor();
    await page.locator("#start-point").selectOption("mail");
    await page.locator("#start-note").fill("it's a test");
    await answerTo(page, "respond", () => page.locator("#start-name").fill("busy"));
    await until("the answer has the name", async () => (await copied("command")).includes("busy"));
    assert.equal(await copied("command"), "caddy fault run --name busy --ttl 10m0s --point mail --note 'it'\\''s a test' 'percent 10; respond 503'");
    assert.equal((await copied("Caddyfile")).trim(), "fault {\n\tpoint mail\n\trule busy {\n\t\tpercent 10\n\t\trespond 503\n\t}\n}");
    assert.deepEqual(JSON.parse(await copied("JSON")), { percent: 10, faults: [{ fault: "respond", status_code: 503 }], points: ["mail"], ttl: 600_000_000_000, note: "it's a test" });
    await page.locator("#start-settings input").first().fill("599"); // and copy before the server has answered
    assert.match(await copied("command"), /respond 599/);
    await answerTo(page, "choose", () => page.locator("#start-kind").selectOption("choose"));
    await page.getByText("The rule is valid.").waitFor();
    assert.equal(await copied("command"), "nothing");
    await page.locator("#toast", { hasText: "The command line cannot write this rule." }).waitFor({ state: "attached" });
    assert.match(await copied("Caddyfile"), /choose {/);
    await close(page);
  },

  async "no violation of axe-core, and it fits every screen"() {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1280, 360]) {
        const page = await open({ colorScheme, viewport: { width, height: 800 } });
        const check = async (what) => assert.deepEqual(await violations(page), [], `${what}, ${colorScheme}, ${width}`);
        await ask(site, "/mail/x");
        await page.locator("#start-would", { hasText: "Would have hit" }).waitFor();
        await check("at first");
        if (UPDATE || (colorScheme === "light" && width === 1280)) await tree(page);
        if (SHOTS) await page.screenshot({ path: path.join(SHOTS, `form-${colorScheme}-${width}.png`), fullPage: true });
        await page.getByText("Limits: stop after").click();
        await page.locator("#start-kind").selectOption("delay");
        await page.locator("#start-percent").fill("x");
        await press(page);
        await page.locator("#start-line").fill("percent 10\nexplode 3");
        await page.locator("#start-answer mark").waitFor();
        await check("with errors");
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width}: the form is too wide`);
        if (SHOTS) await page.screenshot({ path: path.join(SHOTS, `form-wrong-${colorScheme}-${width}.png`), fullPage: true });
        await close(page);
      }
    }
  },
};

// tree compares the accessibility tree of the form, without numbers that change.
async function tree(page) {
  const found = (await page.locator("#start").ariaSnapshot()).replaceAll(String(site), "80").replace(/(\d+(\.\d+)?) of the last .*?%\)/, "1 of the last 10 requests at all points (10 %)")
    .replace(/\d+ match(es)?\. The first came at [\d:]+/, "10 match. The first came at 12:00:00").replace(/(meter.*?): .*/, "$1") + "\n";
  const file = new URL("./trees/start.yml", import.meta.url);
  if (UPDATE) return writeFile(file, found);
  assert.equal(found, await readFile(file, "utf8"), "the tree of the form");
}

await run(tests, () => until("caddy answers", () => ask(port, "/")), async (failed) => {
  await browser.close();
  await caddy.remove();
  if (failed) console.error(caddy.log);
});
