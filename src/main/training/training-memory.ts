// What a training run keeps in the arena while it lasts, and the job that tells the workers where.
import type { Ptr } from '../../kernels/kernels.js';
import { tileScratchBytes } from '../../kernels/layout.js';
import { packedLength, packedWeightsLength, packParameters, tileScratch } from '../../kernels/panels.js';
import type { TrainTask } from '../../workers/protocol.js';
import type { ArenaScope } from '../arena.js';
import type { Batch } from '../batches.js';
import type { TrainingPlan } from '../plan.js';
import type { Resources } from '../resources.js';
import type { CheckedTargets } from '../targets.js';
import type { CheckedFitOptions } from './fit-options.js';
import type { LinearModel } from './linear-model.js';

export interface PlacedRows {
  readonly inputs: Ptr;
  readonly targets: Ptr;
}

/**
 * The addresses of the rows, copied in where they lie elsewhere. Targets are always copied: nobody can change them
 * between their check and a step that reads them.
 */
export function placeRows(
  { arena }: Resources,
  scope: ArenaScope,
  inputs: Batch,
  targets: CheckedTargets,
): PlacedRows {
  const targetsPtr = scope.allocate(targets.rows * 4, 'targets');
  targets.copyTo(arena.view('int32', targetsPtr, targets.rows), 0, targets.rows);
  if (inputs.ptr !== undefined) {
    scope.retain(inputs.ptr);
    return { inputs: inputs.ptr, targets: targetsPtr };
  }
  const inputsPtr = scope.allocate(inputs.elements.length * 4, 'inputs');
  arena.view('float32', inputsPtr, inputs.elements.length).set(inputs.elements);
  return { inputs: inputsPtr, targets: targetsPtr };
}

type SegmentFields = 'member' | 'members' | 'stepBegin' | 'stepEnd' | 'stepsBefore' | 'indices' | 'buffer';
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
  rows: PlacedRows,
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
  const scratchBytes = Math.max(tileScratchBytes(classes), tileScratch(0, plan.tileRows, classes).end);
  const { momentum, nesterov, learningRate, schedule, weightDecay } = options;
  const common = {
    ...rows,
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
    spins: pool.barrierSpins,
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
