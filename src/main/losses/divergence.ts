// Kullback-Leibler divergence of a student's softmax from a teacher's, and distillation, which mixes it with
// cross-entropy.
import { SoftshardError } from '../../errors.js';
import type { LossParameters } from '../../workers/protocol.js';
import { readOperand } from '../operands.js';
import { checkInteger, checkOneOf, checkOptionNames, shown } from '../options.js';
import type { Resources } from '../resources.js';
import { checkTargets, type Targets } from '../targets.js';
import type { Tensor } from '../tensor.js';
import type { DenseTargets } from './dense-targets.js';
import { asRows } from './general-loss.js';
import { checkFraction, checkPositive, type OnInvalidTarget } from './loss-options.js';
import {
  checkRowOptions,
  checkRows,
  checkSameRows,
  computeRowGradient,
  computeRowLoss,
  type Float32RowsInput,
  keptTargetsOperand,
  ROW_GRADIENT_OPTIONS,
  ROW_LOSS_OPTIONS,
  type RowGradientOptions,
  type RowLoss,
  type RowLossOptions,
  type RowLossOutcome,
  type RowLossResult,
} from './other-loss.js';
import { checkDenseNumbers, isProbability, PROBABILITY_RULE, refusedTarget } from './target-rows.js';

/** The target distribution: as probabilities, or as the logits of a teacher. */
export type Teacher =
  | { readonly targetProbabilities: DenseTargets }
  | { readonly targetLogits: Float32RowsInput };

export interface KlDivergenceOptions extends Omit<RowLossOptions, 'reduction'> {
  /**
   * 'batchmean' (default): the divergence per row. 'mean' divides by the number of elements, as PyTorch's 'mean' does.
   * 'sum'; 'none': the divergence of each row in `losses`.
   */
  reduction?: 'none' | 'sum' | 'mean' | 'batchmean';
  /** Logits, the teacher's too, are divided by it; target probabilities are taken as they are. Default 1. */
  temperature?: number;
}

export interface KlDivergenceGradientOptions extends KlDivergenceOptions, RowGradientOptions {}

export interface KlDivergenceGradientResult extends RowLossResult {
  readonly gradLogits: Tensor<'float32'>;
}

export interface DistillationOptions extends RowLossOptions {
  /** Softens both distributions. Default 1. */
  temperature?: number;
  /** The share of the teacher, from 0 to 1; the rest is cross-entropy with the targets. Default 0.5. */
  alpha?: number;
  /** Rows with this target have no loss and no gradient; default -100. It may be a class or not. */
  ignoreIndex?: number;
  /** A target that is neither a class nor ignoreIndex: ERR_TARGET_RANGE (default), or its row is ignored. */
  onInvalidTarget?: OnInvalidTarget;
}

export interface DistillationGradientOptions extends DistillationOptions, RowGradientOptions {}

export interface DistillationResult extends RowLossResult {
  /** Σ KL over the kept rows, without the factor alpha · temperature². */
  readonly divergenceSum: number;
  /** Σ CE over the kept rows, without the factor 1 - alpha. */
  readonly crossEntropySum: number;
}

export interface DistillationGradientResult extends DistillationResult {
  readonly gradLogits: Tensor<'float32'>;
}

const KL_OPTIONS = [...ROW_LOSS_OPTIONS, 'temperature'];
const DISTILLATION_OPTIONS = [...KL_OPTIONS, 'alpha', 'ignoreIndex', 'onInvalidTarget'];
const INT32_MAX = 2 ** 31 - 1;

export async function klDivergence(
  resources: Resources,
  logits: Float32RowsInput,
  teacher: Teacher,
  options: KlDivergenceOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, KL_OPTIONS);
  const loss = checkDivergence(resources, logits, teacher, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function klDivergenceGradient(
  resources: Resources,
  logits: Float32RowsInput,
  teacher: Teacher,
  options: KlDivergenceGradientOptions,
): Promise<KlDivergenceGradientResult> {
  checkOptionNames('options', options, [...KL_OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkDivergence(resources, logits, teacher, options);
  const { result, gradient } = await computeRowGradient(resources, loss, options.into);
  return { ...result, gradLogits: gradient };
}

export async function distillation(
  resources: Resources,
  studentLogits: Float32RowsInput,
  teacherLogits: Float32RowsInput,
  targets: Targets,
  options: DistillationOptions,
): Promise<DistillationResult> {
  checkOptionNames('options', options, DISTILLATION_OPTIONS);
  const loss = checkDistillation(resources, studentLogits, teacherLogits, targets, options);
  return withParts(await computeRowLoss(resources, loss, undefined));
}

export async function distillationGradient(
  resources: Resources,
  studentLogits: Float32RowsInput,
  teacherLogits: Float32RowsInput,
  targets: Targets,
  options: DistillationGradientOptions,
): Promise<DistillationGradientResult> {
  checkOptionNames('options', options, [...DISTILLATION_OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkDistillation(resources, studentLogits, teacherLogits, targets, options);
  const outcome = await computeRowGradient(resources, loss, options.into);
  return { ...withParts(outcome), gradLogits: outcome.gradient };
}

const withParts = ({
  result,
  sums: [, divergenceSum, crossEntropySum],
}: RowLossOutcome): DistillationResult => ({
  ...result,
  divergenceSum,
  crossEntropySum,
});

/** Exponentials of the student, of the teacher, and of the student at temperature 1. */
const SCRATCH_ROWS = 3;

function checkDivergence(
  resources: Resources,
  logits: Float32RowsInput,
  teacher: Teacher,
  { reduction: asked = 'batchmean', ...options }: KlDivergenceGradientOptions,
): RowLoss {
  const { arena } = resources;
  const outputs = checkRows(arena, 'logits', logits, options.columns);
  const reduction = checkOneOf('options.reduction', asked, ['none', 'sum', 'mean', 'batchmean']);
  const temperature = checkPositive('options.temperature', options.temperature ?? 1);
  const { probabilities, teacherLogits } = checkTeacher(teacher);
  const operand =
    probabilities === undefined
      ? readOperand(
          'teacher.targetLogits',
          asRows(checkSameRows(arena, 'teacher.targetLogits', teacherLogits, outputs)),
        )
      : checkDenseNumbers(resources, 'teacher.targetProbabilities', probabilities, outputs);
  return {
    outputs,
    options: checkRowOptions(
      { ...options, reduction: reduction === 'batchmean' ? 'mean' : reduction },
      outputs.rows,
    ),
    weightSum: reduction === 'mean' ? outputs.elements.length : outputs.rows,
    operands: [operand],
    scratchRows: SCRATCH_ROWS,
    reads: { 'the teacher': probabilities ?? teacherLogits },
    parameters: ([teacherPtr]): LossParameters => ({
      loss: 'divergence',
      teacher: teacherPtr!,
      teacherIsProbabilities: probabilities !== undefined,
      targets: 0,
      temperature,
      divergenceFactor: 1,
      crossEntropyFactor: 0,
    }),
    refuse: (row) =>
      refusedTarget(
        'teacher.targetProbabilities',
        probabilities,
        row,
        outputs.columns,
        isProbability,
        PROBABILITY_RULE,
      ),
  };
}

function checkTeacher(teacher: unknown): {
  probabilities?: DenseTargets;
  teacherLogits?: Float32RowsInput;
} {
  const names = typeof teacher === 'object' && teacher !== null ? Object.keys(teacher) : [];
  const [name] = names;
  if (names.length === 1 && name === 'targetProbabilities') {
    return { probabilities: (teacher as { targetProbabilities: DenseTargets }).targetProbabilities };
  }
  if (names.length === 1 && name === 'targetLogits') {
    return { teacherLogits: (teacher as { targetLogits: Float32RowsInput }).targetLogits };
  }
  const message = `teacher is ${shown(teacher)}: pass { targetLogits } or { targetProbabilities }`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'teacher', value: teacher });
}

function checkDistillation(
  { arena, kernels }: Resources,
  studentLogits: Float32RowsInput,
  teacherLogits: Float32RowsInput,
  targets: Targets,
  options: DistillationGradientOptions,
): RowLoss {
  const outputs = checkRows(arena, 'studentLogits', studentLogits, options.columns);
  const { rows, columns } = outputs;
  const teacher = checkSameRows(arena, 'teacherLogits', teacherLogits, outputs);
  const temperature = checkPositive('options.temperature', options.temperature ?? 1);
  const alpha = checkFraction('options.alpha', options.alpha ?? 0.5);
  const ignoreIndex = checkInteger('options.ignoreIndex', options.ignoreIndex ?? -100, -INT32_MAX, INT32_MAX);
  const onInvalidTarget = checkOneOf('options.onInvalidTarget', options.onInvalidTarget ?? 'throw', [
    'throw',
    'ignore',
  ]);
  const checked = checkTargets(arena, kernels, targets, rows, columns, { ignoreIndex, onInvalidTarget });
  return {
    outputs,
    options: checkRowOptions(options, rows),
    weightSum: rows - checked.ignored,
    operands: [
      readOperand('teacherLogits', asRows(teacher)),
      keptTargetsOperand(checked, ignoreIndex, outputs),
    ],
    scratchRows: SCRATCH_ROWS,
    reads: { teacherLogits, targets },
    parameters: ([teacherPtr, targetsPtr]): LossParameters => ({
      loss: 'divergence',
      teacher: teacherPtr!,
      teacherIsProbabilities: false,
      targets: targetsPtr!,
      temperature,
      divergenceFactor: alpha * temperature ** 2,
      crossEntropyFactor: 1 - alpha,
    }),
  };
}
