// What happened in the last minute, from counters that are read now and then.

const length = 60_000; // milliseconds

// Rates remembers the readings of one pair of counters.
class Rates {
  #readings = []; // {at, hits, passed}, the last one last

  // add takes a reading. A counter that has been set back begins anew.
  add(hits, passed) {
    const at = Date.now();
    const last = this.#readings.at(-1);
    if (last && (hits < last.hits || passed < last.passed)) this.#readings = [];
    this.#readings.push({ at, hits, passed });
    while (this.#readings[0].at < at - length) this.#readings.shift();
  }

  get hits() { return this.#readings.at(-1).hits - this.#readings[0].hits; }
  get passed() { return this.#readings.at(-1).passed - this.#readings[0].passed; }

  // seconds is how long that is, which is less at the beginning.
  get seconds() { return Math.round((this.#readings.at(-1).at - this.#readings[0].at) / 1000); }

  // bars are the hits of the last minute in that many equal parts.
  bars(count) {
    const sums = new Array(count).fill(0);
    const now = this.#readings.at(-1).at;
    for (let i = 1; i < this.#readings.length; i++) {
      const part = Math.floor(((now - this.#readings[i].at) * count) / length);
      sums[Math.max(0, count - 1 - part)] += this.#readings[i].hits - this.#readings[i - 1].hits;
    }
    return sums;
  }
}

const known = new Map();

// ratesOf are the rates under a name, with one more reading.
export function ratesOf(name, hits, passed) {
  if (!known.has(name)) known.set(name, new Rates());
  const rates = known.get(name);
  rates.add(hits, passed);
  return rates;
}
