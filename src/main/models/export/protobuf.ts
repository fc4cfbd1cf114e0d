// Writes protobuf messages, as ONNX and event files have them. Source: https://protobuf.dev/programming-guides/encoding/

import type { Write } from '../../outputs/write-atomically.js';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** What readers of any language take. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/** Smaller parts are copied together, larger ones are written from where they lie. */
const JOINED_BYTES = 65_536;

/** Fields in the order in which they are added; each method gives the message itself. */
export class Message {
  readonly #parts: Uint8Array[] = [];
  byteLength = 0;

  /** A whole number of 0 and more, or a negative one above -2^53: int32, int64 and enumerations. */
  integer(field: number, value: number): this {
    return this.#add(tagOf(field, VARINT), varint(value));
  }

  double(field: number, value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return this.#add(tagOf(field, FIXED64), bytes);
  }

  float(field: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.#add(tagOf(field, FIXED32), bytes);
  }

  string(field: number, text: string): this {
    return this.bytes(field, Buffer.from(text));
  }

  /** Also a packed array of numbers. Not copied: it must stay as it is until the message is written. */
  bytes(field: number, value: Uint8Array): this {
    return this.#add(tagOf(field, BYTES), varint(value.byteLength), value);
  }

  message(field: number, message: Message): this {
    return this.#add(tagOf(field, BYTES), varint(message.byteLength), ...message.#parts);
  }

  /** Of small messages: a copy. */
  toBuffer(): Buffer {
    return Buffer.concat(this.#parts);
  }

  async writeTo(write: Write): Promise<void> {
    let joined: Uint8Array[] = [];
    let joinedBytes = 0;
    const flush = async () => {
      if (joinedBytes > 0) await write(Buffer.concat(joined));
      joined = [];
      joinedBytes = 0;
    };
    for (const part of this.#parts) {
      if (joinedBytes + part.byteLength > JOINED_BYTES) await flush();
      if (part.byteLength > JOINED_BYTES) {
        await write(part);
        continue;
      }
      joined.push(part);
      joinedBytes += part.byteLength;
    }
    await flush();
  }

  #add(...parts: Uint8Array[]): this {
    for (const part of parts) {
      this.#parts.push(part);
      this.byteLength += part.byteLength;
    }
    return this;
  }
}

const tagOf = (field: number, wire: number): Uint8Array => varint(field * 8 + wire);

/** Seven bits a byte, low ones first; negative numbers as 64 bits of two's complement. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
