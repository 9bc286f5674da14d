// EventSource and WebSocket of a real browser, against faults:
//
//   CADDY=<binary> CHROMIUM=<binary> MODULES=<folder of node_modules> node chromium.mjs [-write]
//
// MODULES has playwright-core, in the version of .ci/run. Without -write, the browser must
// report what is recorded.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { hold } from "./record.mjs";
import { serve } from "./site.mjs";
import { faults, reports, watchEvents, watchSocket } from "./watch.mjs";

const { CADDY, CHROMIUM, MODULES } = process.env;
const { chromium } = createRequire(path.join(MODULES, "from.cjs"))("playwright-core");

const site = await serve(CADDY, faults);
let browser;
try {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const [page, secure] = [await context.newPage(), await context.newPage()];
  await page.goto(site.url);
  await secure.goto(site.secure);
  const protocol = await secure.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
  assert.equal(protocol, "h2");

  // Over HTTP/1.1, Chromium opens six connections to a host at most, so each case has a host.
  let hosts = 0;
  const on = (scheme, target) => `${scheme}://h${++hosts}.localhost:${new URL(site.url).port}${target}`;

  const seen = await reports([
    { table: "events", client: "chromium", watch: (target, ms) => page.evaluate(watchEvents, [on("http", target), ms]) },
    { table: "events", client: "chromium-http2", watch: (target, ms) => secure.evaluate(watchEvents, [site.secure + target, ms]) },
    { table: "sockets", client: "chromium", watch: (target, ms) => page.evaluate(watchSocket, [on("ws", target), ms]) },
  ]);
  const version = browser.version();
  const title = `Chromium ${version.split(".")[0]}`;
  await hold("chromium", { platform: `Chromium ${version}`, titles: { chromium: title, "chromium-http2": `${title}, HTTP/2` } }, seen);
} finally {
  await browser?.close();
  await site.end();
}
