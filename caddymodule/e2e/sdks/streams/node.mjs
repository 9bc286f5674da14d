// Clients for Node.js that read streams, against faults:
//
//   CADDY=<binary> MODULES=<folder of node_modules> node node.mjs [-write]
//
// MODULES has the packages of ../package.json. Without -write, the clients must report
// what is recorded.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import * as answers from "./answers.mjs";
import { hold } from "./record.mjs";
import { serve } from "./site.mjs";
import { faults, reports, watchEvents, watchSocket } from "./watch.mjs";

const { CADDY, MODULES } = process.env;
const require = createRequire(path.join(MODULES, "from.cjs"));
globalThis.EventSource = require("eventsource").EventSource;
globalThis.WebSocket = require("ws").WebSocket;

const { dependencies: version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url)));
const sdks = answers.clients({ OpenAI: require("openai"), Anthropic: require("@anthropic-ai/sdk"), version });

const site = await serve(CADDY, { ...answers.faults(sdks), ...faults });
try {
  const seen = await Promise.all([
    answers.reports(sdks, site),
    reports([
      { table: "events", client: "eventsource", watch: (target, ms) => watchEvents([site.url + target, ms]) },
      { table: "sockets", client: "ws", watch: (target, ms) => watchSocket([site.url.replace("http", "ws") + target, ms]) },
    ]),
  ]);
  const titles = { eventsource: `eventsource ${version.eventsource}`, ws: `ws ${version.ws}` };
  for (const [name, { title }] of Object.entries(sdks)) titles[name] = title;
  await hold("node", { platform: `Node.js ${process.versions.node}`, titles }, seen.flat());
} finally {
  await site.end();
}
process.exit(); // the requests of clients that wait are still open
