// What a call of linearCrossEntropy keeps in the arena, and the job that says where.

import { blockColumns } from '../../kernels/layout.js';
import { LOSS_CALL_BYTES } from '../../kernels/loss-layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import type { LinearLossTask } from '../../workers/protocol.js';
import type { Resources } from '../dispatch/resources.js';
import { type Operand, placeOperand } from '../dispatch/windows.js';
import type { Arena, ArenaScope } from '../memory/arena.js';
import { ELEMENTS } from '../memory/element-types.js';
import type { LinearLossPlan } from '../plans/linear-loss.js';
import { usesBlas } from '../plans/tiles.js';
import {
  type GradientName,
  type LinearLayer,
  type LinearType,
  type Output,
  placeArray,
} from './linear-operands.js';
import { gradientScale, placeLossCall } from './loss-call.js';
import type { CheckedLossOptions } from './loss-options.js';
import type { LossTargets } from './loss-targets.js';
import type { RowStatistics } from './statistics.js';

export interface LinearLossCall {
  readonly layer: LinearLayer;
  readonly targets: LossTargets;
  readonly options: CheckedLossOptions;
  /** No options: the fastest kernels serve. */
  readonly hasNoOptions: boolean;
  readonly weightSum: number;
  readonly outputs: readonly Output[];
  readonly accumulate: boolean;
  readonly plan: LinearLossPlan;
  readonly asksStatistics: boolean;
}

export type LinearLossJob = Omit<LinearLossTask, 'member' | 'members' | 'chunkBegin' | 'buffer'>;

/** Copies in what lies outside the arena and lays out the workspace. */
export function placeCall(
  { arena, pool, blas }: Resources,
  scope: ArenaScope,
  call: LinearLossCall,
): LinearLossJob {
  const { layer, targets, options, hasNoOptions, plan, weightSum } = call;
  const { rows } = layer.inputs;
  const { rows: features, columns } = layer.weights;
  const { classes, softTargets, mask, statistics } = targets;
  const inputs = placeArray(arena, scope, 'inputs', layer.inputs);
  const weights = placeArray(arena, scope, 'weights', layer.weights);
  const bias = layer.bias === undefined ? NULL_PTR : placeArray(arena, scope, 'bias', layer.bias);
  // Always a copy: the caller cannot change targets between their check and the chunk that reads them.
  const targetsPtr = classes === undefined ? NULL_PTR : scope.allocate(rows * 4, 'targets');
  classes?.copyTo(arena.view('int32', targetsPtr, rows), 0, rows);
  const place = (operand: Operand | undefined) =>
    operand === undefined ? NULL_PTR : placeOperand(arena, scope, operand, rows);
  const losses = options.reduction === 'none' ? scope.allocate(rows * 4, 'losses') : NULL_PTR;
  const { halfInputs, halfBias } = halvesOf(layer, inputs, bias);
  const { shown, zeroRow, chunkInputs, wideBias, ...workspace } = placeWorkspace(
    arena,
    scope,
    plan,
    halfInputs === undefined ? inputs : undefined,
    features,
    columns,
  );
  if (!hasNoOptions) {
    placeLossCall(arena, scope, workspace.call, options, weightSum, { targets: targetsPtr, losses });
    const addresses = arena.view('uint32', workspace.call, LOSS_CALL_BYTES / 4);
    for (const { offset } of statistics.arrays)
      addresses[offset / 4] = scope.allocate(rows * 4, 'statistics');
  }
  const dense = { softTargets: place(softTargets), mask: place(mask) };
  // Last, because callers see the change: everything else has its memory by now.
  const gradients = placeOutputs(arena, scope, call);
  const { ignoreIndex: index, onInvalidTarget } = options;
  const { workspace: sizes, members: _, chunks: __, ...shares } = plan;
  return {
    kind: 'linearCrossEntropy',
    rows,
    features,
    classes: columns,
    blas: usesBlas({ blas }, { classes: columns }),
    inputs: halfInputs === undefined ? inputs : chunkInputs,
    weights,
    weightsType: ELEMENTS[layer.weights.type].code,
    bias: halfBias === undefined ? bias : wideBias,
    halfInputs,
    halfBias,
    targets: targetsPtr,
    losses,
    ...shares,
    ...gradients,
    ...workspace,
    call: hasNoOptions ? NULL_PTR : workspace.call,
    scale: gradientScale(options, weightSum),
    ignore: (classes?.ignored ?? 0) === 0 ? undefined : { index, invalid: onInvalidTarget === 'ignore' },
    hidden: sizes.shownBytes === 0 ? undefined : { shown, zeroRow },
    ...dense,
    accumulate: call.accumulate,
    scratchBytes: sizes.scratchBytes,
    spins: pool.barrierSpins,
  };
}

/** Which of the inputs and the bias, at these addresses, the workers widen. */
function halvesOf(
  { inputs, bias }: LinearLayer,
  inputsPtr: Ptr,
  biasPtr: Ptr,
): Pick<LinearLossTask, 'halfInputs' | 'halfBias'> {
  const half = (type: LinearType | undefined, ptr: Ptr) =>
    type === undefined || type === 'float32' ? undefined : { ptr, type: ELEMENTS[type].code };
  return { halfInputs: half(inputs.type, inputsPtr), halfBias: half(bias?.type, biasPtr) };
}

/** Copies the statistics of the rows out of the arena. */
export function readStatistics(
  arena: Arena,
  { call, rows }: Pick<LinearLossJob, 'call' | 'rows'>,
  { arrays }: RowStatistics,
): void {
  if (arrays.length === 0) return;
  const addresses = arena.view('uint32', call, LOSS_CALL_BYTES / 4);
  for (const { offset, type, values } of arrays)
    values.set(arena.view(type, addresses[offset / 4] as Ptr, rows));
}

/** The address of each gradient; 0 if it is not asked for. */
function placeOutputs(
  arena: Arena,
  scope: ArenaScope,
  { outputs, accumulate, layer }: LinearLossCall,
): Record<GradientName, Ptr> {
  const ptrs: Record<GradientName, Ptr> = { gradInputs: NULL_PTR, gradWeights: NULL_PTR, gradBias: NULL_PTR };
  for (const { name, batch } of outputs) {
    const ptr = batch.ptr ?? scope.allocate(batch.elements.byteLength, name);
    if (batch.ptr !== undefined) scope.retain(ptr);
    ptrs[name] = ptr;
    const view = arena.view('float32', ptr, batch.elements.length);
    if (accumulate) {
      if (batch.ptr === undefined) view.set(batch.elements);
    } else if (name === 'gradBias' || layer.inputs.rows === 0) {
      // The workers start the others from 0 themselves, with the first chunk.
      view.fill(0);
    }
  }
  return ptrs;
}

type Workspace = Record<
  | 'logits'
  | 'inputsPtrs'
  | 'logitsPtrs'
  | 'sums'
  | 'totals'
  | 'call'
  | 'shown'
  | 'zeroRow'
  | 'chunkInputs'
  | 'wideBias'
  | 'scratch',
  Ptr
>;

/** Everything beyond operands and results, in one piece. inputs: undefined if chunks are widened. */
function placeWorkspace(
  arena: Arena,
  scope: ArenaScope,
  plan: LinearLossPlan,
  inputs: Ptr | undefined,
  features: number,
  classes: number,
): Workspace {
  const { bytes, logitsBytes, tableBytes, sumsBytes, totalsBytes, callBytes } = plan.workspace;
  const { shownBytes, zeroRowBytes, inputsBytes, biasBytes } = plan.workspace;
  const logits = scope.allocate(bytes, 'the workspace (options.workspaceBytes)');
  const inputsPtrs = offsetBy(logits, logitsBytes);
  const logitsPtrs = offsetBy(inputsPtrs, tableBytes);
  const sums = offsetBy(logitsPtrs, tableBytes);
  const totals = offsetBy(sums, sumsBytes);
  const call = offsetBy(totals, totalsBytes);
  const shown = offsetBy(call, callBytes);
  const zeroRow = offsetBy(shown, shownBytes);
  const chunkInputs = offsetBy(zeroRow, zeroRowBytes);
  const wideBias = offsetBy(chunkInputs, inputsBytes);
  const scratch = offsetBy(wideBias, biasBytes);
  fillTable(arena.view('uint32', inputsPtrs, plan.chunkRows), inputs ?? chunkInputs, features);
  fillTable(arena.view('uint32', logitsPtrs, plan.chunkRows), logits, blockColumns(classes));
  const operands = { shown, zeroRow, chunkInputs, wideBias };
  return { logits, inputsPtrs, logitsPtrs, sums, totals, call, ...operands, scratch };
}

/** The addresses of contiguous float32 rows; those past the last row wrap around and are never read. */
function fillTable(table: Uint32Array, first: Ptr, columns: number): void {
  for (let row = 0; row < table.length; row++) table[row] = first + row * columns * 4;
}
