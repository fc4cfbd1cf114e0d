// What a training run keeps in the arena while it lasts, and the job that tells the workers where.
import type { Ptr } from '../../kernels/kernels.js';
import { INPUTS_FLOAT32 } from '../../kernels/layout.js';
import { packedLength, packedWeightsLength, packParameters, unpackParameters } from '../../kernels/panels.js';
import { packStrips, parametersInStripsLength, stripsLength, unpackStrips } from '../../kernels/strips.js';
import type { TrainTask } from '../../workers/protocol.js';
import type { ArenaScope } from '../arena.js';
import type { TrainingPlan } from '../plan.js';
import { barrierSpins } from '../residency.js';
import type { Resources } from '../resources.js';
import type { CheckedTargets } from '../targets.js';
import type { CheckedFitOptions } from './fit-options.js';
import { type Inputs, type InputsFormat, placeFormat } from './inputs.js';
import type { LinearModel } from './linear-model.js';
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
  targets: CheckedTargets,
  plan: TrainingPlan,
): PlacedRows {
  const { arena } = resources;
  const targetsPtr = scope.allocate(targets.rows * 4, 'targets');
  targets.copyTo(arena.view('int32', targetsPtr, targets.rows), 0, targets.rows);
  const { elements } = inputs;
  if (plan.by === 'tiles' && elements instanceof Uint8Array) {
    const floats = scope.allocate(elements.length * 4, 'inputs');
    const { features, featureScaling = { shift: 0, scale: 1 } } = model;
    scaleRows(arena.view('float32', floats, elements.length), elements, features, featureScaling);
    return { inputs: floats, inputsType: INPUTS_FLOAT32, scaling: 0, targets: targetsPtr };
  }
  const format = placeFormat(resources, scope, inputs, model);
  if (inputs.ptr !== undefined) {
    scope.retain(inputs.ptr);
    return { ...format, inputs: inputs.ptr, targets: targetsPtr };
  }
  const inputsPtr = scope.allocate(elements.byteLength, 'inputs');
  if (elements instanceof Uint8Array) arena.view('uint8', inputsPtr, elements.length).set(elements);
  else arena.view('float32', inputsPtr, elements.length).set(elements);
  return { ...format, inputs: inputsPtr, targets: targetsPtr };
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
  const { fullStep, lastStep, stepsAnEpoch, by } = plan;
  const parametersLength = by === 'partials' ? parametersInStripsLength(model) : packedLength(model);
  const weightsLength = by === 'partials' ? stripsLength(model) : packedWeightsLength(model);
  const floats = (length: number, what: string) => scope.allocate(length * 4, what);
  const weights = floats(parametersLength, 'the model’s parameters');
  const pack = by === 'partials' ? packStrips : packParameters;
  pack(arena.view('float32', weights, parametersLength), model.weights, model.bias, model);
  const { momentum, nesterov, learningRate, schedule, weightDecay } = options;
  const common = {
    ...rows,
    features,
    classes,
    weights,
    bias: weights + weightsLength * 4,
    scratch: scope.allocate(pool.threads * plan.tile.scratchBytes, 'scratch memory for tiles'),
    scratchBytes: plan.tile.scratchBytes,
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
    spins: barrierSpins(pool.threads),
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
  };
}

/** Brings the parameters of a job back into the model. */
export function takeParameters({ arena }: Resources, job: TrainJob, model: LinearModel): void {
  const unpack = job.kind === 'trainByPartials' ? unpackStrips : unpackParameters;
  const packed = arena.view('float32', job.weights, job.parametersLength);
  unpack(packed, model.weights, model.bias, model);
}
