// What EventSource and WebSocket report. The functions have the same code for Node.js and
// for browsers. They use no name of this module, so that a page can run them.

import { cases, limit, silent } from "./record.mjs";

// watchEvents opens a stream of events that ends with 6. It returns what an application
// sees up to a time in milliseconds.
export function watchEvents([url, ms]) {
  return new Promise((seen) => {
    const source = new EventSource(url);
    const parts = [];
    const end = (last) => {
      clearTimeout(timer);
      source.close();
      seen([...parts, last].filter(Boolean).join(", "));
    };
    const timer = setTimeout(() => end("waits"), ms);
    source.onmessage = ({ data }) => {
      if (/^\d/.test(parts.at(-1))) parts.push(parts.pop() + " " + data);
      else parts.push(data);
      if (data === "6") end("");
    };
    source.onerror = ({ code }) => {
      if (source.readyState === EventSource.CLOSED) end(code ? "closed, code " + code : "closed");
      else parts.push("reconnects");
    };
  });
}

// watchSocket opens a WebSocket. It returns what an application sees up to a time.
export function watchSocket([url, ms]) {
  return new Promise((seen) => {
    const socket = new WebSocket(url);
    const parts = [];
    let messages = "";
    const end = (last) => {
      clearTimeout(timer);
      socket.close();
      seen([messages.trim(), ...parts, last].filter(Boolean).join(", "));
    };
    const timer = setTimeout(() => end("waits"), ms);
    socket.onmessage = ({ data }) => { messages += data.replace("tick", ""); };
    socket.onerror = ({ error }) => parts.push(error ? `error \`${error.code ?? error.message}\`` : "error");
    socket.onclose = ({ code, reason }) => end(`close ${code} ${reason}`.trim());
  });
}

const all = "1 2 3 4 5 6";

// faults are the faults of both tables by path. Those of event streams hit the first
// connection only.
export const faults = Object.fromEntries([
  ...cases.events.map(({ fault }, i) => [`/events/${i}`, `times 1\n${fault}`]),
  ...cases.sockets.map(({ fault }, i) => [`/sockets/${i}`, fault]),
]);

// wrong reports whether what an application sees is wrong and has no error.
const wrong = {
  events: (seen) => /^\d[\d ]+$/.test(seen) && seen !== all,
  sockets: (seen) => seen.includes("close 1000") && !seen.startsWith(all),
};

// reports returns what clients report in each case of their tables. The function watch of
// a client gets the path of a case and the time.
export function reports(clients) {
  return Promise.all(clients.flatMap(({ table, client, watch }) => cases[table].map(async (one, i) => {
    const seen = await watch(`/${table}/${i}/`, limit(one));
    return { table, client, fault: one.fault, report: wrong[table](seen) ? silent(seen) : seen };
  })));
}
