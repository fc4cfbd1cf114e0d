// All that an attack does at random comes from one seed, so that the seed replays it.

export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighboring seeds are scattered, so that their first draws have nothing in common.
    this.#state = Math.imul(seed ^ (seed >>> 16) ^ 0x9e3779b9, 0x85ebca6b) ^ Math.floor(seed / 2 ** 32);
  }

  /** In [0, 1). */
  next(): number {
    // mulberry32: good enough to choose by.
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A whole number from least to most. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** A whole number from 1 to most, small ones as often as large ones. */
  size(most: number): number {
    return Math.max(1, Math.min(most, Math.floor(most ** this.next() * (1 + this.next()))));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  of<Choice>(choices: readonly Choice[]): Choice {
    return choices[this.below(choices.length)]!;
  }

  /** Each by itself or not: { a: 1, b: 2 } -> { b: 2 }. */
  some<Options extends object>(options: Options, probability = 0.3): Partial<Options> {
    const chosen = Object.entries(options).filter(() => this.chance(probability));
    return Object.fromEntries(chosen) as Partial<Options>;
  }
}
