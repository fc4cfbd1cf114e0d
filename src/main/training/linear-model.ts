// Running a linear softmax model over rows: classes, ranks and losses, or probabilities.
import type { Ptr } from '../../kernels/kernels.js';
import { ALIGNMENT_BYTES, paddedClasses, panelWidth } from '../../kernels/layout.js';
import {
  extendedStride,
  packedLength,
  packedWeightsLength,
  packParameters,
  tileScratch,
} from '../../kernels/panels.js';
import type { PredictTask } from '../../workers/protocol.js';
import type { ArenaScope } from '../arena.js';
import type { Batch } from '../batches.js';
import { classesOperand, readOperand, targetsOperand, valueOperand, writeOperand } from '../operands.js';
import { isForBlas, planBlasTileRows, planLinearRows, planTileRows } from '../plan.js';
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

type Shape = Pick<LinearModel, 'features' | 'classes'>;

/** Whether a BLAS computes the model's products. */
export const usesBlas = ({ blas }: Resources, { classes }: Shape): boolean =>
  blas !== undefined && isForBlas(classes);

/** Classes of a panel of the packed parameters. */
export const parametersWidth = (resources: Resources, model: Shape): number =>
  usesBlas(resources, model) ? paddedClasses(model.classes) : panelWidth(model.classes);

/** The logits of a tile for each worker. */
export interface Scratch {
  readonly scratch: Ptr;
  readonly scratchBytes: number;
}

/** One piece serves all calls that share it: gangs run one at a time. */
export function allocateScratch(scope: ArenaScope, resources: Resources, model: Shape): Scratch {
  const { features, classes } = model;
  const tileRows = tileRowsOf(resources, model);
  const { end } = tileScratch(0, tileRows, classes);
  const extendedBytes = usesBlas(resources, model) ? tileRows * extendedStride(features) * 4 : 0;
  // Every worker's piece is aligned alike.
  const scratchBytes = Math.ceil((end + extendedBytes) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const scratch = scope.allocate(resources.pool.threads * scratchBytes, 'scratch memory for logits');
  return { scratch, scratchBytes };
}

const tileRowsOf = (resources: Resources, model: Shape): number =>
  usesBlas(resources, model) ? planBlasTileRows(model.features, model.classes) : planTileRows(model.classes);

/** One pool call over resident rows, with the packed parameters and the scratch memory at the given addresses. */
export async function predictResident(
  resources: Resources,
  shape: Shape,
  { parameters, ...scratch }: Scratch & { readonly parameters: Ptr },
  rows: ResidentRows,
  outputs: PredictOutputs,
  signal: AbortSignal | undefined,
  firstRow = 0,
): Promise<void> {
  const { arena, pool } = resources;
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
    tileRows: tileRowsOf(resources, shape),
    shardRows: plan.shardRows,
    blas: usesBlas(resources, shape),
  };
  for (const result of await pool.run(job, { members, signal })) {
    if (result.state === 'invalidTarget') {
      throw targetRangeError(firstRow + result.row, 'changed while the call was running', classes);
    }
  }
}

/** Puts a model's parameters into the arena for the length of work, with scratch memory beside them. */
async function withPackedModel<Result>(
  resources: Resources,
  model: LinearModel,
  work: (placed: Scratch & { readonly parameters: Ptr }) => Promise<Result>,
): Promise<Result> {
  const { arena } = resources;
  const scope = arena.scope();
  try {
    const length = packedLength(model);
    const parameters = scope.allocate(length * 4, 'the model’s parameters');
    const packed = arena.view('float32', parameters, length);
    packParameters(packed, model.weights, model.bias, model, parametersWidth(resources, model));
    return await work({ parameters, ...allocateScratch(scope, resources, model) });
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
