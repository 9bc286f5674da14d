// A Caddy with faults, in front of an upstream that streams.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";

const pause = (ms) => new Promise((later) => setTimeout(later, ms));

// Each stream pauses in its middle. A TCP reset discards what the client has not read, so
// the client needs time to read.
const middle = 300;

// chunks returns events as the API of OpenAI writes them, and named as that of Anthropic.
const chunks = (...choices) => choices.map((choice) => {
  const chunk = { id: "chat-1", object: "chat.completion.chunk", created: 1, model: "m" };
  return `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`;
});
const named = (...events) => events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);

const answer = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null };
const textDelta = (text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } });

// The events of the upstream, by the first folder of the path. The text of both answers is
// "Grüß Gott". Event 4 of each has " Gott".
const streams = {
  openai: () => [
    ...chunks({ delta: { role: "assistant", content: "" } }, { delta: { content: "Grü" } }, { delta: { content: "ß" } },
      { delta: { content: " Gott" } }, { delta: {}, finish_reason: "stop" }),
    "data: [DONE]\n\n",
  ],
  anthropic: () => named(
    { type: "message_start", message: { ...answer, usage: { input_tokens: 1, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    textDelta("Grüß"), textDelta(" Gott"),
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 2 } },
    { type: "message_stop" }),
  events: (last) => [1, 2, 3, 4, 5, 6].slice(last).map((n) => `id: ${n}\ndata: ${n}\n\n`),
};

// stream replies with events. The stream of events with numbers continues after the last
// one that the client has, and stays open.
async function stream(request, reply) {
  const folder = request.url.split("/")[1];
  const last = Number(request.headers["last-event-id"] ?? 0);
  const events = streams[folder]?.(last) ?? [];
  reply.writeHead(200, { "Content-Type": "text/event-stream", "Access-Control-Allow-Origin": "*" });
  if (folder === "events") reply.write("retry: 100\n\n");
  for (const [i, event] of events.entries()) {
    if (last + i === 3) await pause(middle);
    reply.write(event);
  }
  if (folder !== "events") reply.end();
}

// frame returns a frame of a WebSocket.
const frame = (opcode, payload) => Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), payload]);

// upgrade opens a WebSocket, sends messages of 8 bytes on the wire and then a close frame.
async function upgrade(request, socket) {
  socket.on("error", () => {});
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.once("data", () => socket.end()); // the close frame of the client
  for (let n = 1; n <= 6; n++) {
    if (n === 4) await pause(middle);
    socket.write(frame(1, Buffer.from(`tick ${n}`)));
  }
  socket.write(frame(8, Buffer.concat([Buffer.from([0x03, 0xe8]), Buffer.from("done")]))); // 1000
}

async function listening(handler) {
  const server = http.createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

// freePort returns a port that is currently free.
async function freePort() {
  const server = await listening();
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// caddyfile returns a configuration with the faults by path, without and with TLS.
const caddyfile = (dir, { plain, secure, upstream }, faults) => `{
    admin off
    persist_config off
    auto_https disable_redirects
    skip_install_trust
    grace_period 1s
    default_bind 127.0.0.1
    storage file_system ${dir}/storage
  }
  (site) {
    ${Object.entries(faults).map(([folder, lines]) => `fault ${folder}/* {\n${lines}\n}`).join("\n")}
    reverse_proxy 127.0.0.1:${upstream}
  }
  http://:${plain} {
    import site
  }
  https://localhost:${secure} {
    tls internal
    import site
  }`;

// serve starts the upstream, and Caddy with faults by path. It returns the URLs without and
// with TLS, a function that counts the requests which the upstream got below a path, and
// one that ends both.
export async function serve(binary, faults) {
  const seen = [];
  const upstream = await listening((request, reply) => {
    seen.push(request.url);
    stream(request, reply);
  });
  upstream.on("upgrade", upgrade);
  const ports = { plain: await freePort(), secure: await freePort(), upstream: upstream.address().port };

  const dir = await mkdtemp(path.join(tmpdir(), "streams-"));
  const config = path.join(dir, "Caddyfile");
  await writeFile(config, caddyfile(dir, ports, faults));
  const caddy = spawn(binary, ["run", "--config", config, "--adapter", "caddyfile"],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir } });
  let log = "";
  caddy.stderr.on("data", (part) => { log += part; });

  const site = {
    url: `http://127.0.0.1:${ports.plain}`,
    secure: `https://localhost:${ports.secure}`,
    requests: (folder) => seen.filter((url) => url.startsWith(folder + "/")).length,
    async end() {
      caddy.kill();
      if (caddy.exitCode === null) await once(caddy, "exit");
      upstream.closeAllConnections();
      upstream.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  for (const late = Date.now() + 30_000; !(await fetch(site.url).catch(() => false));) {
    if (Date.now() > late || caddy.exitCode !== null) {
      await site.end();
      throw new Error("Caddy does not serve: " + log);
    }
    await pause(50);
  }
  return site;
}
