// The seeded generator behind shuffling: its bits are part of the promise "same seed, same result".

/**
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021;
 * https://prng.di.unimi.it/xoshiro128starstar.c), its state filled by splitmix32 from a seed and a stream number.
 */
export class RandomStream {
  readonly #state: Uint32Array;

  /** `stream` separates uses of one seed: each epoch's shuffle is a stream of its own. */
  constructor(seed: number, stream: number) {
    let mixed = (seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32) >>> 0, 0x9e3779b1);
    mixed = Math.imul(mixed ^ 0x85ebca6b, 0xc2b2ae35) + Math.imul(stream, 0x27d4eb2f);
    this.#state = Uint32Array.from({ length: 4 }, () => {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let value = mixed;
      value = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
      value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
      return value ^ (value >>> 15);
    });
  }

  /** Uniform in [0, 2^32). */
  nextUint32(): number {
    const s = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = rotateLeft(s[3]!, 11);
    return result;
  }

  /** Uniform in [0, limit), without bias; limit in [1, 2^32). */
  below(limit: number): number {
    for (;;) {
      const value = this.nextUint32();
      // All unsigned, so that V8 divides integers instead of floats, which would take several times as long.
      const rest = (value % (limit >>> 0)) >>> 0;
      // Beyond the last whole multiple of limit that fits below 2^32 small rests would be more likely.
      if (value - rest <= 2 ** 32 - limit) return rest;
    }
  }

  /** Fisher and Yates' shuffle, in place. */
  shuffle(values: Uint32Array): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = values[i]!;
      values[i] = values[j]!;
      values[j] = kept;
    }
  }
}

const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
