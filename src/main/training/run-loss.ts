// The loss of a training run with options: what the workers need of it besides the rows' own arrays.
import type { Ptr } from '../../kernels/kernels.js';
import type { LinearLoss, TrainLoss } from '../../workers/protocol.js';
import type { Resources } from '../dispatch/resources.js';
import { placeNumbers } from '../losses/loss-call.js';
import type { CheckedLossOptions } from '../losses/loss-options.js';
import type { Arena, ArenaScope } from '../memory/arena.js';
import { writeLossBlock } from '../models/evaluation-loss.js';
import type { LinearModel } from '../models/linear-model.js';
import { tileOf, usesBlas } from '../models/product-backend.js';
import type { TrainingPlan } from '../plans/training.js';
import type { RowPtrs } from './rows/training-rows.js';

/** What is the same wherever the rows lie. */
export interface RunLoss {
  readonly options: CheckedLossOptions;
  readonly weight: Ptr;
  readonly zeroRow: Ptr;
}

export function placeRunLoss(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  options: CheckedLossOptions,
  plan: TrainingPlan,
): RunLoss {
  const needsZeroRow = plan.by === 'tiles' && !usesBlas(resources, model);
  return {
    options,
    weight: placeNumbers(resources.arena, scope, 'weight', options.weight),
    zeroRow: needsZeroRow ? scope.allocate(model.features * 4, 'a row of zeros') : 0,
  };
}

/** For steps of training on the rows at these addresses; `call` has room for LOSS_CALL_BYTES. */
export function trainLoss(
  { arena }: Resources,
  call: Ptr,
  loss: RunLoss,
  ptrs: RowPtrs,
  plan: TrainingPlan,
): TrainLoss {
  return {
    ...writeCall(arena, call, loss, ptrs, 0),
    scratchOffset: plan.tile.scratchBytes,
    zeroRow: loss.zeroRow,
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
  const rows = { targets: softTargets === 0 ? targets : 0, weight, sampleWeight, losses };
  writeLossBlock(arena, call, options, rows);
  return { call, softTargets, mask };
}
