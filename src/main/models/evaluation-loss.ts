// Losses with options of a linear model's rows that pass through the arena in windows.

import * as layout from '../../kernels/loss-layout.js';
import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import type { LinearShape } from '../../kernels/strips.js';
import type { LinearLoss } from '../../workers/protocol.js';
import { readOperand, valueOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { type Operand, SLOTS, type Window } from '../dispatch/windows.js';
import { placeNumbers, writeLossOptions } from '../losses/loss-call.js';
import type { CheckedLossOptions } from '../losses/loss-options.js';
import type { Arena, ArenaScope } from '../memory/arena.js';
import { tileOf } from '../plans/tiles.js';
import { IGNORED, type RowTargets } from './row-targets.js';

export interface LossOperands {
  readonly operands: readonly Operand[];
  /** The loss of a window, given the address of its targets. */
  of(window: Window, targets: Ptr): LinearLoss;
}

/** What the losses and, where they are wanted, the entropies of the rows go to, [rows]. */
export interface LossResults {
  readonly losses: Float32Array;
  readonly entropies?: Float32Array | undefined;
}

/** For the rows with these numbers, or for all. Class weights and blocks belong to the scope. */
export function lossOperands(
  resources: Resources,
  scope: ArenaScope,
  model: LinearShape,
  options: CheckedLossOptions,
  { softTargets, sampleWeight, mask }: RowTargets,
  { losses, entropies }: LossResults,
  rowNumbers: Uint32Array | undefined,
): LossOperands {
  const { arena } = resources;
  const weight = placeNumbers(arena, scope, 'weight', options.weight);
  const calls = Array.from({ length: SLOTS }, () => scope.allocate(layout.LOSS_CALL_BYTES, 'a loss call'));
  const lossesOperand = valueOperand('losses', losses);
  const entropiesOperand = entropies && valueOperand('entropies', entropies);
  const sampleOperand =
    sampleWeight &&
    readOperand('sampleWeight', { elements: sampleWeight, columns: 1, ptr: undefined }, rowNumbers);
  const softOperand = softTargets && readOperand('targets', softTargets, rowNumbers);
  const maskOperand = mask && readOperand('mask', mask, rowNumbers);
  const operands = [lossesOperand, entropiesOperand, sampleOperand, softOperand, maskOperand].filter(
    (operand) => operand !== undefined,
  );
  return {
    operands,
    of: (window, targets) => {
      const ptrOf = (operand: Operand | undefined) => (operand ? window.ptrOf(operand) : NULL_PTR);
      const call = calls[window.slot]!;
      writeLossBlock(arena, call, options, {
        weight,
        targets: softTargets ? NULL_PTR : targets,
        sampleWeight: ptrOf(sampleOperand),
        losses: ptrOf(lossesOperand),
        entropies: ptrOf(entropiesOperand),
      });
      const scratchOffset = tileOf(resources, model).scratchBytes;
      return { call, softTargets: ptrOf(softOperand), mask: ptrOf(maskOperand), scratchOffset };
    },
  };
}

/** Writes the block for rows whose targets are their class or IGNORED. */
export function writeLossBlock(
  arena: Arena,
  block: Ptr,
  options: CheckedLossOptions,
  rows: {
    readonly weight: Ptr;
    readonly targets: Ptr;
    readonly sampleWeight: Ptr;
    /** 0: not wanted. */
    readonly losses: Ptr;
    readonly entropies?: Ptr;
  },
): void {
  writeLossOptions(arena, block, { ...options, ignoreIndex: IGNORED }, 1);
  const addresses = arena.view('uint32', block, layout.LOSS_CALL_BYTES / 4);
  addresses[layout.LOSS_TARGETS / 4] = rows.targets;
  addresses[layout.LOSS_WEIGHT / 4] = rows.weight;
  addresses[layout.LOSS_SAMPLE_WEIGHT / 4] = rows.sampleWeight;
  addresses[layout.LOSS_LOSSES / 4] = rows.losses;
  addresses[layout.LOSS_ENTROPY / 4] = rows.entropies ?? NULL_PTR;
}
