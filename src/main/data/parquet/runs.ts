// Parquet's hybrid of runs and packed bits, which levels and indices of dictionaries are written in.

/** Reads runs one at a time; a run is one value many times, or values of `bitWidth` bits each, least significant bits first. */
export class Runs {
  /** Of the run that next() found. */
  isPacked = false;
  /** May be more than are wanted: packed values come in eights. */
  count = 0;
  /** Of a run that is not packed. */
  value = 0;
  readonly #bytes: Uint8Array;
  readonly #bitWidth: number;
  #at = 0;
  /** Of packed values. */
  #packedAt = 0;

  constructor(bytes: Uint8Array, bitWidth: number) {
    if (bitWidth > 32) throw new Error(`values of ${bitWidth} bits`);
    this.#bytes = bytes;
    this.#bitWidth = bitWidth;
  }

  /** Throws where the bytes end. */
  next(): void {
    const head = this.#varint();
    this.isPacked = head % 2 === 1;
    if (this.isPacked) {
      const groups = (head - 1) / 2;
      this.count = 8 * groups;
      this.#packedAt = this.#at;
      this.#at += groups * this.#bitWidth;
      // The last group may be cut off where its values end; values of no bits take no bytes.
      if (this.#at - this.#bytes.length >= Math.max(1, this.#bitWidth))
        throw new Error('the end of packed values is missing');
    } else {
      this.count = head / 2;
      this.value = 0;
      for (let shift = 0; shift < this.#bitWidth; shift += 8) this.value += this.#byte() * 2 ** shift;
    }
    if (this.count === 0) throw new Error('an empty run');
  }

  /** The first values of a packed run. */
  unpack(into: Uint8Array | Uint32Array): void {
    const width = this.#bitWidth;
    const bytes = this.#bytes;
    if (width === 1) {
      for (let i = 0; i < into.length; i++) into[i] = (bytes[this.#packedAt + (i >> 3)]! >> (i & 7)) & 1;
      return;
    }
    let at = this.#packedAt;
    let bits = 0;
    let held = 0;
    if (width <= 24) {
      // With a byte more they are 32 bits at most.
      const mask = (1 << width) - 1;
      for (let i = 0; i < into.length; i++) {
        for (; held < width; held += 8) bits |= (bytes[at++] ?? 0) << held;
        into[i] = bits & mask;
        bits >>>= width;
        held -= width;
      }
      return;
    }
    for (let i = 0; i < into.length; i++) {
      // Sums in place of shifts: up to 39 bits are held.
      while (held < width) {
        bits += (bytes[at++] ?? 0) * 2 ** held;
        held += 8;
      }
      const rest = Math.floor(bits / 2 ** width);
      into[i] = bits - rest * 2 ** width;
      bits = rest;
      held -= width;
    }
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new Error('a run that is too long');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error('the end of runs is missing');
    return byte;
  }
}

/** The first `count` values, or throws. */
export function readRuns(bytes: Uint8Array, bitWidth: number, count: number): Uint32Array {
  const values = new Uint32Array(count);
  fillFromRuns(new Runs(bytes, bitWidth), values);
  return values;
}

/** `check` is told of each run, and for how many values there is room. */
export function fillFromRuns(
  runs: Runs,
  into: Uint8Array | Uint32Array,
  check?: (runs: Runs, room: number) => void,
): void {
  for (let at = 0; at < into.length; ) {
    runs.next();
    check?.(runs, into.length - at);
    const end = Math.min(into.length, at + runs.count);
    if (runs.isPacked) runs.unpack(into.subarray(at, end));
    else into.fill(runs.value, at, end);
    at = end;
  }
}
