// Kullback-Leibler divergence of a student's softmax from a teacher's, and distillation, which mixes it with
// cross-entropy.
import { SoftshardError } from '../../errors.js';
import { NULL_PTR } from '../../kernels/ptr.js';
import { type FloatInput, rowDimsOf } from '../arguments/axis-rows.js';
import { checkFraction, checkPositive } from '../arguments/numeric-vectors.js';
import { checkTargets, type Targets } from '../arguments/targets.js';
import { inspectValue } from '../checks.js';
import { outerRows, readOperand } from '../dispatch/operands.js';
import { ELEMENTS } from '../memory/element-types.js';
import type { DenseTargets } from './dense-targets.js';
import { checkTargetRules, type OnInvalidTarget } from './loss-options.js';
import { defineRowLoss, type RowLossOptions, type RowLossResult } from './row-loss.js';
import { checkLike, keptTargets } from './row-loss-operands.js';
import { checkDenseNumbers, isProbability, PROBABILITY_RULE, refusedTarget } from './target-rows.js';

/** The target distribution: as probabilities, or as the logits of a teacher. */
export type Teacher = { readonly targetProbabilities: DenseTargets } | { readonly targetLogits: FloatInput };

export interface KlDivergenceOptions extends Omit<RowLossOptions, 'reduction'> {
  /**
   * 'batchmean' (default): the divergence per row. 'mean' divides by the number of elements, as PyTorch's 'mean' does.
   * 'sum'; 'none': the divergence of each row in `losses`.
   */
  reduction?: 'none' | 'sum' | 'mean' | 'batchmean' | undefined;
  /** Logits, the teacher's too, are divided by it; target probabilities are taken as they are. Default 1. */
  temperature?: number | undefined;
}

export interface DistillationOptions extends RowLossOptions {
  /** Softens both distributions. Default 1. */
  temperature?: number | undefined;
  /** The share of the teacher, from 0 to 1; the rest is cross-entropy with the targets. Default 0.5. */
  alpha?: number | undefined;
  /** Rows with this target have no loss and no gradient; default -100. It may be a class or not. */
  ignoreIndex?: number | undefined;
  /** A target that is neither a class nor ignoreIndex: ERR_TARGET_RANGE (default), or its row is ignored. */
  onInvalidTarget?: OnInvalidTarget | undefined;
}

export interface DistillationResult extends RowLossResult {
  /** Σ KL over the kept rows, without the factor alpha · temperature². */
  readonly divergenceSum: number;
  /** Σ CE over the kept rows, without the factor 1 - alpha. */
  readonly crossEntropySum: number;
}

/** Exponentials of the student, of the teacher, and of the student at temperature 1. */
const SCRATCH_ROWS = 3;

export const klDivergence = defineRowLoss<KlDivergenceOptions, [teacher: Teacher], 'gradLogits'>({
  inputName: 'logits',
  gradientName: 'gradLogits',
  options: ['temperature'],
  reductions: ['none', 'sum', 'mean', 'batchmean'],
  check({ resources, input, type, others: [teacher], options }) {
    const temperature = checkPositive('options.temperature', options.temperature ?? 1, type);
    const { probabilities, teacherLogits } = checkTeacher(teacher);
    const rows =
      probabilities === undefined
        ? checkLike(resources.arena, 'teacher.targetLogits', teacherLogits, input)
        : undefined;
    const teacherRows =
      rows === undefined
        ? checkDenseNumbers(resources, 'teacher.targetProbabilities', probabilities!, input)
        : readOperand('teacher.targetLogits', outerRows(rows));
    return {
      weightSum: options.reduction === 'mean' ? input.elements.length : input.rows,
      operands: [teacherRows],
      scratchRows: SCRATCH_ROWS,
      reads: { 'the teacher': probabilities ?? teacherLogits },
      parameters: (ptrOf) => ({
        loss: 'divergence',
        teacher: ptrOf(teacherRows),
        teacherType: ELEMENTS[rows?.type ?? type].code,
        teacherIsProbabilities: probabilities !== undefined,
        targets: NULL_PTR,
        ignore: undefined,
        temperature,
        divergenceFactor: 1,
        crossEntropyFactor: 0,
      }),
      refuse: (row) =>
        refusedTarget(
          'teacher.targetProbabilities',
          probabilities,
          row,
          input,
          isProbability,
          PROBABILITY_RULE,
        ),
    };
  },
});

function checkTeacher(teacher: unknown): {
  probabilities?: DenseTargets;
  teacherLogits?: FloatInput;
} {
  const names = typeof teacher === 'object' && teacher !== null ? Object.keys(teacher) : [];
  const [name] = names;
  if (names.length === 1 && name === 'targetProbabilities') {
    return { probabilities: (teacher as { targetProbabilities: DenseTargets }).targetProbabilities };
  }
  if (names.length === 1 && name === 'targetLogits') {
    return { teacherLogits: (teacher as { targetLogits: FloatInput }).targetLogits };
  }
  const message = `teacher is ${inspectValue(teacher)}: pass { targetLogits } or { targetProbabilities }`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'teacher', value: teacher });
}

type DistillationParts = Pick<DistillationResult, 'divergenceSum' | 'crossEntropySum'>;

export const distillation = defineRowLoss<
  DistillationOptions,
  [teacherLogits: FloatInput, targets: Targets],
  'gradLogits',
  DistillationParts
>({
  inputName: 'studentLogits',
  gradientName: 'gradLogits',
  options: ['temperature', 'alpha', 'ignoreIndex', 'onInvalidTarget'],
  check({ resources: { arena, kernels }, input, type, others: [teacherLogits, targets], options }) {
    const { rows, columns } = input;
    const teacher = checkLike(arena, 'teacherLogits', teacherLogits, input);
    const temperature = checkPositive('options.temperature', options.temperature ?? 1, type);
    const alpha = checkFraction('options.alpha', options.alpha ?? 0.5);
    const rules = checkTargetRules(options);
    const rowDims = rowDimsOf(input);
    const checked = checkTargets(arena, kernels, targets, rows, columns, { ...rules, rowDims });
    const kept = keptTargets(checked, rules, input);
    const teacherRows = readOperand('teacherLogits', outerRows(teacher));
    return {
      weightSum: rows - checked.ignored,
      operands: [teacherRows, kept.operand],
      scratchRows: SCRATCH_ROWS,
      reads: { teacherLogits, targets },
      parameters: (ptrOf) => ({
        loss: 'divergence',
        teacher: ptrOf(teacherRows),
        teacherType: ELEMENTS[teacher.type].code,
        teacherIsProbabilities: false,
        targets: ptrOf(kept.operand),
        ignore: kept.ignore,
        temperature,
        divergenceFactor: alpha * temperature ** 2,
        crossEntropyFactor: 1 - alpha,
      }),
    };
  },
  moreOf: ([, divergenceSum = 0, crossEntropySum = 0]) => ({ divergenceSum, crossEntropySum }),
});
