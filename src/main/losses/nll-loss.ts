// Negative log-likelihood of log-probabilities, for those who have them already.
import { rowDimsOf } from '../arguments/axis-rows.js';
import { checkNumbers, type NumericVector } from '../arguments/numeric-vectors.js';
import { checkTargets, type Targets } from '../arguments/targets.js';
import { planStridedRows } from '../plans/rows.js';
import { checkTargetRules, type OnInvalidTarget } from './loss-options.js';
import { defineRowLoss, type RowLossOptions } from './row-loss.js';
import { keptTargets, numbersOperand } from './row-loss-operands.js';
import { sumWeights } from './weight-sum.js';

export interface NllLossOptions extends RowLossOptions {
  /** [columns], each at least 0: the weight of each class. */
  weight?: NumericVector | undefined;
  /** [rows], each at least 0: the weight of each row. */
  sampleWeight?: NumericVector | undefined;
  /** Rows with this target have no loss and no gradient; default -100. It may be a class or not. */
  ignoreIndex?: number | undefined;
  /** A target that is neither a class nor ignoreIndex: ERR_TARGET_RANGE (default), or its row is ignored. */
  onInvalidTarget?: OnInvalidTarget | undefined;
}

export const nllLoss = defineRowLoss<NllLossOptions, [targets: Targets], 'gradLogProbabilities'>({
  inputName: 'logProbabilities',
  gradientName: 'gradLogProbabilities',
  options: ['weight', 'sampleWeight', 'ignoreIndex', 'onInvalidTarget'],
  check({ resources: { arena, kernels }, input, type, others: [targets], options }) {
    const { rows, columns, outer, inner } = input;
    const rules = checkTargetRules(options);
    const weight = checkNumbers('options.weight', options.weight, columns, 'classes', 0, type);
    const sampleWeight = checkNumbers('options.sampleWeight', options.sampleWeight, rows, 'rows', 0, type);
    const rowDims = rowDimsOf(input);
    const checked = checkTargets(arena, kernels, targets, rows, columns, { ...rules, rowDims });
    const kept = keptTargets(checked, rules, input);
    const sampleWeights = numbersOperand('options.sampleWeight', sampleWeight, input);
    const plan = planStridedRows(outer, columns, inner);
    return {
      weightSum: sumWeights(input, plan, checked, { weight, sampleWeight }),
      operands: [kept.operand, sampleWeights],
      constants: [weight],
      reads: { targets },
      parameters: (ptrOf) => ({
        loss: 'nll',
        targets: ptrOf(kept.operand),
        ignore: kept.ignore,
        weight: ptrOf(weight),
        sampleWeight: ptrOf(sampleWeights),
      }),
    };
  },
});
