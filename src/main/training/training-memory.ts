// What a training run keeps in the arena while it lasts, however many rows there are, and the job that tells the workers
// where.
import { paddedClasses, panelWidth, tileStride } from '../../kernels/layout.js';
import { tileLossScratch } from '../../kernels/loss-scratch.js';
import { packedLength, packedWeightsLength, packParameters, unpackParameters } from '../../kernels/panels.js';
import { packStrips, parametersInStripsLength, stripsLength, unpackStrips } from '../../kernels/strips.js';
import type { TrainTask } from '../../workers/protocol.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArenaScope } from '../memory/arena.js';
import type { LinearModel } from '../models/linear-model.js';
import { usesBlas } from '../models/product-backend.js';
import { aligned } from '../plans/parts.js';
import type { TrainingPlan } from '../plans/training.js';
import type { CheckedFitOptions } from './fit-options.js';

type SegmentFields = 'member' | 'members' | 'stepBegin' | 'stepEnd' | 'stepsBefore' | 'buffer';
type RowFields = 'inputs' | 'inputsType' | 'scaling' | 'targets' | 'loss' | 'indices' | 'stepWeights';
/** A training task but for its rows and what changes from call to call. */
export type TrainJob = TrainTask extends infer Task
  ? Task extends TrainTask
    ? Omit<Task, SegmentFields | RowFields>
    : never
  : never;

/** Allocates it, with the model's parameters packed at `weights`. `general`: for losses with options too. */
export function placeJob(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  plan: TrainingPlan,
  options: CheckedFitOptions,
  { residentEpochs, general }: { readonly residentEpochs: number; readonly general: boolean },
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
  const scratchBytes = general ? tileLossScratch(tileBytes, classes).end : tileBytes;
  const common = {
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
    const partialBytes = aligned(parametersLength * 4);
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

/** Whether the weights of a job are; a bias of -Infinity may be the model's own. */
export function areFinite({ arena }: Resources, { weights, weightsLength }: TrainJob): boolean {
  const packed = arena.view('float32', weights, weightsLength);
  // A product with 0 is NaN where one is not.
  let zero = 0;
  for (let i = 0; i < packed.length; i++) zero += packed[i]! * 0;
  return zero === 0;
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
