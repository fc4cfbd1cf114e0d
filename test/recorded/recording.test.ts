// What a failure of the recorded cases says: which value differs, where, what was expected and what was got.
import { describe, expect, test } from 'vitest';
import type { Values } from './case.js';
import { Inputs } from './inputs.js';
import { differences, digestsOf, recordedCase } from './recording.js';

const recordOf = (values: Values) => recordedCase({ portable: values, fast: values });

/** The neighbor of a float32 at an index, one last bit away. */
function nudged(values: Float32Array, index: number): Float32Array {
  const copy = values.slice();
  new Uint32Array(copy.buffer)[index]! ^= 1;
  return copy;
}

const small = new Inputs(1).float32(50, 4);
/** Beyond what is recorded whole: 157 blocks of 64 elements. */
const large = new Inputs(2).float32(10_000, 4);

describe('differences of results from the record', () => {
  test('there are none where the bits are the same', () => {
    const values = { small, large, count: 3, text: 'ä', none: undefined, nothing: Number.NaN };
    expect(differences(recordOf(values), 'portable', { ...values, small: small.slice() })).toEqual([]);
  });

  test('a last bit of one element is named with its index, both numbers and their bits', () => {
    const softmax = Float32Array.of(1, 0.5, 0.25);
    expect(differences(recordOf({ softmax }), 'portable', { softmax: nudged(softmax, 1) })).toEqual([
      'softmax[1]: expected 0.5 (0x3f000000), got 0.5000000596046448 (0x3f000001); 1 of 3 elements differ',
    ]);
  });

  test('zeros of both signs differ, NaN is equal to itself', () => {
    const values = { zero: 0, nan: Number.NaN, zeros: Float64Array.of(-0, Number.NaN) };
    const got = { ...values, zero: -0, zeros: Float64Array.of(0, Number.NaN) };
    expect(differences(recordOf(values), 'fast', got)).toEqual([
      'zero: expected 0 (0x0000000000000000), got -0 (0x8000000000000000)',
      'zeros[0]: expected -0 (0x8000000000000000), got 0 (0x0000000000000000); 1 of 2 elements differ',
    ]);
  });

  test('a last bit of one element in thousands is named with its block', () => {
    const [line] = differences(recordOf({ gradient: large }), 'portable', { gradient: nudged(large, 6405) });
    expect(line).toMatch(
      /^gradient, first in elements 6400 to 6463; of these \[6452\] alone is recorded, \S+ \(0x\w+\), and the same; /,
    );
    expect(line).toContain('1 of 157 blocks of 64 elements differ');
  });

  test('where all elements of a large value differ one of the first block is named with both numbers', () => {
    const [line] = differences(recordOf({ gradient: large }), 'portable', {
      gradient: large.map((x) => x * 2),
    });
    expect(line).toContain('gradient, first in elements 0 to 63');
    expect(line).toContain(`of the recorded ones [0]: expected ${large[0]} (0x`);
    expect(line).toContain(`got ${large[0]! * 2} (0x`);
  });

  test('whole numbers, text, lengths and types that differ, values too many and too few', () => {
    const values = { ranks: Int32Array.of(4, 5), text: 'one two', loss: 1, losses: small, gone: 2 };
    const got = {
      ranks: Int32Array.of(4, 6),
      text: 'one Two',
      loss: Float32Array.of(1),
      losses: small.subarray(1),
      more: 3,
    };
    expect(differences(recordOf(values), 'portable', got)).toEqual([
      'ranks[1]: expected 5, got 6; 1 of 2 elements differ',
      'text, byte 4: expected "one two", got "one Two"',
      'loss: expected 1 × number, got 1 × float32',
      'losses: expected 50 × float32, got 49 × float32',
      'gone: expected 1 × number, got nothing',
      'more: expected nothing, got 1 × number',
    ]);
  });

  test('each build has bits of its own', () => {
    const fast = nudged(small, 7);
    const recorded = recordedCase({ portable: { small }, fast: { small: fast } });
    expect(differences(recorded, 'fast', { small: fast })).toEqual([]);
    expect(differences(recorded, 'fast', { small })).toHaveLength(1);
    expect(digestsOf(recorded).fast).not.toBe(digestsOf(recorded).portable);
  });
});
