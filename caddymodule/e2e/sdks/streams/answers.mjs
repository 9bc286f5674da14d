// What the SDKs of AI providers report when the stream of an answer breaks.

import { cases, code, limit, silent } from "./record.mjs";

const whole = "Grüß Gott";
const messages = [{ role: "user", content: "Grüß Gott" }];

// failed returns what an application can tell an error by: its class, the type that the
// provider gives it, or the code of the innermost cause. The messages of the JavaScript
// engine differ between versions.
function failed(error) {
  const name = error.constructor.name;
  if (error.type) return `${code(name)} (${code(error.type)}, ${error.status ? "status " + error.status : "no status"})`;
  let cause;
  for (let inner = error.cause; inner; inner = inner.cause) cause = inner.code ?? inner.name;
  if (cause) return `${code(name)} (${code(cause)})`;
  return code(error instanceof SyntaxError ? name : `${name}: ${error.message}`);
}

// finished returns what an application gets without an error.
const finished = (text, reason) =>
  (text === whole && reason ? `“${text}”, ${code(reason)}` : silent(`“${text}”, ${code(reason)}`));

// loop reads the events of a stream, as returned by start. It adds up the text and the
// reason for the end, which part returns for an event.
async function loop(start, part) {
  let text = "", reason = null;
  try {
    for await (const event of await start()) {
      const [more, last] = part(event);
      text += more ?? "";
      reason = last ?? reason;
    }
  } catch (error) {
    return `${failed(error)} after “${text}”`;
  }
  return finished(text, reason);
}

// once waits for the result of a helper.
const once = (result) => result.then(([text, reason]) => finished(text, reason), failed);

// clients returns the clients. Each has the name of its API, a title, and a function that
// asks the API at a URL, with a timeout in milliseconds. There are two for each SDK: the loop over the events, and the
// helper that collects them.
export function clients({ OpenAI, Anthropic, version }) {
  const options = (baseURL, timeout) => ({ apiKey: "test", baseURL, timeout, logLevel: "off" });
  const chat = (url, timeout) => new OpenAI(options(url, timeout)).chat.completions;
  const message = (url, timeout) => new Anthropic(options(url, timeout)).messages;
  const chatRequest = { model: "m", messages }, messageRequest = { model: "m", max_tokens: 9, messages };
  return {
    openai: {
      api: "openai", title: `openai ${version.openai}, \`create()\``,
      ask: (url, timeout) => loop(() => chat(url, timeout).create({ ...chatRequest, stream: true }),
        ({ choices: [choice] }) => [choice.delta.content, choice.finish_reason]),
    },
    "openai-stream": {
      api: "openai", title: "openai, `stream()`",
      ask: (url, timeout) => once(chat(url, timeout).stream(chatRequest).finalChatCompletion()
        .then(({ choices: [choice] }) => [choice.message.content, choice.finish_reason])),
    },
    anthropic: {
      api: "anthropic", title: `@anthropic-ai/sdk ${version["@anthropic-ai/sdk"]}, \`create()\``,
      ask: (url, timeout) => loop(() => message(url, timeout).create({ ...messageRequest, stream: true }),
        ({ delta }) => [delta?.text, delta?.stop_reason]),
    },
    "anthropic-stream": {
      api: "anthropic", title: "@anthropic-ai/sdk, `stream()`",
      ask: (url, timeout) => once(message(url, timeout).stream(messageRequest).finalMessage()
        .then(({ content: [block], stop_reason: reason }) => [block.text, reason])),
    },
  };
}

// faults returns the faults by path.
export const faults = (all) => Object.fromEntries(Object.entries(all).flatMap(([name, { api }]) =>
  cases.answers.map((one, i) => [`/${api}/${name}${i}`, one[api] ?? one.fault])));

const after = (ms, value) => new Promise((late) => setTimeout(late, ms, value));

// reports returns what the clients report in each case, at a site with the faults.
export function reports(all, site) {
  return Promise.all(Object.entries(all).flatMap(([client, { api, ask }]) => cases.answers.map(async (one, i) => {
    const path = `/${api}/${client}${i}`;
    const seen = await Promise.race([ask(site.url + path, one.timeout), after(limit(one), "waits")]);
    const sent = site.requests(path);
    return { table: "answers", client, fault: one.fault, report: sent === 1 ? seen : `${seen}, ${sent} requests` };
  })));
}
