// What a training run keeps in the arena besides its rows, and the job that tells the workers where it is.

import { paddedClasses, panelWidth, tileStride } from '../../kernels/layout.js';
import { tileLossScratch } from '../../kernels/loss-scratch.js';
import { packedLength, packedWeightsLength, packParameters, unpackParameters } from '../../kernels/panels.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import {
  type LinearShape,
  packStrips,
  parametersInStripsLength,
  stripsLength,
  unpackStrips,
} from '../../kernels/strips.js';
import type { GradientClipping, TrainHead, TrainTask, UpdateTerms } from '../../workers/protocol.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArenaScope } from '../memory/arena.js';
import type { TensorData } from '../memory/element-types.js';
import type { LinearModel } from '../models/linear-model.js';
import { aligned } from '../plans/parts.js';
import { usesBlas } from '../plans/tiles.js';
import type { TrainingPlan } from '../plans/training.js';

type SegmentFields = 'member' | 'members' | 'stepBegin' | 'stepEnd' | 'stepsBefore' | 'buffer';
type RowFields = 'inputs' | 'inputsType' | 'scaling' | 'targets' | 'indices' | 'heads';
/** A training task without its rows, its heads and what changes from call to call. */
export type TrainJob = Omit<TrainTask, SegmentFields | RowFields>;
/** A head without what depends on where the rows are. */
export type PlacedHead = Omit<TrainHead, 'loss' | 'stepWeights'>;

/** Allocates what the heads of a job share. `general`: the loss needs scratch memory (tileLossScratch) or may ignore rows. */
export function placeJob(
  resources: Resources,
  scope: ArenaScope,
  shape: LinearShape,
  plan: TrainingPlan,
  general: boolean,
): TrainJob {
  const { pool } = resources;
  const { fullStep, lastStep, stepsAnEpoch, by } = plan;
  const { features, classes } = shape;
  const isSharded = by === 'parameter-sharded';
  const tileBytes = plan.tile.scratchBytes;
  const scratchBytes = general ? tileLossScratch(offsetBy(NULL_PTR, tileBytes), classes).end : tileBytes;
  return {
    kind: 'train',
    features,
    classes,
    scratch: scope.allocate(pool.threads * scratchBytes, 'scratch memory for tiles'),
    scratchBytes,
    tileRows: plan.tile.rows,
    fullStep,
    lastStep,
    stepsAnEpoch,
    weightsLength: isSharded ? packedWeightsLength(shape) : stripsLength(shape),
    parametersLength: isSharded ? packedLength(shape) : parametersInStripsLength(shape),
    spins: pool.barrierSpins,
    sharding: placeSharding(resources, scope, shape, plan, general),
  };
}

function placeSharding(
  resources: Resources,
  scope: ArenaScope,
  shape: LinearShape,
  { by, sliceLength, chunkRows, panelsATile, featuresATile }: TrainingPlan,
  general: boolean,
): TrainTask['sharding'] {
  // Neighbouring partials do not share a cache line.
  if (by === 'data-parallel') {
    return { by, partialBytes: aligned(parametersInStripsLength(shape) * 4), sliceLength };
  }
  const blas = usesBlas(resources, shape);
  const { features, classes } = shape;
  const floats = (length: number, what: string) => scope.allocate(length * 4, what);
  return {
    by,
    chunkRows,
    gradLogits: floats(chunkRows * paddedClasses(classes), 'the logits of a chunk'),
    rowPtrs: floats(chunkRows, 'the addresses of a chunk’s rows'),
    zeroRow: general && !blas ? floats(features, 'a row of zeros') : NULL_PTR,
    panelsATile,
    featuresATile,
    chunkInputs: blas ? floats(chunkRows * tileStride(features), 'the inputs of a chunk') : NULL_PTR,
  };
}

export interface HeadTerms {
  /** The most steps of a segment. */
  readonly steps: number;
  /** Undefined: steps leave their gradient and update nothing. */
  readonly update: HeadUpdate | undefined;
}

export type HeadUpdate = Omit<UpdateTerms, 'state' | 'clipping'> & {
  /** The largest norm of a gradient. */
  readonly clipNorm?: number | undefined;
};

const placeClipping = (scope: ArenaScope, norm: number): GradientClipping => ({
  norm,
  scale: scope.allocate(8, 'the scale of a clipped gradient'),
});

/** Allocates a head of a job and packs the model's parameters into it. */
export function placeHead(
  resources: Resources,
  scope: ArenaScope,
  job: TrainJob,
  model: LinearModel,
  { steps, update }: HeadTerms,
): PlacedHead {
  const { fullStep, weightsLength, parametersLength, sharding } = job;
  const floats = (length: number, what: string) => scope.allocate(length * 4, what);
  const weights = floats(parametersLength, 'the model’s parameters');
  packVector(resources, job, model, weights, model);
  const state = (update?.optimizer.state ?? []).map(
    (name) => [name, floats(parametersLength, `the optimizer’s ${name}`)] as const,
  );
  const clipping = update?.clipNorm === undefined ? undefined : placeClipping(scope, update.clipNorm);
  return {
    weights,
    bias: offsetBy(weights, weightsLength * 4),
    gradient:
      sharding.by === 'data-parallel'
        ? scope.allocate(fullStep.shards * sharding.partialBytes, 'partial gradients')
        : floats(parametersLength, 'the gradient'),
    update: update && { ...update, state: Object.fromEntries(state), clipping },
    lossSums: scope.allocate(fullStep.shards * 8, 'partial losses'),
    stepLosses: scope.allocate(steps * 8, 'losses of the steps'),
  };
}

/** Whether the weights are finite. A bias of -Infinity may be the model's own. */
export function areFinite(
  { arena }: Resources,
  { weightsLength }: TrainJob,
  { weights }: PlacedHead,
): boolean {
  const packed = arena.view('float32', weights, weightsLength);
  // 0 · w is NaN where w is not finite.
  let zero = 0;
  for (let i = 0; i < packed.length; i++) zero += packed[i]! * 0;
  return zero === 0;
}

/** Copies the parameters of a head into the model. */
export function takeParameters(
  resources: Resources,
  job: TrainJob,
  { weights }: PlacedHead,
  model: LinearModel,
): void {
  takeVector(resources, job, model, weights, model, 'float32');
}

/** Weights [features × classes] and bias [classes]. */
type Parameters<Floats> = { readonly weights: Floats; readonly bias: Floats };

/** Packs a vector into the layout of the job's parameters, padding included. */
export function packVector(
  resources: Resources,
  { parametersLength, sharding }: TrainJob,
  shape: LinearShape,
  vector: Ptr,
  { weights, bias }: Parameters<Float32Array>,
): void {
  const packed = resources.arena.view('float32', vector, parametersLength);
  if (sharding.by === 'data-parallel') packStrips(packed, weights, bias, shape);
  else packParameters(packed, weights, bias, shape, widthOfPanels(resources, shape));
}

/** The reverse, for vectors such as the gradient. */
export function takeVector<Type extends 'float32' | 'float64'>(
  resources: Resources,
  { parametersLength, sharding }: TrainJob,
  shape: LinearShape,
  vector: Ptr,
  { weights, bias }: Parameters<TensorData[Type]>,
  type: Type,
): void {
  const packed = resources.arena.view(type, vector, parametersLength);
  if (sharding.by === 'data-parallel') unpackStrips(packed, weights, bias, shape);
  else unpackParameters(packed, weights, bias, shape, widthOfPanels(resources, shape));
}

/** With a BLAS one panel holds all classes. */
const widthOfPanels = (resources: Resources, shape: LinearShape): number =>
  usesBlas(resources, shape) ? paddedClasses(shape.classes) : panelWidth(shape.classes);
