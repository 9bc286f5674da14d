// What the tests of the console in a real browser share: a Caddy, a browser, and pages
// that record everything they must never do.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const { CADDY, CHROMIUM, MODULES, TEST = "" } = process.env;
const require = createRequire(path.join(MODULES, "from.cjs"));
const { chromium } = require("playwright-core");
export const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");

// stateOf matches the addresses of the state, whatever part of the rules it has.
export const stateOf = /\/fault\/(\?.*)?$/;

// freePorts returns ports that are currently free.
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((ready) => server.once("listening", ready))));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

export async function until(what, check) {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const found = await check().catch(() => false);
    if (found) return found;
    await new Promise((later) => setTimeout(later, 50));
  }
  throw new Error("still not after 30 s: " + what);
}

// ask sends a request with any header fields. fetch allows only some.
export function ask(port, target, headers = {}, method = "GET", body = "") {
  return new Promise((answered, failed) => {
    const request = http.request({ host: "127.0.0.1", port, path: target, headers, method, agent: false }, (reply) => {
      let body = "";
      reply.on("data", (part) => { body += part; });
      reply.on("end", () => answered({ status: reply.statusCode, headers: reply.headers, body }));
      reply.on("error", failed);
    }).on("error", failed);
    request.end(body);
  });
}

// start runs a Caddy with a configuration that the folder of its storage completes.
export async function start(caddyfile) {
  const dir = await mkdtemp(path.join(tmpdir(), "console-"));
  const file = path.join(dir, "Caddyfile");
  const caddy = { dir, log: "" };
  caddy.write = (text) => writeFile(file, text(dir));
  caddy.run = () => {
    caddy.process = spawn(CADDY, ["run", "--config", file, "--adapter", "caddyfile"],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir } });
    caddy.process.stderr.on("data", (part) => { caddy.log += part; });
  };
  caddy.stop = async () => {
    const { process: running } = caddy;
    running.kill();
    await new Promise((ended) => (running.exitCode === null ? running.once("exit", ended) : ended()));
  };
  caddy.remove = async () => {
    await caddy.stop();
    await rm(dir, { recursive: true });
  };
  await caddy.write(caddyfile);
  caddy.run();
  return caddy;
}

export const browse = () => chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });

// open returns a page on the console that records everything it must never do. It calls
// before with the page before it loads the console.
export async function open(browser, origin, options = {}, at = "/", before = () => {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.complaints = [];
  await before(page);
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") page.complaints.push(message.text()); });
  page.on("request", (request) => { if (new URL(request.url()).origin !== origin) page.complaints.push("requests " + request.url()); });
  await page.goto(origin + at);
  await page.locator("#status-text", { hasText: /Armed|Halted|Injecting|Dry run/ }).waitFor();
  return page;
}

// close closes a page that has recorded only what is expected.
export async function close(page, expected = /status of 4\d\d/) {
  await page.unrouteAll({ behavior: "ignoreErrors" }); // does not wait for pending requests
  assert.deepEqual(page.complaints.filter((text) => !/status of 4\d\d/.test(text) && !expected.test(text)), [], "what the page has recorded");
  await page.context().close();
}

// violations returns what axe-core finds.
export async function violations(page) {
  const found = await page.evaluate(`(() => { const module = undefined; ${axe}; return axe.run({ resultTypes: ['violations'], preload: false }) })()`);
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`);
}

// run calls begin, runs the tests whose names contain the variable TEST, and calls end,
// whatever has failed.
export async function run(tests, begin, end) {
  let failed = true;
  try {
    await begin();
    for (const [name, test] of Object.entries(tests)) {
      if (!name.includes(TEST)) continue;
      const began = Date.now();
      try {
        await test();
      } catch (error) {
        error.message = `${name}: ${error.message}`;
        throw error;
      }
      console.log(`ok: ${name} (${Date.now() - began} ms)`);
    }
    failed = false;
  } finally {
    await end(failed);
  }
}
