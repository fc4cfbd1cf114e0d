// Running a linear softmax model over rows: classes, ranks and losses, or probabilities.
import type { Ptr } from '../../kernels/kernels.js';
import { packedLength, packedWeightsLength, packParameters, tileScratch } from '../../kernels/panels.js';
import type { PredictTask } from '../../workers/protocol.js';
import type { ArenaScope } from '../arena.js';
import type { Batch } from '../batches.js';
import { classesOperand, readOperand, targetsOperand, valueOperand, writeOperand } from '../operands.js';
import { planLinearRows, planTileRows } from '../plan.js';
import type { Resources } from '../resources.js';
import { type CheckedTargets, targetRangeError } from '../targets.js';
import { inWindows, type Operand } from '../windows.js';

export interface LinearModel {
  /** Row-major [features × classes]. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly features: number;
  readonly classes: number;
}

/** Rows that lie in the arena, for a model whose packed parameters lie there too. */
export interface ResidentRows {
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

/** The logits of a tile for each worker. */
export interface Scratch {
  readonly scratch: Ptr;
  readonly scratchBytes: number;
}

/** One piece serves all calls that share it: gangs run one at a time. */
export function allocateScratch(scope: ArenaScope, threads: number, classes: number): Scratch {
  const scratchBytes = tileScratch(0, planTileRows(classes), classes).end;
  return { scratch: scope.allocate(threads * scratchBytes, 'scratch memory for logits'), scratchBytes };
}

/** One pool call over resident rows, with the packed parameters and the scratch memory at the given addresses. */
export async function predictResident(
  { arena, pool }: Resources,
  shape: { readonly features: number; readonly classes: number },
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
    bias: parameters + packedWeightsLength(shape) * 4,
    tileRows: planTileRows(classes),
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
    const length = packedLength(model);
    const parameters = scope.allocate(length * 4, 'the model’s parameters');
    packParameters(arena.view('float32', parameters, length), model.weights, model.bias, model);
    return await work({ parameters, ...allocateScratch(scope, pool.threads, model.classes) });
  } finally {
    scope.release();
  }
}

const none: PredictOutputs = { probabilities: 0, predictions: 0, ranks: 0, losses: 0, targets: 0 };

/** The class of each row. */
export async function predictClasses(
  resources: Resources,
  model: LinearModel,
  batch: Batch,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  const predictions = new Int32Array(batch.rows);
  const operands = [readOperand('inputs', batch), classesOperand('predictions', predictions)];
  await forWindows(resources, model, batch, operands, signal, ([, ptr]) => ({ ...none, predictions: ptr! }));
  return predictions;
}

/** The probabilities of each row into output [rows × classes]. */
export async function predictProbabilities(
  resources: Resources,
  model: LinearModel,
  batch: Batch,
  output: Batch,
  signal: AbortSignal | undefined,
): Promise<void> {
  const operands = [readOperand('inputs', batch), writeOperand('probabilities', output)];
  await forWindows(resources, model, batch, operands, signal, ([, ptr]) => ({
    ...none,
    probabilities: ptr!,
  }));
}

/** Class, rank of the target and loss of each row. */
export async function evaluateRows(
  resources: Resources,
  model: LinearModel,
  batch: Batch,
  targets: CheckedTargets,
  signal: AbortSignal | undefined,
): Promise<RowResults> {
  const results: RowResults = {
    predictions: new Int32Array(batch.rows),
    ranks: new Int32Array(batch.rows),
    losses: new Float32Array(batch.rows),
  };
  const operands = [
    readOperand('inputs', batch),
    targetsOperand(targets),
    classesOperand('predictions', results.predictions),
    classesOperand('ranks', results.ranks),
    valueOperand('losses', results.losses),
  ];
  await forWindows(resources, model, batch, operands, signal, (ptrs) => ({
    ...none,
    targets: ptrs[1]!,
    predictions: ptrs[2]!,
    ranks: ptrs[3]!,
    losses: ptrs[4]!,
  }));
  return results;
}

/** operands[0] are the inputs; outputsOf says which of the others is which. */
function forWindows(
  resources: Resources,
  model: LinearModel,
  batch: Batch,
  operands: readonly Operand[],
  signal: AbortSignal | undefined,
  outputsOf: (ptrs: readonly Ptr[]) => PredictOutputs,
): Promise<void> {
  const plan = planLinearRows(batch.rows);
  return withPackedModel(resources, model, (placed) =>
    inWindows(resources.arena, batch.rows, plan, operands, ({ rowBegin, rowEnd, ptrs }) => {
      const rows: ResidentRows = { inputs: ptrs[0]!, indices: 0, rows: rowEnd - rowBegin };
      return predictResident(resources, model, placed, rows, outputsOf(ptrs), signal, rowBegin);
    }),
  );
}
