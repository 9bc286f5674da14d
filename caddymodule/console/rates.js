// Rates of the last minute, computed from periodic readings of counters.

const length = 60_000; // milliseconds

let now = null; // when the last reading began
let before = null; // when the reading before it began; null: it was of other counters
let asked = ""; // the query of the last reading
const known = new Map();

// Rates keeps the readings of one pair of counters.
class Rates {
  #readings = []; // {at, hits, passed}, the latest last

  // add takes a reading. Of several counters with the same name it takes the first. A
  // counter that is new, or was reset, has counted from 0 since the last reading. For
  // counters of the first reading with a query, the start is unknown.
  add(hits, passed) {
    const last = this.#readings.at(-1) ?? { at: before, hits: 0, passed: 0 };
    if (last.at === now) return;
    const back = hits < last.hits || passed < last.passed;
    const since = { at: last.at, hits: hits < last.hits ? 0 : last.hits, passed: passed < last.passed ? 0 : last.passed };
    if (back || this.#readings.length === 0) this.#readings = last.at === null ? [] : [since];
    this.#readings.push({ at: now, hits, passed });
    while (this.#readings[0].at < now - length) this.#readings.shift();
  }

  // at returns when the last reading was taken.
  get at() { return this.#readings.at(-1).at; }

  get hits() { return this.#readings.at(-1).hits - this.#readings[0].hits; }
  get passed() { return this.#readings.at(-1).passed - this.#readings[0].passed; }

  // seconds returns the time that the rates cover, which is shorter at the beginning.
  get seconds() { return Math.round((this.at - this.#readings[0].at) / 1000); }
}

// read begins a reading of the counters that a query selects. Counters missing from the
// last reading are removed.
export function read(query) {
  for (const [name, rates] of known) if (rates.at !== now) known.delete(name);
  before = query === asked ? now : null;
  asked = query;
  now = Math.max(Date.now(), (now ?? 0) + 1); // two readings never have the same time
}

// ratesOf adds a reading to the rates with this name, and returns them.
export function ratesOf(name, hits, passed) {
  if (!known.has(name)) known.set(name, new Rates());
  const rates = known.get(name);
  rates.add(hits, passed);
  return rates;
}
