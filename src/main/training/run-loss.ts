// The loss of a training run, in the form that workers take it.
import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import type { CrossEntropyLoss, CrossEntropyWithOptions, LinearLoss } from '../../workers/protocol.js';
import type { Resources } from '../dispatch/resources.js';
import { placeNumbers } from '../losses/loss-call.js';
import type { CheckedLossOptions } from '../losses/loss-options.js';
import type { Arena, ArenaScope } from '../memory/arena.js';
import { writeLossBlock } from '../models/evaluation-loss.js';
import type { LinearModel } from '../models/linear-model.js';
import { tileOf } from '../plans/tiles.js';
import type { TrainingPlan } from '../plans/training.js';

/** Addresses of a run's rows; 0 for what is not needed. */
export type RowPtrs = Readonly<Record<'inputs' | 'targets' | 'sampleWeight' | 'softTargets' | 'mask', Ptr>>;

/** What does not depend on where the rows are. */
export interface RunLoss {
  readonly options: CheckedLossOptions;
  readonly weight: Ptr;
}

export const placeRunLoss = (
  { arena }: Resources,
  scope: ArenaScope,
  options: CheckedLossOptions,
): RunLoss => ({ options, weight: placeNumbers(arena, scope, 'weight', options.weight) });

/** For steps of training on the rows at these addresses; `call` has room for LOSS_CALL_BYTES if there are options. */
export function trainLoss(
  { arena }: Resources,
  call: Ptr,
  loss: RunLoss | undefined,
  ptrs: RowPtrs,
  plan: TrainingPlan,
): CrossEntropyLoss | CrossEntropyWithOptions {
  if (loss === undefined) return { kind: 'crossEntropy' };
  return {
    kind: 'crossEntropyWithOptions',
    ...writeCall(arena, call, loss, ptrs, NULL_PTR),
    scratchOffset: plan.tile.scratchBytes,
    isMean: loss.options.reduction === 'mean',
  };
}

/** For evaluating rows at these addresses: their losses go to `lossesWithOptions`, float32 by the rows' numbers. */
export function evaluationLoss(
  resources: Resources,
  model: LinearModel,
  call: Ptr,
  loss: RunLoss,
  ptrs: RowPtrs & { readonly lossesWithOptions: Ptr },
): LinearLoss {
  const { scratchBytes: scratchOffset } = tileOf(resources, model);
  return { ...writeCall(resources.arena, call, loss, ptrs, ptrs.lossesWithOptions), scratchOffset };
}

function writeCall(
  arena: Arena,
  call: Ptr,
  { options, weight }: RunLoss,
  { targets, sampleWeight, softTargets, mask }: RowPtrs,
  losses: Ptr,
): Omit<LinearLoss, 'scratchOffset'> {
  const rows = { targets: softTargets === NULL_PTR ? targets : NULL_PTR, weight, sampleWeight, losses };
  writeLossBlock(arena, call, options, rows);
  return { call, softTargets, mask };
}
