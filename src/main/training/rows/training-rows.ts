// What a training run reads for each row, and how rows get to the workers: all lie in the arena, or they pass through it some steps
// at a time. Steps have the same rows in the same order either way, so the bits are the same.
import { setImmediate } from 'node:timers/promises';
import { offsetBy } from '../../../kernels/ptr.js';
import { forEachAtOnce, MOST_AT_ONCE } from '../../data/concurrent.js';
import type { ResidencyOptions, Stopped } from '../../dispatch/residency.js';
import type { Resources } from '../../dispatch/resources.js';
import { type ChosenRows, countOf, DenseRows, portionOf, type RowSource } from '../../dispatch/row-source.js';
import { traced } from '../../dispatch/trace.js';
import { type ArenaScope, Place } from '../../memory/arena.js';
import { type Inputs, type InputsFormat, UNSCALED } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { RowTargets } from '../../models/row-targets.js';
import { usesBlas } from '../../plans/tiles.js';
import type { TrainingPlan } from '../../plans/training.js';
import type { FitLoss } from '../fit-loss.js';
import type { RowPtrs, RunLoss } from '../run-loss.js';
import type { PlacedHead, TrainJob } from '../training-memory.js';
import type { Validate } from '../validation.js';
import type { StepOrder, StepOrderShape } from './row-order.js';

const SOURCES = ['inputs', 'targets', 'sampleWeight', 'softTargets', 'mask'] as const;
type SourceName = (typeof SOURCES)[number];

/** All that has an entry for each row; undefined: not needed by this run. */
export type RowSources = Readonly<Record<SourceName, RowSource | undefined>>;

/** The sources that are needed. */
export const neededOf = (sources: RowSources): [SourceName, RowSource][] =>
  SOURCES.flatMap((name) => {
    const source = sources[name];
    return source === undefined ? [] : [[name, source]];
  });

/** Bytes of this many rows of each source; 0 if it is not needed. */
export function bytesOfRows(sources: RowSources, rows: number): Record<SourceName, number> {
  const bytes = { inputs: 0, targets: 0, sampleWeight: 0, softTargets: 0, mask: 0 };
  for (const [name, source] of neededOf(sources)) bytes[name] = source.bytesOf(rows);
  return bytes;
}

/** `plain`: only inputs and targets are needed. */
export function rowSources(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  targets: RowTargets,
  plan: TrainingPlan,
  plain: boolean,
): RowSources {
  const { classes, sampleWeight, softTargets, mask } = targets;
  const column = { columns: 1, ptr: undefined };
  const others = {
    // A copy, which cannot change between its check and the steps that read it.
    sampleWeight:
      sampleWeight && new DenseRows('sampleWeight', { ...column, elements: Float32Array.from(sampleWeight) }),
    softTargets: softTargets && new DenseRows('targets', softTargets),
    mask: mask && new DenseRows('mask', mask),
  };
  return {
    inputs: inputSource(resources, model, inputs, plan),
    targets: new DenseRows('targets', { ...column, elements: classes, type: 'int32' }),
    ...(plain ? { sampleWeight: undefined, softTargets: undefined, mask: undefined } : others),
  };
}

/** The inputs as the plan's kernels read them. */
export const inputSource = (
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  plan: TrainingPlan,
): RowSource => (takesRowsInPlace(resources, model, plan) ? inputs.scaledBy(model) : inputs);

/** Their format. */
export const placeRowFormat = (
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  inputs: Inputs,
  plan: TrainingPlan,
): InputsFormat =>
  takesRowsInPlace(resources, model, plan) ? UNSCALED : inputs.placeFormat(resources.arena, scope, model);

/** Training with sharded parameters reads rows in place, as scaled float32. */
const takesRowsInPlace = (resources: Resources, model: LinearModel, { by }: TrainingPlan): boolean =>
  by === 'parameter-sharded' && !usesBlas(resources, model);

/** Rows are gathered this many bytes at a time; in between main handles signals, callbacks and other calls. */
const PORTION_BYTES = 4 * 1024 * 1024;

/** Gathers the chosen rows of each source, to where its row `first` lies; stops once they are unwanted. */
export async function gatherAt(
  { arena, tracer }: Pick<Resources, 'arena' | 'tracer'>,
  sources: readonly [SourceName, RowSource][],
  ptrs: RowPtrs,
  first: number,
  chosen: ChosenRows,
  isUnwanted: () => boolean,
): Promise<void> {
  const count = countOf(chosen);
  for (const [name, source] of sources) {
    if (isUnwanted()) return;
    const place = new Place(arena, offsetBy(ptrs[name], source.bytesOf(first)), source.bytesOf(count));
    try {
      await traced(tracer, ['copy in', 'read rows'], count, () => source.gather(place, chosen));
    } catch (error) {
      // What made them unwanted is the reason.
      if (!isUnwanted()) throw error;
    }
  }
}

/** Gathers the chosen rows of each source at its address; stops once they are unwanted. */
export async function gatherRows(
  resources: Pick<Resources, 'arena' | 'tracer'>,
  sources: readonly [SourceName, RowSource][],
  ptrs: RowPtrs,
  chosen: ChosenRows,
  isUnwanted: () => boolean,
): Promise<void> {
  const bytesARow = sources.reduce((sum, [, source]) => sum + source.bytesOf(1), 0);
  const portion = Math.max(1, Math.floor(PORTION_BYTES / bytesARow));
  const gatherFrom = async (begin: number) => {
    await setImmediate();
    const rows = portionOf(chosen, begin, begin + portion);
    await gatherAt(resources, sources, ptrs, begin, rows, isUnwanted);
  };
  const begins = Array.from({ length: Math.ceil(countOf(chosen) / portion) }, (_, i) => i * portion);
  // Threads for files go on while main, which has no core of its own, waits for one.
  const isFromFile = sources.some(([, { origin }]) => origin === 'file');
  await forEachAtOnce(begins, gatherFrom, isFromFile ? MOST_AT_ONCE : 1);
}

/** A training run before its rows have a place. */
export interface TrainingSetup {
  readonly resources: Resources;
  readonly scope: ArenaScope;
  readonly model: LinearModel;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly fitLoss: FitLoss;
  /** undefined: mean cross-entropy of all rows without options. */
  readonly loss: RunLoss | undefined;
  readonly sources: RowSources;
  readonly format: InputsFormat;
  readonly plan: TrainingPlan;
  readonly job: TrainJob;
  readonly head: PlacedHead;
  /** Its epochs are for rows that all lie in the arena. */
  readonly order: StepOrderShape;
  /** Numbers of the rows kept for validation. */
  readonly validation: Uint32Array;
  /** Pieces of memory that must stay free, mainly for validation, in bytes. */
  readonly reserve: readonly number[];
  /** There is no memory of others to wait for. */
  readonly isAlone: boolean;
}

/** Steps [first, steps) of an order that workers take without main looking at the weights in between. */
export interface Residency {
  readonly order: StepOrder;
  readonly first: number;
  readonly steps: number;
  /** Steps of the whole training before those of the order. */
  readonly stepsBefore: number;
  /** What the schedule of these steps goes by. */
  readonly learningRate: number;
}

export interface TrainingOptions extends ResidencyOptions {
  /** Of rows that several runs share: once all have asked, before any is trained, all wait if it is due for one of them. */
  readonly point: {
    /** Counts the steps so far; of several ranks, all then meet. */
    meet(): Promise<void> | undefined;
    isDue(): boolean;
    wait(): Promise<void>;
  };
}

export interface TrainingRows {
  /** Epochs of a residency, at most. */
  readonly residentEpochs: number;
  /** For a residency and for the next one. */
  readonly orders: readonly [StepOrder, StepOrder];
  /** Resolves to why workers stopped early, if it was their decision or is due; rejects with signal.reason. */
  train(residency: Residency, options: TrainingOptions): Promise<Stopped | undefined>;
  /** Validation on the rows kept for it. */
  validation(): Validate;
  /** The run is over: others need not wait for its next steps. */
  leave?(): void;
}
