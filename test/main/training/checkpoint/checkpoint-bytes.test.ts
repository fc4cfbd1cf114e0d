// Checkpoints as bytes: every bit comes back, and damage shows.
import { expect, test } from 'vitest';
import { decodeCheckpoint, encodeCheckpoint, SoftshardError, type Training } from '#softshard/main/index.js';

const checkpoint: Training.Checkpoint = {
  kind: 'fit',
  version: 1,
  position: { stage: 'steps', step: 7, epoch: 2 },
  conditions: { rows: '12', solver: '"sgd" — ü' },
  state: {
    numbers: [
      0,
      -0,
      0.1,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      5e-324,
      2 ** 53 - 1,
    ],
    text: 'a "text" {$}',
    none: undefined,
    nothing: null,
    yes: true,
    empty: [],
    nested: { list: [{ bytes: Uint8Array.of(1, 2, 3) }, Float64Array.of(-0, Number.NaN, 1e300)] },
    floats: Float32Array.from([1.5, -0, Number.POSITIVE_INFINITY]),
    part: new Float32Array([9, 1, 2, 9]).subarray(1, 3),
    integers: Int32Array.of(-1, 2 ** 31 - 1),
    rows: Uint32Array.of(2 ** 32 - 1),
    zeros: new Float64Array(),
  },
};

const failure = (bytes: Uint8Array, name?: string): SoftshardError => {
  try {
    decodeCheckpoint(bytes, name);
  } catch (error) {
    if (error instanceof SoftshardError) return error;
    throw error;
  }
  throw new Error('decoded');
};

test('numbers, text and arrays come back with every bit', () => {
  const decoded = decodeCheckpoint(encodeCheckpoint(checkpoint));
  // toEqual tells -0 from 0, and NaN is itself.
  expect(decoded).toEqual(checkpoint);
  expect(encodeCheckpoint(decoded)).toEqual(encodeCheckpoint(checkpoint));
  expect(structuredClone(decoded)).toEqual(checkpoint);
});

test('bytes may begin anywhere in their buffer, and the checkpoint is apart from them', () => {
  const bytes = encodeCheckpoint(checkpoint);
  const shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  const decoded = decodeCheckpoint(shifted);
  shifted.fill(0);
  expect(decoded).toEqual(checkpoint);
});

test('a file cut off at any byte is ERR_FORMAT, and names the file', () => {
  const bytes = encodeCheckpoint(checkpoint);
  for (let length = 0; length < bytes.length; length++) {
    const { code, message } = failure(bytes.subarray(0, length), 'run/checkpoint-000007.safetensors');
    expect(code).toBe('ERR_FORMAT');
    expect(message).toMatch(/^run\/checkpoint-000007\.safetensors: .*take an earlier one/);
  }
});

test('a byte that is another than it was is ERR_FORMAT, wherever it is', () => {
  const bytes = encodeCheckpoint(checkpoint);
  for (let at = 0; at < bytes.length; at++) {
    for (const by of [1, 0x20]) {
      const damaged = bytes.slice();
      damaged[at]! ^= by;
      expect(failure(damaged).code, `byte ${at}`).toBe('ERR_FORMAT');
    }
  }
  expect(failure(Uint8Array.from([...bytes, 0])).message).toContain(`expected ${bytes.length} bytes`);
});

test('another version, and what is no checkpoint at all, say so', () => {
  const later = encodeCheckpoint({ ...checkpoint, version: 2 });
  expect(failure(later, 'c').message).toContain('this softshard reads version 1');
  const model = Buffer.from('{"__metadata__":{"format":"softshard"}}');
  const header = Buffer.alloc(8);
  header.writeBigUInt64LE(BigInt(model.length));
  expect(failure(Buffer.concat([header, model])).message).toContain('not "softshard-checkpoint"');
  expect(() => decodeCheckpoint('path' as never)).toThrow(/pass the Uint8Array/);
  expect(() => encodeCheckpoint({} as never)).toThrow(/pass what onCheckpoint was called with/);
});
