// HTTP clients for Node.js, with their defaults and a timeout of two seconds:
//
//   node clients.mjs                              prints the name and the title of each
//   node clients.mjs <name> <method> <url> ...    sends all requests at the same time
//
// For each request that has ended it prints the URL and what the caller sees.

import { readFileSync } from "node:fs";

const timeout = 2000;

// bodyOf returns the body of a request.
const bodyOf = (method) => (method === "POST" ? { item: "tea" } : undefined);

// options returns what fetch and undici need for a request.
function options(method) {
  if (method === "GET") return { method };
  return { method, body: JSON.stringify(bodyOf(method)), headers: { "content-type": "application/json" } };
}

// fetched sends a request by fetch. It reads the reply, so that a cut body is noticed.
async function fetched(method, url) {
  const reply = await fetch(url, { ...options(method), signal: AbortSignal.timeout(timeout) });
  await reply.text();
  if (!reply.ok) throw new Error(`status ${reply.status}`);
}

async function viaUndici(method, url, agentOf) {
  const undici = await import("undici");
  const limits = { headersTimeout: timeout, bodyTimeout: timeout };
  const reply = await undici.request(url, { ...options(method), ...limits, dispatcher: agentOf(undici) });
  await reply.body.text();
  if (reply.statusCode >= 400) throw new Error(`status ${reply.statusCode}`);
}

async function viaAxios(method, url, retries) {
  const { default: axios } = await import("axios");
  const { default: axiosRetry } = await import("axios-retry");
  const client = axios.create({ timeout });
  if (retries) axiosRetry(client, { retries });
  return client.request({ method, url, data: bodyOf(method) });
}

async function viaGot(method, url) {
  const { default: got } = await import("got");
  return got(url, { method, timeout: { request: timeout }, json: bodyOf(method) }).text();
}

async function viaKy(method, url) {
  const { default: ky } = await import("ky");
  return ky(url, { method, timeout, json: bodyOf(method) }).text();
}

async function viaPRetry(method, url) {
  const { default: pRetry } = await import("p-retry");
  return pRetry(() => fetched(method, url), { retries: 3 });
}

const messages = [{ role: "user", content: "tea" }];

async function viaOpenAI(method, url) {
  const { default: OpenAI } = await import("openai");
  const api = new OpenAI({ apiKey: "test", baseURL: url, timeout });
  return method === "GET" ? api.models.list() : api.chat.completions.create({ model: "m", messages });
}

async function viaAnthropic(method, url) {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  const api = new Anthropic({ apiKey: "test", baseURL: url, timeout });
  return method === "GET" ? api.models.list() : api.messages.create({ model: "m", max_tokens: 1, messages });
}

// viaStripe uses the path of the URL as the ID of a customer.
async function viaStripe(method, url) {
  const { default: Stripe } = await import("stripe");
  const { hostname: host, port, pathname } = new URL(url);
  const { customers } = new Stripe("test", { host, port, protocol: "http", timeout, telemetry: false });
  const id = pathname.slice(1);
  return method === "GET" ? customers.retrieve(id) : customers.update(id, { name: "tea" });
}

const version = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies;

// clients have a name, a title, and how the client sends a request.
const clients = {
  fetch: [`Node.js ${process.versions.node} \`fetch\``, fetched],
  undici: [`undici ${version.undici}`, (method, url) => viaUndici(method, url, ({ Agent }) => new Agent())],
  "undici-retryagent": [
    `undici ${version.undici}, \`RetryAgent\``,
    (method, url) => viaUndici(method, url, ({ Agent, RetryAgent }) => new RetryAgent(new Agent())),
  ],
  axios: [`axios ${version.axios}`, (method, url) => viaAxios(method, url, 0)],
  "axios-retry": [`axios-retry ${version["axios-retry"]}, \`retries: 3\``, (method, url) => viaAxios(method, url, 3)],
  got: [`got ${version.got}`, viaGot],
  ky: [`ky ${version.ky}`, viaKy],
  "p-retry": [`p-retry ${version["p-retry"]} with \`fetch\`, \`retries: 3\``, viaPRetry],
  "openai-node": [`OpenAI for Node.js ${version.openai}`, viaOpenAI],
  "anthropic-node": [`Anthropic for Node.js ${version["@anthropic-ai/sdk"]}`, viaAnthropic],
  "stripe-node": [`Stripe for Node.js ${version.stripe}`, viaStripe],
};

const [name, ...calls] = process.argv.slice(2);
if (!name) {
  for (const [each, [title]] of Object.entries(clients)) console.log(`${each}\t${title}`);
}
for (let i = 0; i < calls.length; i += 2) {
  const [method, url] = [calls[i], calls[i + 1]];
  clients[name][1](method, url).then(
    () => console.log(`${url} ok`),
    (err) => console.log(`${url} ${err.name} ${err.code ?? err.status ?? ""}`),
  );
}
