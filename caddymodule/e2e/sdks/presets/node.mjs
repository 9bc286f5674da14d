// What the SDKs of services raise for the presets of these services:
//
//   CADDY=<binary> MODULES=<folder of node_modules> node node.mjs [-write]
//
// MODULES has the packages of ../package.json. Without -write, the SDKs must raise what is
// recorded.

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createRequire } from "node:module";
import { serve } from "../streams/site.mjs";
import { count } from "./counter.mjs";
import { sdks } from "./sdks.mjs";

const { CADDY, MODULES } = process.env;
const require = createRequire(path.join(MODULES, "from.cjs"));
const { dependencies: version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url)));
const cases = JSON.parse(await readFile(new URL("cases.json", import.meta.url)));
const file = new URL("measured.json", import.meta.url);

// about returns what an application can tell an error by.
function about(error) {
  const { type, code, data } = error;
  const detail = [data?.error, error.decline_code, code, type, error.error?.error?.type, error.$metadata && error.name]
    .filter((text) => typeof text === "string" && text !== error.constructor.name);
  return {
    class: error.constructor.name === "Error" ? error.name : error.constructor.name,
    status: error.status ?? error.statusCode ?? error.$metadata?.httpStatusCode,
    code: detail[0],
    retryAfter: Number(error.retryAfter ?? error.headers?.["retry-after"] ?? error.headers?.get?.("retry-after") ?? 0) || undefined,
  };
}

// folderOf returns the first folder of the paths for a case. Two presets break the stream
// of an upstream, which has a folder for each API.
const folderOf = ({ preset, folder }) => folder ?? preset.split(" ")[0];

// ask asks the SDK of a case once, and returns what it raises and how often it tried.
async function ask(one, counter) {
  const folder = folderOf(one);
  const raised = await sdks(require)[one.sdk](`${counter.url}/${folder}`, folder).then(() => ({ class: "no error" }), about);
  const { attempts, first } = counter.seen(folder);
  // A timer of a client may be early by some milliseconds.
  const obeys = attempts > 1 && raised.retryAfter ? first >= 950 * raised.retryAfter : undefined;
  return { preset: one.preset, sdk: one.sdk, ...raised, attempts, obeys };
}

const faults = Object.fromEntries(cases.map((one) => [`/${folderOf(one)}`, `preset ${one.preset}`]));
const site = await serve(CADDY, faults);
const counter = await count(site.url);
try {
  const reports = await Promise.all(cases.map((one) => ask(one, counter)));
  if (process.argv.includes("-write")) {
    const lines = reports.map((report) => JSON.stringify(report)).join(",\n");
    await writeFile(file, `{"versions": ${JSON.stringify(version)}, "reports": [\n${lines}\n]}\n`);
  } else {
    compare(reports, JSON.parse(await readFile(file)).reports);
  }
} finally {
  counter.end();
  await site.end();
}
process.exit(); // the SDKs keep connections open

// compare throws an error if reports differ from the recorded ones.
function compare(reports, recorded) {
  const wrong = [];
  for (let i = 0; i < Math.max(reports.length, recorded.length); i++) {
    const [got, want] = [reports[i], recorded[i]].map((report) => JSON.stringify(report));
    if (got !== want) wrong.push(`got ${got}, want ${want}`);
  }
  if (wrong.length > 0) throw new Error(`measured.json has other reports; if these are right, run with -write\n${wrong.join("\n")}`);
  const names = new Set(reports.map(({ preset }) => preset.split(" ")[0]));
  console.log(`ok: ${reports.length} errors of ${names.size} presets are as recorded`);
}
