// Running a linear softmax model over rows: classes, ranks and losses, or probabilities.
import type { Ptr } from '../../kernels/kernels.js';
import {
  type LinearShape,
  packStrips,
  parametersInStripsLength,
  stripsLength,
} from '../../kernels/strips.js';
import type { PredictTask } from '../../workers/protocol.js';
import type { ArenaScope } from '../arena.js';
import type { Batch } from '../batches.js';
import { classesOperand, readOperand, targetsOperand, valueOperand, writeOperand } from '../operands.js';
import { planLinearRows, planTile } from '../plan.js';
import type { Resources } from '../resources.js';
import { type CheckedTargets, targetRangeError } from '../targets.js';
import { inWindows, type Operand } from '../windows.js';
import { type FeatureModel, type Inputs, type InputsFormat, placeFormat } from './inputs.js';

export interface LinearModel extends FeatureModel {
  /** Row-major [features × classes]. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly classes: number;
}

/** Rows that lie in the arena, for a model whose packed parameters lie there too. */
export interface ResidentRows extends InputsFormat {
  readonly inputs: Ptr;
  /** Uint32 row numbers, or 0 for rows in order. */
  readonly indices: Ptr;
  readonly rows: number;
}

/** Where a prediction goes; 0 for what is not asked for. */
export interface PredictOutputs {
  readonly probabilities: Ptr;
  readonly predictions: Ptr;
  readonly ranks: Ptr;
  readonly losses: Ptr;
  /** Int32, needed for ranks and losses. */
  readonly targets: Ptr;
}

/** What evaluation knows of each row. */
export interface RowResults {
  readonly predictions: Int32Array;
  /** How many classes the model puts before the target; 0 is correct. */
  readonly ranks: Int32Array;
  readonly losses: Float32Array;
}

/** A tile for each worker. */
export interface Scratch {
  readonly scratch: Ptr;
  readonly scratchBytes: number;
}

/** One piece serves all calls that share it: gangs run one at a time. */
function allocateScratch(scope: ArenaScope, threads: number, shape: LinearShape): Scratch {
  const scratchBytes = planTile(shape).scratchBytes;
  return { scratch: scope.allocate(threads * scratchBytes, 'scratch memory for tiles'), scratchBytes };
}

/** One pool call over resident rows, with the packed parameters and the scratch memory at the given addresses. */
async function predictResident(
  { arena, pool }: Resources,
  shape: LinearShape,
  { parameters, ...scratch }: Scratch & { readonly parameters: Ptr },
  rows: ResidentRows,
  outputs: PredictOutputs,
  signal: AbortSignal | undefined,
  firstRow = 0,
): Promise<void> {
  const { features, classes } = shape;
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
    bias: parameters + stripsLength(shape) * 4,
    tileRows: planTile(shape).rows,
    shardRows: plan.shardRows,
  };
  for (const result of await pool.run(job, { members, signal })) {
    if (result.state === 'invalidTarget') {
      throw targetRangeError(firstRow + result.row, 'changed while the call was running', classes);
    }
  }
}

/** Puts a model's parameters into the arena for the length of work, with scratch memory beside them. */
async function withPackedModel<Result>(
  { arena, pool }: Resources,
  model: LinearModel,
  work: (placed: Scratch & { readonly parameters: Ptr }) => Promise<Result>,
): Promise<Result> {
  const scope = arena.scope();
  try {
    const length = parametersInStripsLength(model);
    const parameters = scope.allocate(length * 4, 'the model’s parameters');
    packStrips(arena.view('float32', parameters, length), model.weights, model.bias, model);
    return await work({ parameters, ...allocateScratch(scope, pool.threads, model) });
  } finally {
    scope.release();
  }
}

const none: PredictOutputs = { probabilities: 0, predictions: 0, ranks: 0, losses: 0, targets: 0 };

/** The class of each row. */
export async function predictClasses(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  const predictions = new Int32Array(inputs.rows);
  const operands = [inputsOperand(inputs), classesOperand('predictions', predictions)];
  await forWindows(resources, model, inputs, operands, signal, ([, ptr]) => ({ ...none, predictions: ptr! }));
  return predictions;
}

/** The probabilities of each row into output [rows × classes]. */
export async function predictProbabilities(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  output: Batch,
  signal: AbortSignal | undefined,
): Promise<void> {
  const operands = [inputsOperand(inputs), writeOperand('probabilities', output)];
  await forWindows(resources, model, inputs, operands, signal, ([, ptr]) => ({
    ...none,
    probabilities: ptr!,
  }));
}

/** Evaluates rows that lie in the arena, with the model's present parameters. */
export async function evaluateResident(
  resources: Resources,
  model: LinearModel,
  rows: ResidentRows,
  outputs: PredictOutputs,
  signal: AbortSignal | undefined,
): Promise<void> {
  await withPackedModel(resources, model, (placed) =>
    predictResident(resources, model, placed, rows, outputs, signal),
  );
}

/** Class, rank of the target and loss of each row. */
export async function evaluateRows(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  targets: CheckedTargets,
  signal: AbortSignal | undefined,
): Promise<RowResults> {
  const results: RowResults = {
    predictions: new Int32Array(inputs.rows),
    ranks: new Int32Array(inputs.rows),
    losses: new Float32Array(inputs.rows),
  };
  const operands = [
    inputsOperand(inputs),
    targetsOperand(targets),
    classesOperand('predictions', results.predictions),
    classesOperand('ranks', results.ranks),
    valueOperand('losses', results.losses),
  ];
  await forWindows(resources, model, inputs, operands, signal, (ptrs) => ({
    ...none,
    targets: ptrs[1]!,
    predictions: ptrs[2]!,
    ranks: ptrs[3]!,
    losses: ptrs[4]!,
  }));
  return results;
}

const inputsOperand = (inputs: Inputs): Operand =>
  readOperand('inputs', { ...inputs, type: inputs.elements instanceof Uint8Array ? 'uint8' : 'float32' });

/** operands[0] are the inputs; outputsOf says which of the others is which. */
async function forWindows(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  operands: readonly Operand[],
  signal: AbortSignal | undefined,
  outputsOf: (ptrs: readonly Ptr[]) => PredictOutputs,
): Promise<void> {
  const plan = planLinearRows(inputs.rows);
  const scope = resources.arena.scope();
  try {
    const format = placeFormat(resources, scope, inputs, model);
    await withPackedModel(resources, model, (placed) =>
      inWindows(resources.arena, inputs.rows, plan, operands, ({ rowBegin, rowEnd, ptrs }) => {
        const rows: ResidentRows = { ...format, inputs: ptrs[0]!, indices: 0, rows: rowEnd - rowBegin };
        return predictResident(resources, model, placed, rows, outputsOf(ptrs), signal, rowBegin);
      }),
    );
  } finally {
    scope.release();
  }
}
