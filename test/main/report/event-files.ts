// Reads event files of TensorBoard: records, and the protobuf messages in them.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { maskedCrc32c } from '#softshard/main/report/tensorboard/crc32c.js';

/** The fields of a message by number: varints, 8 and 4 bytes as numbers, bytes as they are. */
export type Fields = Map<number, (number | Buffer)[]>;
export function parse(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const advance = (count: number) => {
    at += count;
    return at - count;
  };
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    let value: number | Buffer;
    if (wire === 0) value = varint();
    else if (wire === 1) value = bytes.readDoubleLE(advance(8));
    else if (wire === 5) value = bytes.readFloatLE(advance(4));
    else {
      const length = varint();
      const begin = advance(length);
      value = bytes.subarray(begin, begin + length);
    }
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}
export const message = (fields: Fields | undefined, field: number, at = 0) =>
  parse(fields?.get(field)?.[at] as Buffer);
export const text = (fields: Fields, field: number) => String(fields.get(field)?.[0]);

/** The events of a folder's files, one file after the other, their CRCs checked. */
export function eventsOf(folder: string): Fields[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith('events.out.tfevents.'))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
    .flatMap((path) => eventsIn(readFileSync(path)));
}

function eventsIn(bytes: Buffer): Fields[] {
  const events: Fields[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
    const content = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(content));
    events.push(parse(content));
    at += length + 16;
  }
  return events;
}

/** Scalars by tag, as TensorBoard shows them: where a session starts, what was there of its step and later ones is left out. */
export function scalarsOf(folder: string): Map<string, [step: number, value: number][]> {
  const curves = new Map<string, [number, number][]>();
  for (const event of eventsOf(folder)) {
    const step = (event.get(2)?.[0] ?? 0) as number;
    if (event.has(7)) {
      for (const [tag, points] of curves) {
        curves.set(
          tag,
          points.filter((point) => point[0] < step),
        );
      }
    }
    if (!event.has(5)) continue;
    for (const bytes of (message(event, 5).get(1) ?? []) as Buffer[]) {
      const value = parse(bytes);
      const tag = text(value, 1);
      if (value.has(2)) curves.set(tag, [...(curves.get(tag) ?? []), [step, value.get(2)![0] as number]]);
    }
  }
  return curves;
}
