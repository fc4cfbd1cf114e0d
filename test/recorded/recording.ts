// The recorded file: recorded.json says which values each case has, one case a line, with digests, so that a change of the
// record shows in its diff; recorded.bin.gz has their bits in that order, of the fast build exclusive-or those of the
// portable one, from which they seldom differ by more than the last bits.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { NUMERICS, type Numerics } from '#softshard/main/index.js';
import { type Bits, bitsOf, differenceOf, payloadLength, payloadOf, type ValueType } from './bits.js';
import type { Values } from './case.js';

interface RecordedValue {
  readonly name: string;
  readonly type: ValueType;
  readonly length: number;
}

export interface RecordedCase {
  readonly values: readonly RecordedValue[];
  /** Of each build, for each value. */
  readonly payloads: Readonly<Record<Numerics, readonly Uint8Array[]>>;
}

export type Recording = ReadonlyMap<string, RecordedCase>;

interface IndexedCase {
  readonly name: string;
  /** Name, type and length of each. */
  readonly values: readonly (readonly [string, ValueType, number])[];
  readonly digests: Readonly<Record<Numerics, string>>;
}

/** Also from the script's compiled form, in a folder of the same depth. */
const PATHS = {
  index: fileURLToPath(new URL('../../test/recorded/recorded.json', import.meta.url)),
  bits: fileURLToPath(new URL('../../test/recorded/recorded.bin.gz', import.meta.url)),
};

/** Values that a case does not have on a call are left out. */
const valuesOf = (values: Values): (Bits & { readonly name: string })[] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, ...bitsOf(value) }],
  );

export function recordedCase(results: Readonly<Record<Numerics, Values>>): RecordedCase {
  const shapeOf = (of: Values) => valuesOf(of).map(({ name, type, length }) => ({ name, type, length }));
  const values = shapeOf(results.portable);
  if (JSON.stringify(values) !== JSON.stringify(shapeOf(results.fast))) {
    throw new Error(`values must have the same lengths in both builds: ${JSON.stringify(values)}`);
  }
  const payloads = { portable: payloadsOf(results.portable), fast: payloadsOf(results.fast) };
  return { values, payloads };
}

const payloadsOf = (values: Values): readonly Uint8Array[] => valuesOf(values).map(payloadOf);

/** How the results of a build differ from the record, in words: a line for each value, none where the bits are the same. */
export function differences(recorded: RecordedCase, numerics: Numerics, results: Values): readonly string[] {
  const got = new Map(valuesOf(results).map((value) => [value.name, value]));
  const lines: string[] = [];
  for (const [index, { name, type, length }] of recorded.values.entries()) {
    const value = got.get(name);
    got.delete(name);
    if (value === undefined) lines.push(`${name}: expected ${length} × ${type}, got nothing`);
    else if (value.type !== type || value.length !== length) {
      lines.push(`${name}: expected ${length} × ${type}, got ${value.length} × ${value.type}`);
    } else {
      const line = differenceOf(name, recorded.payloads[numerics][index]!, value);
      if (line !== undefined) lines.push(line);
    }
  }
  for (const { name, type, length } of got.values())
    lines.push(`${name}: expected nothing, got ${length} × ${type}`);
  return lines;
}

const digestOf = (payloads: readonly Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const payload of payloads) hash.update(payload);
  return hash.digest('hex').slice(0, 16);
};

/** The same for equal cases, whatever their names. */
export const digestsOf = ({ payloads }: RecordedCase): Record<Numerics, string> => ({
  portable: digestOf(payloads.portable),
  fast: digestOf(payloads.fast),
});

const exclusiveOr = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i]!);

/** Empty where there is none yet. */
export function readRecording(): Recording {
  if (!existsSync(PATHS.index)) return new Map();
  const { cases } = JSON.parse(readFileSync(PATHS.index, 'utf8')) as {
    readonly cases: readonly IndexedCase[];
  };
  const bits = new Uint8Array(gunzipSync(readFileSync(PATHS.bits)));
  let at = 0;
  const next = (length: number): Uint8Array => {
    at += length;
    return bits.slice(at - length, at);
  };
  const recording = new Map<string, RecordedCase>();
  for (const { name, digests, ...indexed } of cases) {
    const values = indexed.values.map(([name, type, length]) => ({ name, type, length }));
    const lengths = values.map(({ type, length }) => payloadLength(type, length));
    const portable = lengths.map(next);
    const fast = lengths.map((length, i) => exclusiveOr(next(length), portable[i]!));
    const recorded = { values, payloads: { portable, fast } };
    for (const numerics of NUMERICS) {
      if (digestsOf(recorded)[numerics] === digests[numerics]) continue;
      throw new Error(
        `recorded.bin.gz does not belong to recorded.json: they differ on ${name} (${numerics})`,
      );
    }
    recording.set(name, recorded);
  }
  return recording;
}

/** Files whose contents are the same stay as they are: zlib's compressed bytes differ from version to version. */
export function writeRecording(recording: Recording): void {
  const lines = Array.from(recording, ([name, recorded]) => {
    const values = recorded.values.map(({ name, type, length }) => [name, type, length] as const);
    return JSON.stringify({ name, values, digests: digestsOf(recorded) } satisfies IndexedCase);
  });
  const pieces = Array.from(recording.values(), ({ payloads: { portable, fast } }) => [
    ...portable,
    ...fast.map((payload, i) => exclusiveOr(payload, portable[i]!)),
  ]);
  const index = `{"cases": [\n${lines.join(',\n')}\n]}\n`;
  if (existsSync(PATHS.index) && readFileSync(PATHS.index, 'utf8') === index) return;
  writeFileSync(PATHS.index, index);
  writeFileSync(PATHS.bits, gzipSync(Buffer.concat(pieces.flat()), { level: 9 }));
}
