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

import { ask, browse, close, freePorts, open as openAt, run, start, until, violations } from "./harness.mjs";

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
await until("caddy answers", () => ask(port, "/"));
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

const tests = {
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

await run(tests, async (failed) => {
  await browser.close();
  await caddy.remove();
  if (failed) console.error(caddy.log.split("\n").filter((line) => /"level":"(warn|error)"/.test(line)).join("\n"));
});
