// The console with 1,000 rules and 100,000 hits in the journal, in a real browser:
//
//   CADDY=<binary> CHROMIUM=<binary> MODULES=<folder of node_modules> node many.mjs
//
// The first view must stay small, however the rules are spread over points.

import assert from "node:assert/strict";
import net from "node:net";

import { ask, browse, close, freePorts, open, run, start, until, violations } from "./harness.mjs";

const most = { bytes: 300_000, nodes: 3000 };
const hits = 100_000;

const [site, port] = await freePorts(2);
const origin = `http://127.0.0.1:${port}`;

// rule returns a rule whose line only JSON can express, as long ones are.
const rule = (name) => `rule ${name} {
        match path /${name}
        respond 503 {
          header Retry-After 5
        }
      }`;

// caddyfile returns a configuration with a thousand rules.
const caddyfile = (dir, points) => `{
    admin off
    persist_config off
    auto_https off
    default_bind 127.0.0.1
    storage file_system ${dir}/storage
    fault {
      journal ${hits}
    }
    log {
      level WARN
    }
  }
  :${site} {
    ${Array.from({ length: points }, (_, p) => `fault {
      point point${p}
      ${Array.from({ length: 1000 / points }, (_, r) => rule(`p${p}r${r}`)).join("\n      ")}
    }`).join("\n    ")}
    respond "passed"
  }
  :${port} {
    fault_console
  }`;

const caddy = await start((dir) => caddyfile(dir, 20));
const browser = await browse();

// hit sends requests one after another on one connection, without waiting for replies.
function hit(target, count) {
  return new Promise((done, failed) => {
    const socket = net.connect(site, "127.0.0.1", () => {
      const one = `GET ${target} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: load/1\r\n`;
      socket.end(`${one}\r\n`.repeat(count - 1) + `${one}Connection: close\r\n\r\n`);
    });
    socket.on("error", failed).on("close", done).resume();
  });
}

// first opens the page, and returns it with how much it has received and made.
async function first(options) {
  const sizes = new Map();
  const page = await open(browser, origin, options, "/", async (page) => {
    const wire = await page.context().newCDPSession(page);
    await wire.send("Network.enable");
    const urls = new Map();
    wire.on("Network.requestWillBeSent", ({ requestId, request }) => urls.set(requestId, new URL(request.url)));
    wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      const { pathname = "", search = "" } = urls.get(requestId) ?? {};
      if (!sizes.has(pathname + search)) sizes.set(pathname + search, encodedDataLength); // of the first reading
    });
  });
  await page.locator("#points [data-rule]").nth(49).waitFor();
  await page.locator("#chart-now", { hasText: "Last 10 s" }).waitFor();
  await page.locator("#sum-real", { hasText: /\d/ }).waitFor();
  return { page, bytes: [...sizes.values()].reduce((all, n) => all + n, 0), sizes, nodes: await nodesOf(page) };
}

// nodesOf counts all nodes of the document, texts as well.
const nodesOf = (page) => page.evaluate(() => {
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
  let count = 1;
  while (walker.nextNode()) count++;
  return count;
});

// isSmall checks the first view, and says how large it is.
async function isSmall(what) {
  const { page, bytes, sizes, nodes } = await first();
  console.log(`${what}: ${bytes} bytes uncompressed in ${sizes.size} answers, ${nodes} nodes`);
  if (bytes > most.bytes) console.log([...sizes].sort((a, b) => b[1] - a[1]).slice(0, 10));
  assert.ok(bytes <= most.bytes, `the first view has ${bytes} bytes`);
  assert.ok(nodes <= most.nodes, `the first view has ${nodes} nodes`);
  await page.getByText("50 of 1000 rules are shown.").waitFor();
  return page;
}

const tests = {
  async "the first view is small with 20 points of 50 rules, and 100,000 hits"() {
    await Promise.all(Array.from({ length: 10 }, (_, i) => hit(`/p${i}r0`, hits / 10)));
    await until("the journal is full", async () => JSON.parse((await ask(port, "/fault/journal?limit=1")).body).entries[0].seq >= hits);
    const page = await isSmall("20 points of 50 rules");
    await page.getByRole("button", { name: "Show 50 more" }).click();
    await page.getByText("100 of 1000 rules are shown.").waitFor();
    assert.equal(await page.locator("#points [data-rule]").count(), 100);
    await page.locator("#find").fill("p19r4");
    await page.locator('[aria-label="Injection point point19"]').waitFor();
    await until("eleven rules are found", async () => await page.locator("#points [data-rule]").count() === 11);
    assert.equal(await page.locator("#points .line").first().textContent(), "match path /p19r4; respond 503 · Retry-After: 5");
    assert.deepEqual(await violations(page), []);
    await close(page);
  },

  async "the first view is small with 1,000 points of one rule"() {
    await caddy.stop();
    await caddy.write((dir) => caddyfile(dir, 1000));
    caddy.run();
    await until("caddy answers", () => ask(port, "/"));
    await hit("/p0r0", 10);
    await close(await isSmall("1,000 points of one rule"));
  },
};

await run(tests, () => until("caddy answers", () => ask(port, "/")), async (failed) => {
  await browser.close();
  await caddy.remove();
  if (failed) console.error(caddy.log.slice(-5000));
});
