// What a training run keeps in the arena while it lasts, and the job that tells the workers where.
import type { Ptr } from '../../kernels/kernels.js';
import { tileScratchBytes } from '../../kernels/layout.js';
import { LOSS_CALL_BYTES } from '../../kernels/loss-layout.js';
import { tileLossScratch } from '../../kernels/loss-scratch.js';
import { packedLength, packedWeightsLength, packParameters, tileScratch } from '../../kernels/panels.js';
import type { LinearLoss, TrainLoss, TrainTask } from '../../workers/protocol.js';
import { type ArenaScope, BYTES_PER_ELEMENT } from '../arena.js';
import type { Batch } from '../batches.js';
import { placeNumbers } from '../losses/loss-call.js';
import type { CheckedLossOptions } from '../losses/loss-options.js';
import type { ArrayRows } from '../operands.js';
import type { TrainingPlan } from '../plan.js';
import { barrierSpins } from '../residency.js';
import type { Resources } from '../resources.js';
import { writeLossBlock } from './evaluation-loss.js';
import type { CheckedFitOptions } from './fit-options.js';
import type { LinearModel } from './linear-model.js';
import type { RowTargets } from './row-targets.js';

export interface PlacedRows {
  readonly inputs: Ptr;
  readonly targets: Ptr;
}

/**
 * The addresses of the rows, copied in where they lie elsewhere. Targets are always copied: nobody can change them
 * between their check and a step that reads them.
 */
export function placeRows(
  resources: Resources,
  scope: ArenaScope,
  inputs: Batch,
  { rows, classes }: RowTargets,
): PlacedRows {
  const targets = scope.allocate(rows * 4, 'targets');
  resources.arena.view('int32', targets, rows).set(classes);
  return { inputs: placeArray(resources, scope, 'inputs', inputs), targets };
}

function placeArray(
  { arena }: Resources,
  scope: ArenaScope,
  what: string,
  { elements, type = 'float32', ptr }: ArrayRows,
): Ptr {
  if (ptr !== undefined) {
    scope.retain(ptr);
    return ptr;
  }
  const copy = scope.allocate(elements.length * BYTES_PER_ELEMENT[type], what);
  arena.view(type, copy, elements.length).set(elements);
  return copy;
}

export interface PlacedTrainingRows extends PlacedRows {
  /** Undefined: plain mean cross-entropy of all rows. */
  readonly loss: PlacedLoss | undefined;
}

/** The loss of the placed rows with options. */
export interface PlacedLoss {
  readonly training: TrainLoss;
  /** Writes the rows' losses to `losses`, float32 by the rows' numbers. */
  readonly evaluation: LinearLoss;
  readonly losses: Ptr;
}

export function placeLoss(
  resources: Resources,
  scope: ArenaScope,
  options: CheckedLossOptions,
  { rows, softTargets, sampleWeight, mask }: RowTargets,
  { targets }: PlacedRows,
  features: number,
): PlacedLoss {
  const { arena } = resources;
  const losses = scope.allocate(rows * 4, 'losses');
  const fields = {
    targets: softTargets ? 0 : targets,
    weight: placeNumbers(arena, scope, 'weight', options.weight),
    sampleWeight: placeNumbers(arena, scope, 'sampleWeight', sampleWeight),
  };
  const block = (lossesPtr: Ptr): Ptr => {
    const call = scope.allocate(LOSS_CALL_BYTES, 'a loss call');
    writeLossBlock(arena, call, options, { ...fields, losses: lossesPtr });
    return call;
  };
  const dense = {
    softTargets: softTargets ? placeArray(resources, scope, 'targets', softTargets) : 0,
    mask: mask ? placeArray(resources, scope, 'mask', mask) : 0,
  };
  const zeroRow = scope.allocate(features * 4, 'a row of zeros');
  return {
    training: { call: block(0), ...dense, zeroRow, isMean: options.reduction === 'mean' },
    evaluation: { call: block(losses), ...dense },
    losses,
  };
}

type SegmentFields =
  | 'member'
  | 'members'
  | 'stepBegin'
  | 'stepEnd'
  | 'stepsBefore'
  | 'indices'
  | 'stepWeights'
  | 'buffer';
/** A training task but for what changes from call to call. */
export type TrainJob = TrainTask extends infer Task
  ? Task extends TrainTask
    ? Omit<Task, SegmentFields>
    : never
  : never;

/** Allocates everything else a run needs, with the model's parameters packed at `weights`. */
export function placeJob(
  { arena, pool }: Resources,
  scope: ArenaScope,
  model: LinearModel,
  { loss, ...rows }: PlacedTrainingRows,
  plan: TrainingPlan,
  options: CheckedFitOptions,
  residentEpochs: number,
): TrainJob {
  const { features, classes } = model;
  const { fullStep, lastStep, stepsAnEpoch } = plan;
  const parametersLength = packedLength(model);
  const floats = (length: number, what: string) => scope.allocate(length * 4, what);
  const weights = floats(parametersLength, 'the model’s parameters');
  packParameters(arena.view('float32', weights, parametersLength), model.weights, model.bias, model);
  const tileEnd = tileScratch(0, plan.tileRows, classes).end;
  const scratchBytes = loss
    ? tileLossScratch(tileEnd, classes).end
    : Math.max(tileScratchBytes(classes), tileEnd);
  const { momentum, nesterov, learningRate, schedule, weightDecay } = options;
  const common = {
    ...rows,
    loss: loss?.training,
    features,
    classes,
    weights,
    bias: weights + packedWeightsLength(model) * 4,
    scratch: scope.allocate(pool.threads * scratchBytes, 'scratch memory for logits'),
    scratchBytes,
    tileRows: plan.tileRows,
    fullStep,
    lastStep,
    stepsAnEpoch,
    sgd: { learningRate, schedule, momentum, nesterov, weightDecay },
    allSteps: options.epochs * stepsAnEpoch,
    weightsLength: packedWeightsLength(model),
    parametersLength,
    velocity: momentum === 0 ? 0 : floats(parametersLength, 'the optimizer’s velocity'),
    lossSums: scope.allocate(fullStep.shards * 8, 'partial losses'),
    stepLosses: scope.allocate(residentEpochs * stepsAnEpoch * 8, 'losses of the steps'),
    spins: barrierSpins(pool.threads),
  };
  if (plan.by === 'partials') {
    // Neighbouring partials do not share a cache line.
    const partialBytes = Math.ceil((parametersLength * 4) / 128) * 128;
    const partials = scope.allocate(fullStep.shards * partialBytes, 'partial gradients');
    return { kind: 'trainByPartials', ...common, partials, partialBytes, sliceLength: plan.sliceLength };
  }
  const stride = common.parametersLength / (features + 1);
  return {
    kind: 'trainByTiles',
    ...common,
    gradient: floats(parametersLength, 'the gradient'),
    chunkRows: plan.chunkRows,
    gradLogits: floats(plan.chunkRows * stride, 'the logits of a chunk'),
    rowPtrs: scope.allocate(plan.chunkRows * 4, 'the addresses of a chunk’s rows'),
    panelsATile: plan.panelsATile,
    featuresATile: plan.featuresATile,
  };
}
