// What happened in the last minute, from counters that are read each second.

const length = 60;

// Rates remembers the readings of one pair of counters.
export class Rates {
  #readings = []; // [hits, passed], the last one last

  // add takes a reading. A counter that has been set back begins anew.
  add(hits, passed) {
    const last = this.#readings.at(-1);
    if (last && (hits < last[0] || passed < last[1])) this.#readings = [];
    this.#readings.push([hits, passed]);
    if (this.#readings.length > length + 1) this.#readings.shift();
  }

  get hits() { return this.#grown(0); }
  get passed() { return this.#grown(1); }

  #grown(which) {
    return this.#readings.at(-1)[which] - this.#readings[0][which];
  }

  // bars are the hits of the last minute in that many equal parts.
  bars(count) {
    const sums = new Array(count).fill(0);
    const readings = this.#readings;
    for (let i = 1; i < readings.length; i++) {
      const age = readings.length - 1 - i;
      sums[count - 1 - Math.floor((age * count) / length)] += readings[i][0] - readings[i - 1][0];
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
