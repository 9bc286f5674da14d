// The SDKs of services. Each function sends one call to a URL, with the defaults of the SDK
// and one retry where it retries.

const messages = [{ role: "user", content: "tea" }];
const retries = 1;

// drain reads a stream to its end.
async function drain(events) {
  for await (const event of await events) void event;
}

// sdks returns the functions by the name of the SDK.
export function sdks(require) {
  const openai = (baseURL) => new (require("openai"))({ apiKey: "test", baseURL, maxRetries: retries, logLevel: "off" });
  const anthropic = (baseURL) => new (require("@anthropic-ai/sdk"))({ apiKey: "test", baseURL, maxRetries: retries, logLevel: "off" });
  const aws = (endpoint) => ({
    endpoint, region: "us-east-1", maxAttempts: 1 + retries, credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const s3 = (endpoint) => new (require("@aws-sdk/client-s3").S3)({ ...aws(endpoint), forcePathStyle: true });
  return {
    openai: (url) => openai(url).chat.completions.create({ model: "m", messages }),
    "openai stream": (url) => drain(openai(url).chat.completions.create({ model: "m", messages, stream: true })),
    "@anthropic-ai/sdk": (url) => anthropic(url).messages.create({ model: "m", max_tokens: 9, messages }),
    "@anthropic-ai/sdk stream": (url) => drain(anthropic(url).messages.create({ model: "m", max_tokens: 9, messages, stream: true })),
    stripe(url, folder) {
      const { hostname: host, port } = new URL(url);
      const client = new (require("stripe"))("test", { host, port, protocol: "http", maxNetworkRetries: retries, telemetry: false });
      return client.customers.update(folder, { name: "tea" });
    },
    "@slack/web-api"(url) {
      const { WebClient, LogLevel } = require("@slack/web-api");
      const options = { slackApiUrl: `${url}/`, rejectRateLimitedCalls: true, retryConfig: { retries: 0 }, logLevel: LogLevel.ERROR };
      return new WebClient("test", options).chat.postMessage({ channel: "C1", text: "tea" });
    },
    "@aws-sdk/client-s3": (url) => s3(url).getObject({ Bucket: "tea", Key: "green" }),
    "@aws-sdk/client-s3 copy": (url) => s3(url).copyObject({ Bucket: "tea", Key: "green", CopySource: "tea/black" }),
    "@aws-sdk/client-dynamodb": (url) => new (require("@aws-sdk/client-dynamodb").DynamoDB)(aws(url)).listTables({}),
    async "@octokit/core"(url) {
      const { Octokit } = await import(require.resolve("@octokit/core"));
      return new Octokit({ baseUrl: url, log: { debug() {}, info() {}, warn() {}, error() {} } }).request("GET /user");
    },
    "@google/genai"(url) {
      const { GoogleGenAI } = require("@google/genai");
      const client = new GoogleGenAI({ apiKey: "test", httpOptions: { baseUrl: url } });
      return client.models.generateContent({ model: "m", contents: "tea" });
    },
  };
}
