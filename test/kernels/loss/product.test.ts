// Every combination of the general loss's options, at every kind of row length, in both element types, against float64.

import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { builds, Workbench } from '../workbench.js';
import { type Choices, expectAsOracle, oracleOf, randomBatch } from './batches.js';
import { callLossRows, type ElementType } from './call.js';

const TYPES: readonly ElementType[] = ['float32', 'float64'];
const SHORT_ROWS = [1, 2, 3, 4, 5, 15, 16, 17, 33];
const LONG_ROWS = [1023, 1025, 4097];
const ROWS = 3;

/** Bit k of `choice` is one option. */
function choicesOf(choice: number): Choices {
  const is = (bit: number) => ((choice >> bit) & 1) === 1;
  return {
    temperature: is(0),
    softcap: is(1),
    zLoss: is(2),
    focalGamma: is(3) ? [2, 0.5, 1][choice % 3]! : 0,
    labelSmoothing: is(4),
    weight: is(5),
    mask: is(6),
    softTargets: is(7),
    sampleWeight: is(8),
    ignoredRows: is(9),
    gradOutput: is(10),
    scale: is(11),
  };
}

/** The options 0 to 7 change what is computed; 8 to 11 choose factors and rows. */
const SHAPING = 256;
const ALL = 4096;

describe.each(builds)('general loss kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 128);

  function check(choice: number, columns: number): void {
    const batch = randomBatch(choicesOf(choice), ROWS, columns, choice * 31 + columns);
    const oracle = oracleOf(batch);
    for (const type of TYPES) {
      const gradient = choice % 2 === 0 ? 'apart' : 'in place';
      const outcome = callLossRows(bench, type, batch, { gradient, offset: choice % 3 });
      expect(outcome.status).toBe(STATUS_OK);
      try {
        expectAsOracle(type, batch, outcome, oracle);
      } catch (error) {
        throw new Error(`${type}, ${JSON.stringify(choicesOf(choice))}`, { cause: error });
      }
    }
  }

  test.each(SHORT_ROWS)('all 4,096 combinations of options at %i columns are as the oracle', (columns) => {
    for (let choice = 0; choice < ALL; choice++) check(choice, columns);
  });

  test.each(LONG_ROWS)('all 256 combinations that shape a row at %i columns are as the oracle', (columns) => {
    for (let shaping = 0; shaping < SHAPING; shaping++) {
      // The factors and ignored rows in every combination, each with some of these.
      check(shaping | (((shaping * 5) % 16) << 8), columns);
    }
  });
});
