// Results have the bits that are recorded (npm run record): a change of the code changes none of them unnoticed.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builds } from '../kernels/workbench.js';
import { CASES } from './cases.js';
import { isFused } from './fused.js';
import { differences, readRecording } from './recording.js';
import { Setups } from './run.js';

/** Of a failure: the rest is the same in other places. */
const MOST_LINES = 12;

const recording = readRecording();

test('the record has each case, and no other', () => {
  expect([...recording.keys()]).toEqual(CASES.map(({ name }) => name));
});

describe.each(builds)('the bits of the record (%s)', (numerics) => {
  let setups: Setups;
  beforeAll(async () => {
    setups = await Setups.open(numerics);
  });
  afterAll(() => setups.close());

  const roundsTwice = numerics === 'fast' && !isFused();

  test.for(CASES.map((recorded) => [recorded.name, recorded] as const))(
    '%s',
    async ([name, recorded], { skip }) => {
      skip(roundsTwice, 'this CPU has no fused multiply-add, with which the fast build was recorded');
      const expected = recording.get(name) ?? expect.fail('it is not recorded: npm run record');
      const lines: string[] = [];
      for await (const { where, values } of setups.all(recorded)) {
        for (const line of differences(expected, numerics, values)) {
          lines.push(`${name}: ${line} (${numerics}, ${where})`);
        }
      }
      if (lines.length > 0) expect.fail(lines.slice(0, MOST_LINES).join('\n'));
    },
  );
});
