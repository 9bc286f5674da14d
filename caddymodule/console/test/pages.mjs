// Pages in a real browser that call a site of another origin, with faults:
//
//   CADDY=<binary> CHROMIUM=<binary> MODULES=<folder of node_modules> node pages.mjs
//
// MODULES has playwright-core, in the version of .ci/run.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";

const { CADDY, CHROMIUM, MODULES } = process.env;
const { chromium } = createRequire(path.join(MODULES, "from.cjs"))("playwright-core");

// The upstream of the site answers preflights as most do: it allows one field, and only
// below /app. It records what reaches it.
const seen = [];
const upstream = http.createServer((request, reply) => {
  seen.push(`${request.method} ${request.url} ${request.headers["access-control-request-headers"] ?? ""}`.trim());
  reply.setHeader("Access-Control-Allow-Origin", "*");
  if (request.method === "OPTIONS") {
    if (request.url.startsWith("/app")) reply.setHeader("Access-Control-Allow-Headers", "content-type");
    else reply.statusCode = 405;
  }
  reply.end(JSON.stringify({ fault: request.headers["x-fault"] ?? null }));
}).listen(0, "127.0.0.1");

// The pages. The browser asks for nothing else.
const pages = http.createServer((_, reply) => {
  reply.setHeader("Content-Type", "text/html");
  reply.end("<!doctype html><title>page</title>");
}).listen(0, "127.0.0.1");

const site = http.createServer().listen(0, "127.0.0.1");
await Promise.all([upstream, pages, site].map((server) => server.listening || new Promise((ready) => server.once("listening", ready))));
const [api, origin] = [site, pages].map((server) => `http://127.0.0.1:${server.address().port}`);
const { port } = site.address();
await new Promise((closed) => site.close(closed));

const dir = await mkdtemp(path.join(tmpdir(), "pages-"));
await writeFile(path.join(dir, "Caddyfile"), `{
  admin off
  persist_config off
  auto_https off
  default_bind 127.0.0.1
  storage file_system ${dir}/storage
}
:${port} {
  fault /app/busy {
    cors ${origin}
    respond 503 {
      header Retry-After 7
    }
  }
  fault /app/once {
    cors
    times 1
    respond 503
  }
  fault {
    cors
    trigger header
  }
  reverse_proxy 127.0.0.1:${upstream.address().port}
}
`);
const caddy = spawn(CADDY, ["run", "--config", path.join(dir, "Caddyfile"), "--adapter", "caddyfile"],
  { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir } });
let log = "";
caddy.stderr.on("data", (part) => { log += part; });

// call lets a page send a request, and returns what its code can see of the reply.
function call(page, target, options = {}) {
  return page.evaluate(async ([url, init]) => {
    const reply = await fetch(url, init);
    return { status: reply.status, fields: Object.fromEntries(reply.headers), body: await reply.json() };
  }, [api + target, options]);
}

const json = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };

// preflights returns the preflights that have reached the upstream since the last call.
const preflights = () => seen.splice(0).filter((request) => request.startsWith("OPTIONS"));

const tests = {
  async "a page reads the status and the fields of an injected reply"(page) {
    const { status, fields, body } = await call(page, "/app/busy", json);
    assert.equal(status, 503);
    assert.equal(fields["retry-after"], "7");
    assert.equal(fields["x-fault-injected"], "fault1/rule1");
    assert.equal(body.error, "service_unavailable");
    assert.deepEqual(preflights(), ["OPTIONS /app/busy content-type"]);
    const withCookies = await call(page, "/app/busy", { credentials: "include" });
    assert.equal(withCookies.status, 503);
  },

  async "a page sends the field of a trigger"(page) {
    const fault = { "X-Fault": "429" };
    const get = await call(page, "/plain", { headers: fault });
    assert.equal(get.status, 429);
    assert.equal(get.fields["x-fault-injected"], "trigger");
    const post = await call(page, "/app/orders", { ...json, headers: { ...json.headers, ...fault } });
    assert.equal(post.status, 429);
    const passes = await call(page, "/app/orders", { ...json, headers: { ...json.headers, "X-Fault": "percent 0; 429" } });
    assert.deepEqual([passes.status, passes.body], [200, { fault: null }]);
    assert.ok(preflights().every((request) => request === "OPTIONS /app/orders content-type"), "the upstream has seen the field");
    await assert.rejects(call(page, "/plain", json), /Failed to fetch/, "a field that the upstream does not allow");
    seen.length = 0;
  },

  async "a preflight takes no turn"(page) {
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await call(page, "/app/once", json)).status);
    assert.deepEqual(statuses, [503, 200, 200]);
    assert.ok(preflights().length > 0, "there was no preflight");
  },
};

let browser, failed = true;
try {
  for (const end = Date.now() + 30_000; ;) {
    if (await fetch(api + "/plain").catch(() => false)) break;
    if (Date.now() > end) throw new Error("Caddy does not start");
    await new Promise((later) => setTimeout(later, 50));
  }
  seen.length = 0;
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  for (const [name, test] of Object.entries(tests)) {
    const context = await browser.newContext(); // with an empty cache of preflights
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    await page.goto(origin);
    await test(page);
    await context.close();
    console.log("ok    " + name);
  }
  failed = false;
} finally {
  if (failed) console.error(log);
  await browser?.close();
  caddy.kill();
  upstream.close();
  pages.close();
  await rm(dir, { recursive: true, force: true });
}
