// What a measurement between ranks gives beside the passes, and what the cost model makes of it.
import type { Quartiles } from '../statistics.js';
import type { PassConstants, TransportConstants } from './cost-model.js';
import type { PredictedLink } from './predict.js';
import type { MeasuredSum } from './sums.js';

export interface RankHost {
  readonly host: string;
  readonly ranks: number;
}

/** The pass of all rows, by one process. */
export interface OneProcess extends Quartiles {
  readonly threads: number;
  /** Over one rank with its threads. */
  readonly speedup: number;
}

export interface RankFigures {
  readonly ranks: number;
  readonly hosts: readonly RankHost[];
  /** Of each rank. */
  readonly threads: number;
  readonly barrier: MeasuredSum;
  /** Of vectors of 8 bytes and more, along the tree. */
  readonly sums: readonly MeasuredSum[];
  readonly sumsBitsEqual: boolean;
  /** One process with the threads of all ranks, where all are on one machine. */
  readonly oneProcess: OneProcess | undefined;
  /** The parts that the rows of a pass have: no more ranks have work. */
  readonly branches: number;
  /** What the model was fitted to on these ranks. */
  readonly transport: TransportConstants;
  readonly pass: PassConstants;
  /**
   * How many times as long kernels take while all ranks work, each for itself: ranks of a machine share caches and memory, maybe
   * cores.
   */
  readonly load: number;
  /** What the model says of the points of `strong`, without waiting: predictions count what is missing as waiting at each call. */
  readonly modelMs: readonly number[];
  readonly predictions: readonly PredictedLink[];
}
