// The settings of each kind of fault, for the form that starts an experiment.
//
// A kind has words after its name, which only their position tells apart. If an empty
// field is followed by a filled one, the rule gets the field's blank, or otherwise its
// value or hint. A kind also has options, which are lines of its block. A field with
// free is not quoted. Each line of a field with lines is a line of the block, after the
// option if there is one. A field with pair is a word such as wait=3s.

const choice = (label, ...choices) => ({ label, choices });
const option = (word, label, hint = "", more = {}) => ({ option: word, label, hint, ...more });
const flag = (word, label) => ({ option: word, label, flag: true });
const lines = (label, value = "", hint = "") => ({ label, value, hint, lines: true });
const headers = option("header", "Header fields, one per line", "X-Reason: game day", { lines: true });
const bodies = { ...choice("Body", ["", "of the reply"], ["request", "of the request"], ["both", "both"]), bare: true };
const bounds = [option("at_least", "At least", "0s"), option("at_most", "At most", "no bound"), flag("hold", "Hold the reply, not the request")];

// kinds has the fields of a kind. Those in variants depend on the first word.
export const kinds = {
  respond: [{ label: "Status", value: "503" }, { label: "Body text", hint: "from the catalog" },
    { ...choice("Form of the catalog's body", ["", "json"], ["text", "text"], ["html", "html"], ["problem", "problem"], ["auto", "auto"]), option: "format" },
    option("retry_after", "Retry-After", "30s, 30s date or off", { free: true }), option("content_type", "Media type", "application/json"),
    option("reason", "Reason phrase", "of the status"), option("body_size", "Size of the body", "10MB"), flag("close", "Close the connection after the reply"), headers],
  error: [{ label: "Status", hint: "502" }, { label: "Message" }],
  grpc: [{ label: "Status", value: "UNAVAILABLE" }, { label: "Message" }, option("pushback", "Pushback", "1s or off"), option("retry_info", "RetryInfo", "1s")],
  delay: {
    label: "Distribution",
    variants: {
      "": ["fixed, or uniform", { label: "Delay, or minimum", value: "200ms", blank: "0s" }, { label: "Maximum", hint: "the same delay" }, ...bounds],
      normal: ["normal", { label: "Mean", value: "300ms" }, { label: "Deviation", value: "100ms" }, ...bounds],
      lognormal: ["log-normal", { label: "Median", value: "300ms" }, { label: "Sigma", value: "0.8" }, ...bounds],
      pareto: ["Pareto", { label: "Shortest", value: "100ms" }, { label: "Shape", value: "1.5" }, ...bounds],
      percentiles: ["percentiles", { label: "Percentiles", value: "p50=100ms p99=2s", free: true }, ...bounds],
      ramp: ["ramp: it grows with time", { label: "From", value: "0s" }, { label: "To", value: "2s" }, { label: "Within", value: "5m" }, ...bounds],
    },
  },
  ratelimit: [{ label: "Requests", value: "100" }, { label: "Window", value: "1m" }, choice("Limit fields", ["", "ietf"], ["x", "x"], ["x_unix", "x_unix"], ["off", "off"]),
    headers, lines("Faults above the quota", "", "respond 429")],
  hang: [{ label: "Duration", hint: "until the client leaves" }, option("after", "After", "64KiB, 50% or 5s"), flag("continue", "Then send the rest"), flag("request", "Stall the request's body instead")],
  close: [{ label: "End", hint: "goaway or connection", blank: "goaway" }, { label: "Code", hint: "of goaway" }],
  reset: [{ label: "Code", hint: "a name, or connection" }],
  garbage: [{ label: "Size", hint: "64B" }],
  malformed: [{ label: "Status", hint: "200" }],
  truncate: [{ label: "After", value: "50%" }, { ...choice("End", ["", "close"], ["reset", "reset"], ["clean", "clean"]) },
    option("after", "Time after the head", "no limit"), flag("request", "Cut the request's body instead")],
  throttle: [{ label: "Rate", value: "10KiB/s" }, option("after", "Full speed for", "0B"), option("burst", "Burst", "0B"), flag("shared", "All requests share the rate"), bodies],
  dribble: [{ label: "Pieces", value: "10" }, { label: "Time", value: "5s" }],
  mutate: [{ label: "Operations", hint: "drift", free: true }, option("at", "Only at", "/items", { free: true }), option("not_at", "Not at", "/id", { free: true }),
    option("count", "Changes of a reply", "1"), flag("each", "All possible changes, one in each reply")],
  trailers: {
    label: "Change",
    variants: {
      drop: ["drop", { label: "Fields", hint: "all", free: true }],
      set: ["set", { label: "Field", value: "Grpc-Status" }, { label: "Value", value: "14" }],
      "": ["drop and set", option("drop", "Fields to drop", "", { free: true, value: "*" }), option("set", "Fields to set, one per line", "", { lines: true, value: "Grpc-Status: 14\nGrpc-Message: try later" })],
    },
  },
  interim: [{ label: "Status", value: "103" }, { label: "Number", hint: "1" }, { label: "Time between", hint: "none" }, headers],
  stream: [{ label: "Step", value: "5 stop close", free: true }, { ...choice("Format", ["", "by Content-Type"], ["sse", "sse"], ["ndjson", "ndjson"], ["json-seq", "json-seq"],
    ["grpc", "grpc"], ["websocket", "websocket"], ["lines", "lines"]), option: "format" }, lines("More steps")],
  corrupt: [{ label: "Percentage of bytes", value: "1%" }],
  choose: [lines("Faults, each after its weight", "70 respond 503\n30 delay 2s")],
  sequence: [choice("At the end", ["", "requests pass"], ["loop", "begin again"]), lines("Steps", "respond 503\nrespond 503\npass")],
  patch: [lines("Changes of the reply", "set /error `\"injected\"`")],
  refuse: [],
};

// presetFields returns the fields of preset, which reads as a kind: the presets are its
// variants.
export const presetFields = (presets) => ({
  label: "Preset",
  variants: Object.fromEntries(presets.map(({ name, params }) => [name, [name, ...params.map(parameter)]])),
});

const parameter = ({ name, default: usual, choices, what }) => ({
  pair: name, label: what ? `${name}: ${what}` : name, hint: usual,
  choices: choices && [["", usual], ...choices.filter((choice) => choice !== usual).map((choice) => [choice, choice])],
});

// unknown has the fields of a kind of another module.
export const unknown = [{ label: "Settings", free: true }, lines("Lines of its block")];

// limits are settings of the rule besides the percentage. Their values are not quoted.
export const limits = [
  { word: "times", label: "Stop after hits", hint: "no limit" },
  { word: "max_active", label: "Most at the same time", hint: "no limit" },
  { word: "skip", label: "Skip the first", hint: "0" },
  { word: "every", label: "Only every n-th", hint: "1" },
  { word: "over", label: "Only above a quota", hint: "100 1m" },
  { word: "lasts", label: "Bursts of", hint: "30s" },
  { word: "per", label: "Count for each", hint: "{header.X-User}" },
  { word: "ramp", label: "Raise the percentage within", hint: "5m" },
  { word: "cycle", label: "Hit and pause", hint: "10s 1m" },
  { word: "start", label: "Begin after", hint: "5m" },
  { word: "end", label: "Hit until", hint: "1h" },
  { word: "match_response", label: "Only replies with", hint: "status 5xx" },
  { word: "phase", label: "When", choices: [["", "before the upstream"], ["response", "after the upstream"]] },
  { word: "dry_run", label: "Dry run: decide and count, inject nothing", flag: true },
];
