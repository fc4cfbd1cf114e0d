// Walks over a Thrift struct before the library reads it: hyparquet trusts lengths, and would allocate what a damaged one says.

const MOST_NESTED = 32;
/** ⌈64 / 7⌉: those of a 64-bit integer. */
const MOST_VARINT_BYTES = 10;

/** The end of the bytes, which is no error where more of them can be read. */
const CUT = Symbol('cut off');

/**
 * Where the struct of the compact protocol that begins at `begin` ends; undefined if the bytes end before. Throws where it is
 * no such struct, or where its lists and strings are longer than the bytes could hold.
 */
export function structEnd(bytes: Uint8Array, begin: number): number | undefined {
  try {
    const walk = new Walk(bytes, begin);
    walk.struct(0);
    return walk.at;
  } catch (error) {
    if (error === CUT) return undefined;
    throw error;
  }
}

class Walk {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, begin: number) {
    this.#bytes = bytes;
    this.at = begin;
  }

  struct(depth: number): void {
    if (depth > MOST_NESTED) throw new Error(`structs nested deeper than ${MOST_NESTED}`);
    for (;;) {
      const head = this.#byte();
      if ((head & 15) === 0) return;
      // Else the number of the field is a difference in the upper bits.
      if (head >> 4 === 0) this.#varint();
      this.#value(head & 15, depth);
    }
  }

  #value(type: number, depth: number): void {
    // True, false: in the type itself.
    if (type === 1 || type === 2) return;
    if (type === 3) this.#skip(1);
    else if (type >= 4 && type <= 6) this.#varint();
    else if (type === 7) this.#skip(8);
    else if (type === 8) this.#skip(this.#varint());
    else if (type === 9) this.#list(depth);
    else if (type === 12) this.struct(depth + 1);
    else throw new Error(`a field of type ${type}`);
  }

  #list(depth: number): void {
    if (depth > MOST_NESTED) throw new Error(`lists nested deeper than ${MOST_NESTED}`);
    const head = this.#byte();
    const type = head & 15;
    const length = head >> 4 === 15 ? this.#varint() : head >> 4;
    // Each element takes a byte or more.
    if (this.at + length > this.#bytes.length) throw CUT;
    for (let i = 0; i < length; i++) this.#value(type === 1 || type === 2 ? 3 : type, depth + 1);
  }

  #varint(): number {
    let value = 0;
    for (let i = 0; i < MOST_VARINT_BYTES; i++) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return value;
    }
    throw new Error('an integer of more than 64 bits');
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw CUT;
    return byte;
  }

  #skip(length: number): void {
    this.at += length;
    if (this.at > this.#bytes.length) throw CUT;
  }
}
