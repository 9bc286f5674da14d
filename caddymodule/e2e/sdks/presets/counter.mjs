// A proxy in front of Caddy that counts the attempts of clients.

import { once } from "node:events";
import http from "node:http";

// target returns the path for Caddy. The SDK of Stripe has no prefix for its paths, so the
// ID of a customer is the folder.
const target = (url) => (url.startsWith("/v1/customers/") ? url.slice("/v1/customers".length) + "/" : url);

// count starts the proxy. seen returns how often a folder was asked for, and the
// milliseconds between the first two attempts.
export async function count(site) {
  const { hostname, port } = new URL(site);
  const times = {};
  const server = http.createServer((request, reply) => {
    const at = target(request.url);
    const folder = at.split(/[/?]/)[1];
    (times[folder] ??= []).push(Date.now());
    const onward = http.request({ hostname, port, path: at, method: request.method, headers: request.headers }, (answer) => {
      reply.writeHead(answer.statusCode, answer.headers);
      answer.pipe(reply);
    });
    onward.on("error", () => reply.destroy());
    request.pipe(onward);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen(folder) {
      const all = times[folder] ?? [];
      return { attempts: all.length, first: all[1] - all[0] };
    },
    end() {
      server.closeAllConnections();
      server.close();
    },
  };
}
