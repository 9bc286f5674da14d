// What happened in the last minute, from counters that are read now and then.

const length = 60_000; // milliseconds

let now = null; // when the last reading began
let before = null; // and the one before it
const known = new Map();

// Rates remembers the readings of one pair of counters.
class Rates {
  #readings = []; // {at, hits, passed}, the last one last

  // add takes a reading, of namesakes the first. A counter that is new, or was set
  // back, has counted from 0 on since the reading before; how long those of the
  // page's first reading have counted is not known.
  add(hits, passed) {
    const last = this.#readings.at(-1) ?? { at: before, hits: 0, passed: 0 };
    if (last.at === now) return;
    const back = hits < last.hits || passed < last.passed;
    const since = { at: last.at, hits: hits < last.hits ? 0 : last.hits, passed: passed < last.passed ? 0 : last.passed };
    if (back || this.#readings.length === 0) this.#readings = last.at === null ? [] : [since];
    this.#readings.push({ at: now, hits, passed });
    while (this.#readings[0].at < now - length) this.#readings.shift();
  }

  // at is when the last reading was taken.
  get at() { return this.#readings.at(-1).at; }

  get hits() { return this.#readings.at(-1).hits - this.#readings[0].hits; }
  get passed() { return this.#readings.at(-1).passed - this.#readings[0].passed; }

  // seconds is how long that is, which is less at the beginning.
  get seconds() { return Math.round((this.at - this.#readings[0].at) / 1000); }

  // bars are the hits of the last minute in that many equal parts.
  bars(count) {
    const sums = new Array(count).fill(0);
    for (let i = 1; i < this.#readings.length; i++) {
      const part = Math.floor(((this.at - this.#readings[i].at) * count) / length);
      sums[Math.max(0, count - 1 - part)] += this.#readings[i].hits - this.#readings[i - 1].hits;
    }
    return sums;
  }
}

// read begins a reading of all counters. Those that were not in the last one have
// gone.
export function read() {
  for (const [name, rates] of known) if (rates.at !== now) known.delete(name);
  before = now;
  now = Math.max(Date.now(), (before ?? 0) + 1); // two are never the same
}

// ratesOf are the rates under a name, with this reading.
export function ratesOf(name, hits, passed) {
  if (!known.has(name)) known.set(name, new Rates());
  const rates = known.get(name);
  rates.add(hits, passed);
  return rates;
}
