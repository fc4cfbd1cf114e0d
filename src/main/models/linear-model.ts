// Runs a linear softmax model over rows: classes, ranks, losses and confidences, or probabilities.

import { paddedClasses } from '../../kernels/layout.js';
import { tileLossScratch } from '../../kernels/loss-scratch.js';
import { packedLength, packedWeightsLength, packParameters } from '../../kernels/panels.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import {
  type LinearShape,
  packStrips,
  parametersInStripsLength,
  stripsLength,
} from '../../kernels/strips.js';
import type { LinearLoss, PredictTask } from '../../workers/protocol.js';
import type { Batch } from '../arguments/matrices.js';
import type { Cancellation } from '../cancellation.js';
import {
  classesOperand,
  readOperand,
  sourceOperand,
  valueOperand,
  writeOperand,
} from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { inWindows, type Operand, type Window } from '../dispatch/windows.js';
import type { CheckedLossOptions } from '../losses/loss-options.js';
import type { ArenaScope } from '../memory/arena.js';
import type { RowPredictions } from '../metrics/row-predictions.js';
import { planLinearRows } from '../plans/rows.js';
import { tileOf, usesBlas } from '../plans/tiles.js';
import { lossOperands } from './evaluation-loss.js';
import { type FeatureModel, type Inputs, type InputsFormat, scalingBytes } from './inputs.js';
import type { RowTargets } from './row-targets.js';

export interface LinearModel extends FeatureModel {
  /** Row-major [features × classes]. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly classes: number;
}

/** With weights and a bias of 0. */
export const zeroModel = ({
  features,
  classes,
  featureScaling,
}: Pick<LinearModel, 'features' | 'classes' | 'featureScaling'>): LinearModel => ({
  features,
  classes,
  featureScaling,
  weights: new Float32Array(features * classes),
  bias: new Float32Array(classes),
});

/** Rows in the arena. */
export interface ResidentRows extends InputsFormat {
  readonly inputs: Ptr;
  /** Uint32 row numbers, or 0 for rows in order. */
  readonly indices: Ptr;
  readonly rows: number;
}

/** Where results go; 0: not wanted. */
export interface PredictOutputs {
  readonly probabilities: Ptr;
  /** Logits in the place of probabilities. */
  readonly areLogits: boolean;
  readonly predictions: Ptr;
  readonly ranks: Ptr;
  readonly losses: Ptr;
  readonly confidences: Ptr;
  /** Int32, needed for all results but the first two. */
  readonly targets: Ptr;
  readonly loss: LinearLoss | undefined;
}

/** The results of each row that evaluation needs. */
export interface RowResults extends RowPredictions {
  /** [rows]: the losses with options, if there are any. */
  readonly lossesWithOptions: Float32Array | undefined;
  /** [rows]: -Σ p log p of the rows, if it is wanted. */
  readonly entropies?: Float32Array | undefined;
}

/** What is computed of each row besides what RowPredictions has. */
export interface EvaluatedLoss extends CheckedLossOptions {
  /** Of the probabilities that the options lead to. */
  readonly withEntropies?: boolean;
}

/** A tile for each worker. */
export interface Scratch {
  readonly scratch: Ptr;
  readonly scratchBytes: number;
}

/** Bytes for each worker. `general`: for losses with options too. */
function scratchBytesOf(resources: Resources, shape: LinearShape, general: boolean): number {
  const tileBytes = tileOf(resources, shape).scratchBytes;
  return general ? tileLossScratch(offsetBy(NULL_PTR, tileBytes), shape.classes).end : tileBytes;
}

/** Scratch memory for the windows of a call: its gangs run one after the other (dispatch/job-memory.ts). */
function allocateScratch(
  scope: ArenaScope,
  resources: Resources,
  shape: LinearShape,
  general: boolean,
): Scratch {
  const scratchBytes = scratchBytesOf(resources, shape, general);
  const bytes = resources.pool.threads * scratchBytes;
  return { scratch: scope.allocate(bytes, 'scratch memory for tiles'), scratchBytes };
}

const packedModelLength = (resources: Resources, shape: LinearShape): number =>
  usesBlas(resources, shape) ? packedLength(shape) : parametersInStripsLength(shape);

/** The least pieces of memory, in bytes, for evaluating some of the inputs in windows: two shards with all options. */
export function evaluationBytes(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  evaluated: number,
  general: boolean,
): readonly number[] {
  const rows = Math.min(evaluated, 2 * planLinearRows(evaluated).shardRows);
  const { classes } = model;
  return [
    packedModelLength(resources, model) * 4,
    resources.pool.threads * scratchBytesOf(resources, model, general),
    scalingBytes(model),
    inputs.bytesOf(rows),
    rows * classes * 5,
    // Class, prediction, rank, loss (float64), confidence, loss with options, weight; 128 to align each.
    rows * 32 + 7 * 128,
  ];
}

/** One gang over resident rows. */
async function predictResident(
  resources: Resources,
  shape: LinearShape,
  { parameters, ...scratch }: Scratch & { readonly parameters: Ptr },
  rows: ResidentRows,
  outputs: PredictOutputs,
  signal: Cancellation | undefined,
  arrays: readonly Ptr[] = [],
): Promise<void> {
  const { arena, pool } = resources;
  const { features, classes } = shape;
  const blas = usesBlas(resources, shape);
  const plan = planLinearRows(rows.rows);
  const members = Math.min(pool.threads, plan.shards);
  if (members === 0) return;
  const job: Omit<PredictTask, 'member' | 'members'> = {
    kind: 'predict',
    buffer: arena.memory.buffer,
    ...rows,
    ...outputs,
    ...scratch,
    features,
    classes,
    weights: parameters,
    bias: offsetBy(parameters, (blas ? packedWeightsLength(shape) : stripsLength(shape)) * 4),
    tileRows: tileOf(resources, shape).rows,
    shardRows: plan.shardRows,
    blas,
  };
  await pool.run(job, { members, signal, arrays, isPatient: resources.isPatient ?? false });
}

/** Runs work with the model's parameters packed in the arena, and scratch memory. */
async function withPackedModel<Result>(
  resources: Resources,
  model: LinearModel,
  general: boolean,
  work: (placed: Scratch & { readonly parameters: Ptr }) => Promise<Result>,
): Promise<Result> {
  const { arena } = resources;
  const blas = usesBlas(resources, model);
  const scope = arena.scope();
  try {
    const length = packedModelLength(resources, model);
    const parameters = scope.allocate(length * 4, 'the model’s parameters');
    const packed = arena.view('float32', parameters, length);
    if (blas) packParameters(packed, model.weights, model.bias, model, paddedClasses(model.classes));
    else packStrips(packed, model.weights, model.bias, model);
    return await work({ parameters, ...allocateScratch(scope, resources, model, general) });
  } finally {
    scope.release();
  }
}

const none: PredictOutputs = {
  probabilities: NULL_PTR,
  areLogits: false,
  predictions: NULL_PTR,
  ranks: NULL_PTR,
  losses: NULL_PTR,
  confidences: NULL_PTR,
  targets: NULL_PTR,
  loss: undefined,
};

/** The class of each row. */
export async function predictClasses(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  signal: Cancellation | undefined,
): Promise<Int32Array> {
  const predictions = new Int32Array(inputs.rows);
  const operand = classesOperand('predictions', predictions);
  await predictInWindows(
    resources,
    model,
    inputs,
    operand,
    ({ ptrOf }) => ({ predictions: ptrOf(operand) }),
    signal,
  );
  return predictions;
}

/** What a model gives for each class of a row. */
export type ClassValues = 'probabilities' | 'logits';

/** The probabilities or logits of each row into output [rows × classes]. */
export async function predictClassValues(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  output: Batch,
  wanted: ClassValues,
  signal: Cancellation | undefined,
): Promise<void> {
  const operand = writeOperand(wanted, output);
  const areLogits = wanted === 'logits';
  const outputsOf = ({ ptrOf }: Window) => ({ probabilities: ptrOf(operand), areLogits });
  await predictInWindows(resources, model, inputs, operand, outputsOf, signal);
}

/** Evaluates rows in the arena, held by the caller, with the model's current parameters. */
export async function evaluateResident(
  resources: Resources,
  model: LinearModel,
  rows: ResidentRows,
  outputs: PredictOutputs,
  signal: Cancellation | undefined,
): Promise<void> {
  await resources.callMemory.use([], signal, () =>
    withPackedModel(resources, model, outputs.loss !== undefined, (placed) =>
      predictResident(resources, model, placed, rows, outputs, signal),
    ),
  );
}

/** Results of the rows with these numbers, or of all; with `options`, also the losses with these options. */
export async function evaluateRows(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  targets: RowTargets,
  options: EvaluatedLoss | undefined,
  signal: Cancellation | undefined,
  rowNumbers?: Uint32Array,
): Promise<RowResults> {
  const rows = rowNumbers?.length ?? inputs.rows;
  const classes = { elements: targets.classes, columns: 1, type: 'int32', ptr: undefined } as const;
  const results = {
    predictions: new Int32Array(rows),
    ranks: new Int32Array(rows),
    losses: new Float64Array(rows),
    confidences: new Float32Array(rows),
    lossesWithOptions: options && new Float32Array(rows),
    entropies: options?.withEntropies ? new Float32Array(rows) : undefined,
  } satisfies RowResults;
  const losses = { elements: results.losses, columns: 1, type: 'float64', ptr: undefined } as const;
  const source = sourceOperand(inputs, rowNumbers);
  const operands = {
    targets: readOperand('targets', classes, rowNumbers),
    predictions: classesOperand('predictions', results.predictions),
    ranks: classesOperand('ranks', results.ranks),
    losses: writeOperand('losses', losses),
    confidences: valueOperand('confidences', results.confidences),
  };
  const held = [inputs, targets.softTargets, targets.mask].map((array) => array?.ptr);
  await resources.callMemory.use(held, signal, async (scope) => {
    const loss =
      options &&
      lossOperands(
        resources,
        scope,
        model,
        options,
        targets,
        { losses: results.lossesWithOptions!, entropies: results.entropies },
        rowNumbers,
      );
    const all = [...Object.values(operands), ...(loss?.operands ?? [])];
    const outputsOf = (window: Window): PredictOutputs => ({
      ...none,
      targets: window.ptrOf(operands.targets),
      predictions: window.ptrOf(operands.predictions),
      ranks: window.ptrOf(operands.ranks),
      losses: window.ptrOf(operands.losses),
      confidences: window.ptrOf(operands.confidences),
      loss: loss?.of(window, window.ptrOf(operands.targets)),
    });
    const windows = { scope, signal, rows, outputsOf, general: options !== undefined };
    await forWindows(resources, model, inputs, source, all, windows);
  });
  return results;
}

/** Without loss options. */
async function predictInWindows(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  output: Operand,
  wantedOf: (window: Window) => Partial<PredictOutputs>,
  signal: Cancellation | undefined,
): Promise<void> {
  const source = sourceOperand(inputs);
  const { rows } = inputs;
  const outputsOf = (window: Window): PredictOutputs => ({ ...none, ...wantedOf(window) });
  await resources.callMemory.use([source.ptr, output.ptr], signal, (scope) => {
    const windows = { scope, signal, rows, outputsOf, general: false };
    return forWindows(resources, model, inputs, source, [output], windows);
  });
}

interface WindowedCall {
  /** Of memory that all windows share. */
  readonly scope: ArenaScope;
  readonly signal: Cancellation | undefined;
  /** The operands' number of rows. */
  readonly rows: number;
  /** Finds the results among the operands. */
  readonly outputsOf: (window: Window) => PredictOutputs;
  readonly general: boolean;
}

async function forWindows(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  source: Operand,
  operands: readonly Operand[],
  { scope, signal, rows, outputsOf, general }: WindowedCall,
): Promise<void> {
  const { arena } = resources;
  const format = inputs.placeFormat(arena, scope, model);
  await withPackedModel(resources, model, general, (placed) =>
    inWindows(resources, rows, planLinearRows(rows), [source, ...operands], signal, (window) => {
      const { rowBegin, rowEnd, ptrOf, arrays } = window;
      const resident: ResidentRows = {
        ...format,
        inputs: ptrOf(source),
        indices: NULL_PTR,
        rows: rowEnd - rowBegin,
      };
      return predictResident(resources, model, placed, resident, outputsOf(window), signal, arrays);
    }),
  );
}
