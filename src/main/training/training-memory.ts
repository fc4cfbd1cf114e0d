// What a training run keeps in the arena besides its rows, and the job that tells the workers where it is.

import { paddedClasses, panelWidth, tileStride } from '../../kernels/layout.js';
import { tileLossScratch } from '../../kernels/loss-scratch.js';
import { packedLength, packedWeightsLength, packParameters, unpackParameters } from '../../kernels/panels.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import { packStrips, parametersInStripsLength, stripsLength, unpackStrips } from '../../kernels/strips.js';
import type { GradientClipping, TrainTask, UpdateTerms } from '../../workers/protocol.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArenaScope } from '../memory/arena.js';
import type { LinearModel } from '../models/linear-model.js';
import { aligned } from '../plans/parts.js';
import { usesBlas } from '../plans/tiles.js';
import type { TrainingPlan } from '../plans/training.js';

type SegmentFields = 'member' | 'members' | 'stepBegin' | 'stepEnd' | 'stepsBefore' | 'buffer';
type RowFields = 'inputs' | 'inputsType' | 'scaling' | 'targets' | 'loss' | 'indices' | 'stepWeights';
/** A training task without its rows and without what changes from call to call. */
export type TrainJob = Omit<TrainTask, SegmentFields | RowFields>;

export interface JobTerms {
  /** The most epochs of a segment. */
  readonly residentEpochs: number;
  /** Whether the loss needs scratch memory (tileLossScratch) or may ignore rows. */
  readonly general: boolean;
  /** Undefined: steps leave their gradient and update nothing. */
  readonly update: JobUpdate | undefined;
}

export type JobUpdate = Omit<UpdateTerms, 'state' | 'clipping'> & {
  /** The largest norm of a gradient. */
  readonly clipNorm?: number | undefined;
};

/** Allocates a job and packs the model's parameters into it. */
export function placeJob(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  plan: TrainingPlan,
  { residentEpochs, general, update }: JobTerms,
): TrainJob {
  const { arena, pool } = resources;
  const { fullStep, lastStep, stepsAnEpoch, by } = plan;
  const { features, classes } = model;
  const isSharded = by === 'parameter-sharded';
  const parametersLength = isSharded ? packedLength(model) : parametersInStripsLength(model);
  const weightsLength = isSharded ? packedWeightsLength(model) : stripsLength(model);
  const floats = (length: number, what: string) => scope.allocate(length * 4, what);
  const weights = floats(parametersLength, 'the model’s parameters');
  const packed = arena.view('float32', weights, parametersLength);
  if (isSharded) packParameters(packed, model.weights, model.bias, model, widthOfPanels(resources, model));
  else packStrips(packed, model.weights, model.bias, model);
  const tileBytes = plan.tile.scratchBytes;
  const scratchBytes = general ? tileLossScratch(offsetBy(NULL_PTR, tileBytes), classes).end : tileBytes;
  const scratch = scope.allocate(pool.threads * scratchBytes, 'scratch memory for tiles');
  const state = (update?.optimizer.state ?? []).map(
    (name) => [name, floats(parametersLength, `the optimizer’s ${name}`)] as const,
  );
  const clipping = update?.clipNorm === undefined ? undefined : placeClipping(scope, update.clipNorm);
  const lossSums = scope.allocate(fullStep.shards * 8, 'partial losses');
  const stepLosses = scope.allocate(residentEpochs * stepsAnEpoch * 8, 'losses of the steps');
  return {
    kind: 'train',
    features,
    classes,
    weights,
    bias: offsetBy(weights, weightsLength * 4),
    scratch,
    scratchBytes,
    tileRows: plan.tile.rows,
    fullStep,
    lastStep,
    stepsAnEpoch,
    weightsLength,
    parametersLength,
    update: update && { ...update, state: Object.fromEntries(state), clipping },
    lossSums,
    stepLosses,
    spins: pool.barrierSpins,
    ...placeGradient(resources, scope, model, plan, parametersLength, general),
  };
}

const placeClipping = (scope: ArenaScope, norm: number): GradientClipping => ({
  norm,
  scale: scope.allocate(8, 'the scale of a clipped gradient'),
});

function placeGradient(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  { by, fullStep, sliceLength, chunkRows, panelsATile, featuresATile }: TrainingPlan,
  parametersLength: number,
  general: boolean,
): Pick<TrainTask, 'gradient' | 'sharding'> {
  const gradientBytes = parametersLength * 4;
  if (by === 'data-parallel') {
    // Neighbouring partials do not share a cache line.
    const partialBytes = aligned(gradientBytes);
    const gradient = scope.allocate(fullStep.shards * partialBytes, 'partial gradients');
    return { gradient, sharding: { by, partialBytes, sliceLength } };
  }
  const blas = usesBlas(resources, model);
  const { features, classes } = model;
  const floats = (length: number, what: string) => scope.allocate(length * 4, what);
  return {
    gradient: scope.allocate(gradientBytes, 'the gradient'),
    sharding: {
      by,
      chunkRows,
      gradLogits: floats(chunkRows * paddedClasses(classes), 'the logits of a chunk'),
      rowPtrs: floats(chunkRows, 'the addresses of a chunk’s rows'),
      zeroRow: general && !blas ? floats(features, 'a row of zeros') : NULL_PTR,
      panelsATile,
      featuresATile,
      chunkInputs: blas ? floats(chunkRows * tileStride(features), 'the inputs of a chunk') : NULL_PTR,
    },
  };
}

/** Whether the weights are finite. A bias of -Infinity may be the model's own. */
export function areFinite({ arena }: Resources, { weights, weightsLength }: TrainJob): boolean {
  const packed = arena.view('float32', weights, weightsLength);
  // 0 · w is NaN where w is not finite.
  let zero = 0;
  for (let i = 0; i < packed.length; i++) zero += packed[i]! * 0;
  return zero === 0;
}

/** Copies the parameters of a job into the model. */
export function takeParameters(resources: Resources, job: TrainJob, model: LinearModel): void {
  takeVector(resources, job, model, job.weights, model);
}

/** Packs a vector with the layout of the job's parameters, such as a velocity. */
export function placeVector(
  resources: Resources,
  { parametersLength, sharding }: TrainJob,
  shape: LinearModel,
  vector: Ptr,
  { weights, bias }: Pick<LinearModel, 'weights' | 'bias'>,
): void {
  const packed = resources.arena.view('float32', vector, parametersLength);
  if (sharding.by === 'data-parallel') packStrips(packed, weights, bias, shape);
  else packParameters(packed, weights, bias, shape, widthOfPanels(resources, shape));
}

/** Unpacks a vector with the layout of the job's parameters, such as the gradient. */
export function takeVector(
  resources: Resources,
  { parametersLength, sharding }: TrainJob,
  shape: LinearModel,
  vector: Ptr,
  { weights, bias }: Pick<LinearModel, 'weights' | 'bias'>,
): void {
  const packed = resources.arena.view('float32', vector, parametersLength);
  if (sharding.by === 'data-parallel') unpackStrips(packed, weights, bias, shape);
  else unpackParameters(packed, weights, bias, shape, widthOfPanels(resources, shape));
}

/** With a BLAS one panel holds all classes. */
const widthOfPanels = (resources: Resources, model: LinearModel): number =>
  usesBlas(resources, model) ? paddedClasses(model.classes) : panelWidth(model.classes);
