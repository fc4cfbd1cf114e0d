// Statistics of each row that a loss computes along the way.

import { SoftshardError } from '../../errors.js';
import {
  LOSS_ARG_MAX,
  LOSS_ENTROPY,
  LOSS_LOG_SUM_EXP,
  LOSS_MARGIN,
  LOSS_RANK,
  LOSS_TARGET_PROBABILITY,
} from '../../kernels/loss-layout.js';
import { type AxisRows, computeType } from '../arguments/axis-rows.js';
import { newFloatArray } from '../arguments/numeric-vectors.js';
import { checkInteger, checkOneOf, inspectValue } from '../checks.js';

export type StatisticName =
  | 'logSumExp'
  | 'argMax'
  | 'correct'
  | 'topKCorrect'
  | 'entropy'
  | 'margin'
  | 'targetProbability';

export interface StatisticsOptions {
  /** Statistics of each row, returned in `statistics`. */
  statistics?: readonly StatisticName[] | undefined;
  /** For the statistic topKCorrect; default 5, or the number of classes if that is smaller. */
  topK?: number | undefined;
}

/** Each [rows]; NaN, -1 or 0 for ignored rows. */
export interface Statistics {
  /** log Σ exp of the row's logits (after soft cap and temperature). */
  readonly logSumExp?: Float32Array | Float64Array;
  /** The lowest class of the largest logit. */
  readonly argMax?: Int32Array;
  /** 1 where that is the target. */
  readonly correct?: Uint8Array;
  /** 1 where the target is among the topK largest logits. */
  readonly topKCorrect?: Uint8Array;
  /** -Σ p log p, in nats. */
  readonly entropy?: Float32Array | Float64Array;
  /** The target's logit less the largest other one. */
  readonly margin?: Float32Array | Float64Array;
  readonly targetProbability?: Float32Array | Float64Array;
}

const NEED_CLASS: readonly StatisticName[] = ['correct', 'topKCorrect', 'margin', 'targetProbability'];

/** An array that the kernels fill, and where its address goes in the call's block. */
export interface StatisticArray {
  readonly offset: number;
  readonly values: Float32Array | Float64Array | Int32Array;
  readonly type: 'float32' | 'float64' | 'int32';
}

/** The array that each statistic is read from. */
const ARRAY_OF: Readonly<Record<StatisticName, number>> = {
  logSumExp: LOSS_LOG_SUM_EXP,
  argMax: LOSS_ARG_MAX,
  correct: LOSS_RANK,
  topKCorrect: LOSS_RANK,
  entropy: LOSS_ENTROPY,
  margin: LOSS_MARGIN,
  targetProbability: LOSS_TARGET_PROBABILITY,
};
const NAMES = Object.keys(ARRAY_OF) as readonly StatisticName[];

export function checkStatistics(
  { statistics = [], topK }: StatisticsOptions,
  { rows, columns, type }: Pick<AxisRows, 'rows' | 'columns' | 'type'>,
  dense: boolean,
): RowStatistics {
  if (!Array.isArray(statistics)) {
    const message = `options.statistics is ${inspectValue(statistics)}: it must be an array of names`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.statistics', value: statistics });
  }
  if (statistics.length === 0 && topK === undefined) return NO_STATISTICS;
  const k = checkInteger('options.topK', topK ?? Math.min(5, columns), 1, columns);
  return new RowStatistics(statistics, k, rows, computeType({ type }), dense);
}

export class RowStatistics {
  readonly arrays: readonly StatisticArray[];
  readonly #names: ReadonlySet<StatisticName>;
  readonly #topK: number;

  constructor(
    names: readonly StatisticName[],
    topK: number,
    rows: number,
    type: 'float32' | 'float64',
    dense: boolean,
  ) {
    this.#names = new Set(names);
    this.#topK = topK;
    for (const [i, name] of names.entries()) {
      checkOneOf(`options.statistics[${i}]`, name, NAMES);
      if (!dense || !NEED_CLASS.includes(name)) continue;
      const message = `options.statistics asks for ${inspectValue(name)}, which needs class indices as targets: with soft targets there are logSumExp, argMax and entropy`;
      throw new SoftshardError('ERR_OPTION', message, { argument: 'options.statistics', value: name });
    }
    const offsets = new Set(names.map((name) => ARRAY_OF[name]));
    this.arrays = Array.from(offsets, (offset) =>
      offset === LOSS_ARG_MAX || offset === LOSS_RANK
        ? { offset, type: 'int32', values: new Int32Array(rows) }
        : { offset, type, values: newFloatArray(type, rows) },
    );
  }

  /** The statistics for the caller, once the arrays are filled. */
  result(): Statistics {
    const valuesAt = (offset: number) => this.arrays.find((array) => array.offset === offset)?.values;
    const floats = (offset: number) => valuesAt(offset) as Float32Array | Float64Array;
    const ranks = valuesAt(LOSS_RANK);
    const below = (limit: number) => Uint8Array.from(ranks!, (rank) => (rank >= 0 && rank < limit ? 1 : 0));
    const has = (name: StatisticName) => this.#names.has(name);
    return {
      ...(has('logSumExp') && { logSumExp: floats(LOSS_LOG_SUM_EXP) }),
      ...(has('argMax') && { argMax: valuesAt(LOSS_ARG_MAX) as Int32Array }),
      ...(has('correct') && { correct: below(1) }),
      ...(has('topKCorrect') && { topKCorrect: below(this.#topK) }),
      ...(has('entropy') && { entropy: floats(LOSS_ENTROPY) }),
      ...(has('margin') && { margin: floats(LOSS_MARGIN) }),
      ...(has('targetProbability') && { targetProbability: floats(LOSS_TARGET_PROBABILITY) }),
    };
  }
}

const NO_STATISTICS = new RowStatistics([], 1, 0, 'float32', false);
