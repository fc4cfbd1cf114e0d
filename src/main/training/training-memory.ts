// What a training run keeps in the arena while it lasts, and the job that tells the workers where.
import type { Ptr } from '../../kernels/kernels.js';
import { INPUTS_FLOAT32, paddedClasses, panelWidth, tileStride } from '../../kernels/layout.js';
import { LOSS_CALL_BYTES } from '../../kernels/loss-layout.js';
import { tileLossScratch } from '../../kernels/loss-scratch.js';
import { packedLength, packedWeightsLength, packParameters, unpackParameters } from '../../kernels/panels.js';
import { packStrips, parametersInStripsLength, stripsLength, unpackStrips } from '../../kernels/strips.js';
import type { LinearLoss, TrainLoss, TrainTask } from '../../workers/protocol.js';
import { type ArenaScope, BYTES_PER_ELEMENT } from '../arena.js';
import { placeNumbers } from '../losses/loss-call.js';
import type { CheckedLossOptions } from '../losses/loss-options.js';
import type { ArrayRows } from '../operands.js';
import type { TrainingPlan } from '../plans/training.js';
import type { Resources } from '../resources.js';
import { writeLossBlock } from './evaluation-loss.js';
import type { CheckedFitOptions } from './fit-options.js';
import { type Inputs, type InputsFormat, placeFormat } from './inputs.js';
import type { LinearModel } from './linear-model.js';
import { tileOf, usesBlas } from './model-tiles.js';
import type { RowTargets } from './row-targets.js';
import { scaleRows } from './scaling.js';

export interface PlacedRows extends InputsFormat {
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
  model: LinearModel,
  inputs: Inputs,
  { rows, classes }: RowTargets,
  plan: TrainingPlan,
): PlacedRows {
  const { arena } = resources;
  const targets = scope.allocate(rows * 4, 'targets');
  arena.view('int32', targets, rows).set(classes);
  const { elements } = inputs;
  if (plan.by === 'tiles' && !usesBlas(resources, model) && elements instanceof Uint8Array) {
    const floats = scope.allocate(elements.length * 4, 'inputs');
    const { features, featureScaling = { shift: 0, scale: 1 } } = model;
    scaleRows(arena.view('float32', floats, elements.length), elements, features, featureScaling);
    return { inputs: floats, inputsType: INPUTS_FLOAT32, scaling: 0, targets };
  }
  const format = placeFormat(resources, scope, inputs, model);
  const type = elements instanceof Uint8Array ? 'uint8' : 'float32';
  return { ...format, inputs: placeArray(resources, scope, 'inputs', { ...inputs, type }), targets };
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
  model: LinearModel,
  options: CheckedLossOptions,
  { rows, softTargets, sampleWeight, mask }: RowTargets,
  { targets }: PlacedRows,
  plan: TrainingPlan,
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
  const needsZeroRow = plan.by === 'tiles' && !usesBlas(resources, model);
  return {
    training: {
      call: block(0),
      ...dense,
      scratchOffset: plan.tile.scratchBytes,
      zeroRow: needsZeroRow ? scope.allocate(model.features * 4, 'a row of zeros') : 0,
      isMean: options.reduction === 'mean',
    },
    evaluation: { call: block(losses), ...dense, scratchOffset: tileOf(resources, model).scratchBytes },
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
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  { loss, ...rows }: PlacedTrainingRows,
  plan: TrainingPlan,
  options: CheckedFitOptions,
  residentEpochs: number,
): TrainJob {
  const { arena, pool } = resources;
  const { features, classes } = model;
  const { fullStep, lastStep, stepsAnEpoch, by } = plan;
  const parametersLength = by === 'partials' ? parametersInStripsLength(model) : packedLength(model);
  const weightsLength = by === 'partials' ? stripsLength(model) : packedWeightsLength(model);
  const floats = (length: number, what: string) => scope.allocate(length * 4, what);
  const weights = floats(parametersLength, 'the model’s parameters');
  const packed = arena.view('float32', weights, parametersLength);
  if (by === 'partials') packStrips(packed, model.weights, model.bias, model);
  else packParameters(packed, model.weights, model.bias, model, widthOfPanels(resources, model));
  const { momentum, nesterov, learningRate, schedule, weightDecay } = options;
  const tileBytes = plan.tile.scratchBytes;
  const scratchBytes = loss ? tileLossScratch(tileBytes, classes).end : tileBytes;
  const common = {
    ...rows,
    loss: loss?.training,
    features,
    classes,
    weights,
    bias: weights + weightsLength * 4,
    scratch: scope.allocate(pool.threads * scratchBytes, 'scratch memory for tiles'),
    scratchBytes,
    tileRows: plan.tile.rows,
    fullStep,
    lastStep,
    stepsAnEpoch,
    sgd: { learningRate, schedule, momentum, nesterov, weightDecay },
    allSteps: options.epochs * stepsAnEpoch,
    weightsLength,
    parametersLength,
    velocity: momentum === 0 ? 0 : floats(parametersLength, 'the optimizer’s velocity'),
    lossSums: scope.allocate(fullStep.shards * 8, 'partial losses'),
    stepLosses: scope.allocate(residentEpochs * stepsAnEpoch * 8, 'losses of the steps'),
    spins: pool.barrierSpins,
  };
  if (by === 'partials') {
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
    chunkInputs: usesBlas(resources, model)
      ? floats(plan.chunkRows * tileStride(features), 'the inputs of a chunk')
      : 0,
  };
}

/** Brings the parameters of a job back into the model. */
export function takeParameters(resources: Resources, job: TrainJob, model: LinearModel): void {
  const packed = resources.arena.view('float32', job.weights, job.parametersLength);
  if (job.kind === 'trainByPartials') unpackStrips(packed, model.weights, model.bias, model);
  else unpackParameters(packed, model.weights, model.bias, model, widthOfPanels(resources, model));
}

/** For a BLAS one panel holds all classes. */
const widthOfPanels = (resources: Resources, model: LinearModel): number =>
  usesBlas(resources, model) ? paddedClasses(model.classes) : panelWidth(model.classes);
