// Computes the loss of logits larger than memory part by part, with the bits of the whole.

import {
  type ArenaTensor,
  type Engine,
  type Files,
  type Losses,
  mergeLosses,
  SoftshardError,
  type TargetArray,
} from '../index.js';
import { checkWeights } from './npy-inputs.js';
import {
  BYTES,
  entriesOf,
  passWindows,
  type RowsShape,
  type RowWindow,
  type WindowPlan,
} from './row-windows.js';

/** Options of crossEntropy that mean the same for each part. */
export type PartOptions = Omit<
  Losses.CrossEntropyOptions,
  'reduction' | 'onEmpty' | 'sampleWeight' | 'mask' | 'axis'
>;

export interface LossJob {
  readonly engine: Engine;
  readonly shape: RowsShape;
  readonly logits: Files.NpyFile;
  readonly targets: Files.NpyFile;
  /** Whether targets are given for every class. */
  readonly areSoft: boolean;
  /** Number of rows that do not count. */
  readonly ignored: number;
  readonly sampleWeight: Files.NpyFile | undefined;
  readonly mask: Files.NpyFile | undefined;
  readonly reduction: Losses.Reduction;
  readonly onEmpty: Losses.OnEmpty;
  readonly options: PartOptions & { readonly signal: AbortSignal };
  /** Receives the loss of each row. */
  readonly losses: ((values: Float32Array | Float64Array) => Promise<void>) | undefined;
  readonly gradient: Files.NpyWriter | undefined;
  /** Called with the fraction done. */
  readonly advance: (fraction: number) => void;
}

/** Bytes that a slot needs for each element of the logits. */
export function bytesAnElement({
  shape,
  targets,
  areSoft,
  mask,
}: Pick<LossJob, 'shape' | 'targets' | 'areSoft' | 'mask'>): number {
  return BYTES[shape.type] + (areSoft ? BYTES[targets.type as 'float32' | 'float64'] : 0) + (mask ? 1 : 0);
}

/** A window's place in memory. */
interface Slot {
  readonly logits: ArenaTensor<'float32' | 'float64'>;
  readonly softTargets: ArenaTensor<'float32' | 'float64'> | undefined;
  readonly mask: ArenaTensor<'uint8'> | undefined;
  targets: Files.StoredView | undefined;
  sampleWeight: Float32Array | Float64Array | undefined;
  losses: Float32Array | Float64Array | undefined;
}

/**
 * A mean's gradient is divided by the weight of all rows. With weights of rows or classes that sum is known only after a pass
 * over all parts: then a first pass computes the losses, a second one the gradient.
 */
export async function lossInParts(job: LossJob, plan: WindowPlan): Promise<Losses.MergedLoss> {
  const { gradient, losses, advance } = job;
  const slots = Array.from({ length: plan.slots }, () => newSlot(job, plan));
  const known = knownDivisor(job);
  const isTwofold = gradient !== undefined && known === undefined;
  const first = { losses, gradient: isTwofold ? undefined : gradient, gradScale: gradScale(known ?? 1) };
  const passes = isTwofold ? 2 : 1;
  const parts = await pass(job, plan, slots, {
    ...first,
    advance: (fraction) => advance(fraction / passes),
  });
  const merged = merge(job, parts);
  if (isTwofold) {
    await pass(job, plan, slots, {
      losses: undefined,
      gradient,
      gradScale: gradScale(merged.weightSum),
      advance: (fraction) => advance((1 + fraction) / 2),
    });
  }
  return merged;
}

/** What the gradient is divided by, if known without a pass. */
function knownDivisor({ reduction, areSoft, sampleWeight, options, shape, ignored }: LossJob) {
  if (reduction !== 'mean') return 1;
  const isWeighted = sampleWeight !== undefined || (options.weight !== undefined && !areSoft);
  return isWeighted ? undefined : shape.rows - ignored;
}

/** The gradient of a mean over nothing is 0. */
const gradScale = (divisor: number): number => (divisor === 0 ? 0 : 1 / divisor);

function merge(
  { shape, reduction, onEmpty }: LossJob,
  parts: readonly Losses.MergedLoss[],
): Losses.MergedLoss {
  const merged = mergeLosses(parts, {
    reduction: reduction === 'sum' ? 'sum' : 'mean',
    onEmpty: onEmpty === 'throw' ? 'nan' : onEmpty,
  });
  if (merged.weightSum !== 0 || onEmpty !== 'throw') return merged;
  const message = `all ${shape.rows} rows of ${shape.path} are ignored or have weight 0, so their mean loss is undefined: check the targets, options.ignoreIndex and the weights, or choose options.onEmpty nan or zero`;
  throw new SoftshardError('ERR_EMPTY', message, { argument: 'targets' });
}

function newSlot({ engine, shape, targets, areSoft, mask }: LossJob, { windowOuter }: WindowPlan): Slot {
  const dims = [windowOuter, shape.classes, shape.inner];
  return {
    logits: engine.tensor(shape.type, dims),
    softTargets: areSoft ? engine.tensor(targets.type as 'float32' | 'float64', dims) : undefined,
    mask: mask && engine.tensor('uint8', dims),
    targets: undefined,
    sampleWeight: undefined,
    losses: undefined,
  };
}

interface Pass extends Pick<LossJob, 'losses' | 'gradient' | 'advance'> {
  readonly gradScale: number;
}

async function pass(
  job: LossJob,
  plan: WindowPlan,
  slots: readonly Slot[],
  { losses, gradient, gradScale: scale, advance }: Pass,
): Promise<Losses.MergedLoss[]> {
  const parts: Losses.MergedLoss[] = [];
  await passWindows(plan, {
    read: (window) => readWindow(job, slots[window.slot]!, window),
    compute: async (window) => {
      const slot = slots[window.slot]!;
      const reduction = losses === undefined ? 'sum' : 'none';
      parts.push(await computeWindow(job, slot, window, reduction, gradient ? scale : undefined));
    },
    write: async ({ begin, end, slot: index }) => {
      const slot = slots[index]!;
      if (slot.losses !== undefined) await losses?.(slot.losses);
      await gradient?.append(entriesOf(slot.logits, end - begin).data);
      advance(end / plan.outer);
    },
  });
  return parts;
}

async function readWindow(job: LossJob, slot: Slot, { begin, end }: RowWindow): Promise<void> {
  const { classes, inner } = job.shape;
  const entries = end - begin;
  const elements = [begin * classes * inner, end * classes * inner] as const;
  const rows = [begin * inner, end * inner] as const;
  await job.logits.readElements(...elements, entriesOf(slot.logits, entries).data);
  if (slot.softTargets)
    await job.targets.readElements(...elements, entriesOf(slot.softTargets, entries).data);
  else slot.targets = await job.targets.readElements(...rows);
  if (slot.mask) await job.mask!.readElements(...elements, entriesOf(slot.mask, entries).data);
  if (job.sampleWeight) {
    slot.sampleWeight = (await job.sampleWeight.readElements(...rows)) as Float32Array | Float64Array;
    checkWeights(job.sampleWeight.path, slot.sampleWeight, rows[0], 'row');
  }
}

/** With a scale, the gradient overwrites the logits. */
async function computeWindow(
  job: LossJob,
  slot: Slot,
  { begin, end }: RowWindow,
  reduction: 'sum' | 'none',
  scale: number | undefined,
): Promise<Losses.MergedLoss> {
  const { engine } = job;
  const entries = end - begin;
  const logits = entriesOf(slot.logits, entries);
  const targets = slot.softTargets ? entriesOf(slot.softTargets, entries) : (slot.targets as TargetArray);
  const options = {
    ...job.options,
    axis: 1,
    reduction,
    ...(slot.sampleWeight && { sampleWeight: slot.sampleWeight }),
    ...(slot.mask && { mask: entriesOf(slot.mask, entries) }),
  };
  // With reduction 'none' the z-loss is a mean, but merging needs sums.
  const zLossOf =
    reduction === 'none' && job.options.zLoss
      ? await engine.crossEntropy(logits, targets, { ...options, reduction: 'sum' })
      : undefined;
  const result: Losses.CrossEntropyResult =
    scale === undefined
      ? await engine.crossEntropy(logits, targets, options)
      : await engine.crossEntropyGradient(logits, targets, { ...options, gradScale: scale, into: logits });
  slot.losses = result.losses;
  return zLossOf ?? result;
}
