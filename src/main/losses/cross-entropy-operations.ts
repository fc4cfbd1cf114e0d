// The two row operations of softmax cross-entropy: without options on contiguous float32 rows, by the fastest kernels, and with
// every option on rows of any type and axis.
import * as layout from '../../kernels/loss-layout.js';
import { lossScratch } from '../../kernels/loss-scratch.js';
import { NULL_PTR } from '../../kernels/ptr.js';
import { type AxisRows, computeType } from '../arguments/axis-rows.js';
import { type FloatArray, newFloatArray } from '../arguments/numeric-vectors.js';
import type { CheckedTargets } from '../arguments/targets.js';
import { readOperand, targetsOperand, writeOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { runRowOperation } from '../dispatch/row-operation.js';
import type { Operand } from '../dispatch/windows.js';
import { planStridedRows } from '../plans/rows.js';
import { writeLossOptions } from './loss-call.js';
import { type CheckedLossOptions, emptyError, reduceLoss } from './loss-options.js';
import type { LossTargets } from './loss-targets.js';
import { sumWeights } from './weight-sum.js';

export interface LossSums {
  readonly loss: number;
  readonly lossSum: number;
  readonly weightSum: number;
  /** The z-losses' part of `loss`. */
  readonly zLoss: number;
  readonly losses: FloatArray | undefined;
}

/** The losses, and the gradient where there is an output for it. */
export async function plainCrossEntropy(
  resources: Resources,
  logits: AxisRows,
  targets: CheckedTargets,
  options: CheckedLossOptions,
  output: AxisRows | undefined,
): Promise<LossSums> {
  const { reduction, gradScale, signal, ignoreIndex: index, onInvalidTarget } = options;
  const weightSum = logits.rows - targets.ignored;
  if (weightSum === 0 && options.onEmpty === 'throw') throw emptyError(logits.rows);
  const losses = reduction === 'none' ? new Float32Array(logits.rows) : undefined;
  const targetsRows = targetsOperand(targets);
  const lossesRows = losses && resultOperand('losses', losses, 'float32', 1);
  const [lossSum = 0] = await runRowOperation(resources, {
    input: logits,
    inputName: 'logits',
    output,
    operands: [targetsRows, lossesRows],
    sumsAShard: 1,
    signal,
    operation: (ptrOf) => ({
      kind: 'crossEntropy',
      targets: ptrOf(targetsRows),
      losses: ptrOf(lossesRows),
      scale: reduction === 'mean' && weightSum > 0 ? gradScale / weightSum : gradScale,
      ignore: targets.ignored === 0 ? undefined : { index, invalid: onInvalidTarget === 'ignore' },
      buffer: resources.arena.memory.buffer,
    }),
  });
  return { loss: reduceLoss(options, lossSum, weightSum), lossSum, weightSum, zLoss: 0, losses };
}

/** The losses, and the gradient where there is an output for it. */
export async function crossEntropyWithOptions(
  resources: Resources,
  logits: AxisRows,
  { classes, softTargets, mask, statistics }: LossTargets,
  options: CheckedLossOptions,
  output: AxisRows | undefined,
): Promise<LossSums> {
  const { arena } = resources;
  const { outer, columns, inner, rows } = logits;
  const weightSum = sumWeights(logits, planStridedRows(outer, columns, inner), classes, options);
  if (weightSum === 0 && options.onEmpty === 'throw') throw emptyError(rows);
  const type = computeType(logits);
  const losses = options.reduction === 'none' ? newFloatArray(type, rows) : undefined;
  const numbers = (what: string, elements: FloatArray | undefined) =>
    elements && readOperand(what, { elements, columns: inner, type, ptr: undefined });
  /** Arrays with one entry a row, and where their addresses go in the block. */
  const placed: readonly (readonly [offset: number, operand: Operand | undefined])[] = [
    [layout.LOSS_TARGETS, classes && targetsOperand(classes, inner)],
    [layout.LOSS_SAMPLE_WEIGHT, numbers('sampleWeight', options.sampleWeight)],
    [layout.LOSS_GRAD_LOSSES, numbers('gradOutput', options.gradOutput)],
    [layout.LOSS_LOSSES, losses && resultOperand('losses', losses, type, inner)],
    ...statistics.arrays.map(
      (array) => [array.offset, resultOperand('statistics', array.values, array.type, inner)] as const,
    ),
  ];
  const [lossSum = 0, zLossSum = 0] = await runRowOperation(resources, {
    input: logits,
    inputName: 'logits',
    output,
    operands: [softTargets, mask, ...placed.map(([, operand]) => operand)],
    constants: [options.weight],
    sumsAShard: 2,
    scratchBytes: (shape) => lossScratch(NULL_PTR, shape).end,
    blockBytes: layout.LOSS_CALL_BYTES,
    signal: options.signal,
    operation: (ptrOf, call) => {
      writeLossOptions(arena, call, options, weightSum);
      const addresses = arena.view('uint32', call, layout.LOSS_CALL_BYTES / 4);
      addresses[layout.LOSS_WEIGHT / 4] = ptrOf(options.weight);
      for (const [offset, operand] of placed) addresses[offset / 4] = ptrOf(operand);
      return {
        kind: 'crossEntropyWithOptions',
        call,
        softTargets: ptrOf(softTargets),
        mask: ptrOf(mask),
        buffer: arena.memory.buffer,
      };
    },
  });
  return {
    loss: reduceLoss(options, lossSum, weightSum),
    lossSum,
    weightSum,
    zLoss: reduceLoss(options, zLossSum, weightSum),
    losses,
  };
}

const resultOperand = (
  what: string,
  elements: FloatArray | Int32Array,
  type: 'float32' | 'float64' | 'int32',
  columns: number,
): Operand => writeOperand(what, { elements, columns, type, ptr: undefined });
