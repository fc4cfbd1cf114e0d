// Computes the loss of logits larger than memory part by part, with the bits of the whole.

import { SoftshardError } from '../../errors.js';
import { treeSum } from '../../kernels/tree-sum.js';
import type { FloatType } from '../arguments/axis-rows.js';
import type { TargetArray } from '../arguments/targets.js';
import type { NpyFile } from '../data/array-on-disk.js';
import type { StoredView } from '../data/elements.js';
import { allGatherValues } from '../distributed/together.js';
import type { Transport } from '../distributed/transport.js';
import type { Engine } from '../engine.js';
import type { CrossEntropyOptions } from '../losses/cross-entropy.js';
import type { DenseTargets } from '../losses/dense-targets.js';
import type { DistillationResult } from '../losses/divergence.js';
import type { OnEmpty, Reduction } from '../losses/loss-options.js';
import { type MergedLoss, mergeLosses, partSize } from '../losses/merging.js';
import { elementBytes } from '../memory/element-types.js';
import type { ArenaTensor, Tensor } from '../memory/tensor.js';
import { checkWeights } from './array-inputs.js';
import { type LossSpread, mergeSpreads, spreadOf, standardErrorOf } from './loss-spread.js';
import type { Append } from './rank-output.js';
import {
  entriesOf,
  inOrderOfWindows,
  passWindows,
  type RowsShape,
  type RowWindow,
  type WindowPlan,
} from './row-windows.js';

/** Options of crossEntropy that mean the same for each part. */
export type PartOptions = Omit<
  CrossEntropyOptions,
  'reduction' | 'onEmpty' | 'sampleWeight' | 'mask' | 'axis' | 'columns' | 'statistics'
> & {
  /** Of distillation: the share of the teacher. */
  readonly alpha?: number | undefined;
};

export interface LossJob {
  readonly engine: Engine;
  /** Undefined for one rank. */
  readonly transport: Transport | undefined;
  readonly shape: RowsShape;
  readonly logits: NpyFile;
  /** Undefined: the loss is the divergence from the teacher. */
  readonly targets: NpyFile | undefined;
  /** Whether targets are given for every class. */
  readonly areSoft: boolean;
  /** With targets too: distillation. */
  readonly teacher: NpyFile | undefined;
  /** Number of rows that do not count. */
  readonly ignored: number;
  readonly sampleWeight: NpyFile | undefined;
  readonly mask: NpyFile | undefined;
  readonly reduction: Reduction;
  readonly onEmpty: OnEmpty;
  readonly options: PartOptions;
  /** Receives the loss of each row. */
  readonly losses: Append | undefined;
  readonly gradient: Append | undefined;
  /** Called with the fraction done. */
  readonly advance: (fraction: number) => void;
}

/** Of all rows; its loss, lossSum and weightSum have the bits of the operation on all of them at once. */
export interface WholeLoss
  extends MergedLoss,
    Partial<Pick<DistillationResult, 'divergenceSum' | 'crossEntropySum'>> {
  /** Of the mean loss; undefined where the losses of rows are not computed, for a z-loss. */
  readonly lossStandardError?: number;
}

type Placed = Pick<LossJob, 'shape' | 'targets' | 'areSoft' | 'mask' | 'teacher'>;

/** Bytes that a slot needs for each element of the logits. */
export function bytesAnElement({ shape, targets, areSoft, teacher, mask }: Placed): number {
  return (
    elementBytes(shape.type) +
    (areSoft ? elementBytes(targets!.type as FloatType) : 0) +
    (teacher ? elementBytes(teacher.type as FloatType) : 0) +
    (mask ? 1 : 0)
  );
}

/** A window's place in memory. */
interface Slot {
  readonly logits: ArenaTensor<FloatType>;
  readonly softTargets: ArenaTensor<'float32' | 'float64'> | undefined;
  readonly teacher: ArenaTensor<FloatType> | undefined;
  readonly mask: ArenaTensor<'uint8'> | undefined;
  targets: StoredView | undefined;
  sampleWeight: Float32Array | Float64Array | undefined;
  losses: Float32Array | Float64Array | undefined;
}

/**
 * A mean's gradient is divided by the weight of all rows. With weights of rows or classes that sum is known only after a pass
 * over all parts: then a first pass computes the losses, a second one the gradient.
 */
export async function lossInParts(job: LossJob, plan: WindowPlan): Promise<WholeLoss> {
  const { gradient, losses, advance } = job;
  const slots: Slot[] = [];
  try {
    while (slots.length < plan.slots) slots.push(newSlot(job, plan));
    const known = knownDivisor(job);
    const isTwofold = gradient !== undefined && known === undefined;
    // A z-loss has no sum where the losses of rows are computed, and would take another pass.
    const hasSpread = losses !== undefined || !job.options.zLoss;
    const first = { losses, gradient: isTwofold ? undefined : gradient, gradScale: gradScale(known ?? 1) };
    const passes = isTwofold ? 2 : 1;
    const parts = await pass(job, plan, slots, {
      ...first,
      hasSpread,
      advance: (fraction) => advance(fraction / passes),
    });
    const merged = merge(job, parts);
    if (isTwofold) {
      await pass(job, plan, slots, {
        losses: undefined,
        hasSpread: false,
        gradient,
        gradScale: gradScale(merged.weightSum),
        advance: (fraction) => advance((1 + fraction) / 2),
      });
    }
    const spreads = parts.flatMap(({ spread }) => spread ?? []);
    return { ...merged, ...(hasSpread && { lossStandardError: standardErrorOf(mergeSpreads(spreads)) }) };
  } finally {
    for (const { logits, softTargets, teacher, mask } of slots) {
      for (const tensor of [logits, softTargets, teacher, mask]) tensor?.free();
    }
  }
}

/** What the gradient is divided by, if known without a pass. */
function knownDivisor({ reduction, areSoft, sampleWeight, options, shape, ignored }: LossJob) {
  if (reduction !== 'mean') return 1;
  const isWeighted = sampleWeight !== undefined || (options.weight !== undefined && !areSoft);
  return isWeighted ? undefined : shape.rows - ignored;
}

/** The gradient of a mean over nothing is 0. */
const gradScale = (divisor: number): number => (divisor === 0 ? 0 : 1 / divisor);

function merge({ shape, reduction, onEmpty }: LossJob, parts: readonly PartLoss[]): WholeLoss {
  const sumOf = (name: 'divergenceSum' | 'crossEntropySum') =>
    parts[0]?.[name] !== undefined && {
      [name]: treeSum(Float64Array.from(parts, (part) => part[name] ?? 0)),
    };
  const merged = {
    ...mergeLosses(parts, {
      reduction: reduction === 'sum' ? 'sum' : 'mean',
      onEmpty: onEmpty === 'throw' ? 'nan' : onEmpty,
    }),
    ...sumOf('divergenceSum'),
    ...sumOf('crossEntropySum'),
  };
  if (merged.weightSum !== 0 || onEmpty !== 'throw') return merged;
  const message = `all ${shape.rows} rows of ${shape.path} are ignored or have weight 0, so their mean loss is undefined: check the targets, options.ignoreIndex and the weights, or choose options.onEmpty nan or zero`;
  throw new SoftshardError('ERR_EMPTY', message, { argument: 'targets' });
}

function newSlot(
  { engine, shape, targets, areSoft, teacher, mask }: LossJob,
  { windowOuter }: WindowPlan,
): Slot {
  const dims = [windowOuter, shape.classes, shape.inner];
  return {
    logits: engine.tensor(shape.type, dims),
    softTargets: areSoft ? engine.tensor(targets!.type as 'float32' | 'float64', dims) : undefined,
    teacher: teacher && engine.tensor(teacher.type as FloatType, dims),
    mask: mask && engine.tensor('uint8', dims),
    targets: undefined,
    sampleWeight: undefined,
    losses: undefined,
  };
}

type PartLoss = Pick<WholeLoss, keyof MergedLoss | 'divergenceSum' | 'crossEntropySum'> & {
  readonly spread?: LossSpread | undefined;
};

interface Pass extends Pick<LossJob, 'losses' | 'gradient' | 'advance'> {
  readonly gradScale: number;
  readonly hasSpread: boolean;
}

/** The parts of all ranks. */
async function pass(
  job: LossJob,
  plan: WindowPlan,
  slots: readonly Slot[],
  { losses, hasSpread, gradient, gradScale: scale, advance }: Pass,
): Promise<PartLoss[]> {
  const parts: PartLoss[] = [];
  const unitRows = spreadUnitRows(job);
  await passWindows(job.engine, plan, {
    read: (window) => readWindow(job, slots[window.slot]!, window),
    compute: async (window) => {
      const slot = slots[window.slot]!;
      const reduction = losses === undefined && !hasSpread ? 'sum' : 'none';
      const part = await computeWindow(job, slot, window, reduction, gradient ? scale : undefined);
      const spread = hasSpread ? spreadOf(slot.losses!, weightOf(job, slot), unitRows) : undefined;
      const { loss, lossSum, weightSum, zLoss, divergenceSum, crossEntropySum } = part;
      const isOf = (name: 'zLoss' | 'divergenceSum' | 'crossEntropySum') => part[name] !== undefined;
      parts.push({
        ...{ loss, lossSum, weightSum, spread },
        ...(isOf('zLoss') && { zLoss: zLoss! }),
        ...(isOf('divergenceSum') && { divergenceSum: divergenceSum! }),
        ...(isOf('crossEntropySum') && { crossEntropySum: crossEntropySum! }),
      });
    },
    write: async (window) => {
      const slot = window && slots[window.slot]!;
      await losses?.(slot?.losses);
      await gradient?.(slot && entriesOf(slot.logits, window.end - window.begin).data);
      if (window) advance(window.end / plan.outer);
    },
  });
  const { transport } = job;
  return transport ? inOrderOfWindows(await allGatherValues(transport, parts)) : parts;
}

/** The rows of the least window, whose multiples all others are. */
function spreadUnitRows({ shape: { outer, classes, inner } }: LossJob): number {
  return Math.max(1, (partSize([outer, classes, inner], 1, { axis: 1 }) ?? outer) * inner);
}

async function readWindow(job: LossJob, slot: Slot, { begin, end }: RowWindow): Promise<void> {
  const { classes, inner } = job.shape;
  const { targets, teacher, mask, sampleWeight } = job;
  const entries = end - begin;
  const elements = [begin * classes * inner, end * classes * inner] as const;
  const rows = [begin * inner, end * inner] as const;
  await job.logits.readElements(...elements, entriesOf(slot.logits, entries).data);
  if (slot.softTargets) await targets?.readElements(...elements, entriesOf(slot.softTargets, entries).data);
  else slot.targets = await targets?.readElements(...rows);
  if (slot.teacher) await teacher?.readElements(...elements, entriesOf(slot.teacher, entries).data);
  if (slot.mask) await mask?.readElements(...elements, entriesOf(slot.mask, entries).data);
  if (sampleWeight) {
    slot.sampleWeight = (await sampleWeight.readElements(...rows)) as Float32Array | Float64Array;
    checkWeights(sampleWeight.path, slot.sampleWeight, rows[0], 'row');
  }
}

/** By the row in the window: what its loss is multiplied by and the mean divided by. */
function weightOf({ shape, options }: LossJob, { targets, sampleWeight }: Slot): (row: number) => number {
  const { weight, ignoreIndex = -100 } = options;
  return (row) => {
    const own = sampleWeight?.[row] ?? 1;
    if (targets === undefined) return own;
    const target = Number(targets[row]);
    if (target === ignoreIndex || target < 0 || target >= shape.classes) return 0;
    return own * (weight === undefined ? 1 : Number((weight as ArrayLike<number>)[target]));
  };
}

/** With a scale, the gradient overwrites the logits. */
async function computeWindow(
  job: LossJob,
  slot: Slot,
  { begin, end }: RowWindow,
  reduction: 'sum' | 'none',
  gradScale: number | undefined,
): Promise<PartLoss> {
  const entries = end - begin;
  const logits = entriesOf(slot.logits, entries);
  const arrays = {
    logits,
    targets: slot.softTargets
      ? entriesOf(slot.softTargets, entries)
      : (slot.targets as TargetArray | undefined),
    teacher: slot.teacher && entriesOf(slot.teacher, entries),
  };
  const options = {
    ...job.options,
    axis: 1,
    ...(slot.sampleWeight && { sampleWeight: slot.sampleWeight }),
    ...(slot.mask && { mask: entriesOf(slot.mask, entries) }),
  };
  // With reduction 'none' the z-loss is a mean, but merging needs sums.
  const zLossOf =
    reduction === 'none' && job.options.zLoss
      ? await computeLoss(job.engine, arrays, { ...options, reduction: 'sum' }, undefined)
      : undefined;
  const result = await computeLoss(job.engine, arrays, { ...options, reduction }, gradScale);
  slot.losses = result.losses;
  return zLossOf ?? result;
}

interface Arrays {
  readonly logits: Tensor<FloatType>;
  readonly targets: TargetArray | DenseTargets | undefined;
  readonly teacher: Tensor<FloatType> | undefined;
}

type CallOptions = PartOptions & Pick<CrossEntropyOptions, 'axis' | 'reduction' | 'sampleWeight' | 'mask'>;

/** Cross-entropy with targets alone, the divergence from a teacher alone, distillation with both. */
function computeLoss(
  engine: Engine,
  { logits, targets, teacher }: Arrays,
  options: CallOptions,
  gradScale: number | undefined,
): Promise<PartLoss & { readonly losses?: Float32Array | Float64Array }> {
  const slopes = gradScale === undefined ? undefined : { gradScale, into: logits };
  const { alpha, ...ofTargets } = options;
  if (teacher === undefined) {
    return slopes
      ? engine.crossEntropyGradient(logits, targets!, { ...ofTargets, ...slopes })
      : engine.crossEntropy(logits, targets!, ofTargets);
  }
  const { axis, reduction, temperature, signal } = options;
  const shared = { axis, reduction, temperature, signal };
  if (targets === undefined) {
    const of = { targetLogits: teacher };
    return slopes
      ? engine.klDivergenceGradient(logits, of, { ...shared, ...slopes })
      : engine.klDivergence(logits, of, shared);
  }
  const { ignoreIndex, onInvalidTarget } = options;
  const all = { ...shared, alpha, ignoreIndex, onInvalidTarget };
  const classes = targets as TargetArray;
  return slopes
    ? engine.distillationGradient(logits, teacher, classes, { ...all, ...slopes })
    : engine.distillation(logits, teacher, classes, all);
}
