// What clients report is recorded in the folder measured, one file for each program that
// measures. The tables of the manual are generated from these files.

import { readFile, writeFile } from "node:fs/promises";

// The cases, by table. A client waits if it must report nothing.
export const cases = JSON.parse(await readFile(new URL("cases.json", import.meta.url)));

// limit returns the time in milliseconds for a client.
export const limit = ({ waits }) => (waits ? 9_000 : 30_000);

export const code = (text) => "`" + text + "`";

// silent marks what an application can take for success.
export const silent = (text) => `**${text}**`;

// hold compares reports, which have a table, a client, a fault and a report, with the file
// of a program. With the flag -write, it writes the file.
export async function hold(program, { platform, titles }, reports) {
  const file = new URL(`measured/${program}.json`, import.meta.url);
  if (process.argv.includes("-write")) {
    const head = JSON.stringify({ measured: new Date().toISOString().slice(0, 10), platform, titles }).slice(0, -1);
    await writeFile(file, `${head}, "reports": [\n${reports.map((each) => JSON.stringify(each)).join(",\n")}\n]}\n`);
    return;
  }
  const key = ({ table, client, fault }) => `${table}, ${client}, ${fault}`;
  const recorded = new Map(JSON.parse(await readFile(file)).reports.map((each) => [key(each), each.report]));
  const wrong = [];
  for (const each of reports) {
    const want = recorded.get(key(each));
    if (each.report !== want) wrong.push(`${key(each)}: got ${each.report}, want ${want}`);
    recorded.delete(key(each));
  }
  for (const missing of recorded.keys()) wrong.push(`${missing}: not measured`);
  if (wrong.length > 0) throw new Error(`${program}.json has other reports; if these are right, run with -write\n${wrong.join("\n")}`);
  console.log(`ok: ${reports.length} reports are as recorded in ${program}.json`);
}
