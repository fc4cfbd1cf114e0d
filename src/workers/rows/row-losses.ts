// The row losses (all but softmax cross-entropy), on rows of any element type and class axis.
import type { Kernels } from '../../kernels/kernels.js';
import { STATUS_OK } from '../../kernels/layout.js';
import { TYPE_FLOAT32, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { computeBytes, type RowLossScratch, rowLossScratch } from '../../kernels/loss-scratch.js';
import { NULL_PTR, offsetBy, offsetIfAny, type Ptr } from '../../kernels/ptr.js';
import { ownScratch, ROW_LOSS_SUMS, type RowLossOperation, type RowOperationTask } from '../protocol.js';
import { loadRows, outputRows, storeRows, type Tile, type TileOperation } from './strided-rows.js';

const INT32_BYTES = 4;
const FLOAT64_BYTES = 8;

export function rowLoss(
  kernels: Kernels,
  task: RowOperationTask,
  operation: RowLossOperation,
): TileOperation {
  const scratch = rowLossScratch(ownScratch(task), task, operation.scratchRows);
  return (tile) => {
    const source = loadRows(kernels, task, task.input, task.type, scratch.outputs, tile);
    const gradient = task.output === NULL_PTR ? NULL_PTR : outputRows(task, scratch.outputs, tile);
    const invalid = invalidTarget(kernels, task, operation, tile);
    if (invalid !== STATUS_OK) return invalid;
    const status = lossOfTile(kernels, task, operation, tile, scratch, source, gradient);
    if (gradient !== NULL_PTR && status === STATUS_OK) storeRows(kernels, task, gradient, tile);
    return status;
  };
}

/** The first row with an invalid target: main has checked them, but they may change during the call. */
function invalidTarget(
  kernels: Kernels,
  { columns }: RowOperationTask,
  { parameters, buffer }: RowLossOperation,
  { rowBegin, rows }: Tile,
): number {
  if (parameters.loss === 'binary' || parameters.targets === NULL_PTR) return STATUS_OK;
  const ptr = offsetBy(parameters.targets, rowBegin * INT32_BYTES);
  const found = kernels.findInvalidTarget(ptr, rows, columns);
  const ignore = 'ignore' in parameters ? parameters.ignore : undefined;
  if (found === STATUS_OK || ignore === undefined) return found;
  if (ignore.invalid) return STATUS_OK;
  const targets = new Int32Array(buffer, ptr, rows);
  for (let row = found; row < rows; row++) {
    const target = targets[row]!;
    if (target !== ignore.index && (target < 0 || target >= columns)) return row;
  }
  return STATUS_OK;
}

function lossOfTile(
  kernels: Kernels,
  task: RowOperationTask,
  operation: RowLossOperation,
  tile: Tile,
  scratch: RowLossScratch,
  source: Ptr,
  gradient: Ptr,
): number {
  const { columns } = task;
  const { scale, parameters } = operation;
  const { rows, rowBegin } = tile;
  const type = task.type === TYPE_FLOAT64 ? TYPE_FLOAT64 : TYPE_FLOAT32;
  /** The tile's part of an array with one entry a row that may not be given. */
  const part = (ptr: Ptr, bytes = computeBytes(type)) => offsetIfAny(ptr, rowBegin * bytes);
  const load = (ptr: Ptr, its: number, into: Ptr) =>
    ptr === NULL_PTR ? NULL_PTR : loadRows(kernels, task, ptr, its, into, tile);
  const gradOutput = part(operation.gradOutput);
  const losses = part(operation.losses);
  const sums = offsetBy(task.sums, tile.shard * ROW_LOSS_SUMS * FLOAT64_BYTES);
  switch (parameters.loss) {
    case 'nll': {
      const { weight } = parameters;
      const targets = part(parameters.targets, INT32_BYTES);
      const sampleWeight = part(parameters.sampleWeight);
      kernels.nllRows(
        gradient,
        gradOutput,
        losses,
        sums,
        source,
        targets,
        weight,
        sampleWeight,
        type,
        rows,
        columns,
        scale,
      );
      return STATUS_OK;
    }
    case 'probability':
      return kernels.probabilityLossRows(
        gradient,
        gradOutput,
        losses,
        sums,
        source,
        part(parameters.targets, INT32_BYTES),
        load(parameters.targetProbabilities, type, scratch.dense),
        type,
        rows,
        columns,
        parameters.floor,
        scale,
      );
    case 'squaredError':
      kernels.squaredErrorRows(
        gradient,
        gradOutput,
        losses,
        sums,
        source,
        part(parameters.targets, INT32_BYTES),
        load(parameters.targetValues, type, scratch.dense),
        type,
        rows,
        columns,
        parameters.fromLogits ? 1 : 0,
        scale,
        scratch.rows,
      );
      return STATUS_OK;
    case 'divergence':
      return kernels.divergenceRows(
        gradient,
        gradOutput,
        losses,
        sums,
        source,
        load(parameters.teacher, parameters.teacherType, scratch.dense),
        parameters.teacherIsProbabilities ? 1 : 0,
        part(parameters.targets, INT32_BYTES),
        type,
        rows,
        columns,
        parameters.temperature,
        parameters.divergenceFactor,
        parameters.crossEntropyFactor,
        scale,
        scratch.rows,
      );
    case 'binary': {
      const { weight, weightType, posWeight } = parameters;
      return kernels.binaryCrossEntropyRows(
        gradient,
        gradOutput,
        losses,
        sums,
        source,
        load(parameters.targets, type, scratch.dense),
        weightType === undefined ? weight : load(weight, weightType, scratch.weights),
        weightType === undefined ? 0 : columns,
        posWeight,
        type,
        rows,
        columns,
        scale,
      );
    }
    default:
      throw new Error(`unknown loss ${JSON.stringify(parameters satisfies never)}`);
  }
}
