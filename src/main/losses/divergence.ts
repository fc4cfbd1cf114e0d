// Kullback-Leibler divergence of a student's softmax from a teacher's, and distillation, which mixes it with
// cross-entropy.
import { SoftshardError } from '../../errors.js';
import type { LossParameters } from '../../workers/protocol.js';
import {
  checkLogits,
  computeType,
  type FloatInput,
  type FloatType,
  rowDimsOf,
} from '../arguments/axis-rows.js';
import { checkInteger, checkOneOf, checkOptionNames, inspectValue } from '../arguments/checks.js';
import type { DenseTargets } from '../arguments/dense-targets.js';
import { checkFraction, checkPositive } from '../arguments/numeric-vectors.js';
import {
  checkDenseNumbers,
  isProbability,
  PROBABILITY_RULE,
  refusedTarget,
} from '../arguments/target-rows.js';
import { checkTargets, type Targets } from '../arguments/targets.js';
import { readOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { ELEMENTS } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { asRows } from './general-loss.js';
import type { OnInvalidTarget } from './loss-options.js';
import { computeRowGradient, computeRowLoss, type RowLoss, type RowLossOutcome } from './other-loss.js';
import { checkLike, keptTargets } from './other-loss-operands.js';
import {
  checkRowOptions,
  ROW_GRADIENT_OPTIONS,
  ROW_LOSS_OPTIONS,
  type RowGradientOptions,
  type RowLossOptions,
  type RowLossResult,
  type TypeOf,
} from './other-loss-options.js';

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

export interface KlDivergenceGradientOptions extends KlDivergenceOptions, RowGradientOptions {}

export interface KlDivergenceGradientResult<Type extends FloatType = FloatType> extends RowLossResult {
  readonly gradLogits: Tensor<Type>;
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

export interface DistillationGradientOptions extends DistillationOptions, RowGradientOptions {}

export interface DistillationResult extends RowLossResult {
  /** Σ KL over the kept rows, without the factor alpha · temperature². */
  readonly divergenceSum: number;
  /** Σ CE over the kept rows, without the factor 1 - alpha. */
  readonly crossEntropySum: number;
}

export interface DistillationGradientResult<Type extends FloatType = FloatType> extends DistillationResult {
  readonly gradLogits: Tensor<Type>;
}

const KL_OPTIONS = [...ROW_LOSS_OPTIONS, 'temperature'];
const DISTILLATION_OPTIONS = [...KL_OPTIONS, 'alpha', 'ignoreIndex', 'onInvalidTarget'];
const INT32_MAX = 2 ** 31 - 1;

export async function klDivergence(
  resources: Resources,
  logits: FloatInput,
  teacher: Teacher,
  options: KlDivergenceOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, KL_OPTIONS);
  const loss = checkDivergence(resources, logits, teacher, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function klDivergenceGradient<Input extends FloatInput>(
  resources: Resources,
  logits: Input,
  teacher: Teacher,
  options: KlDivergenceGradientOptions,
): Promise<KlDivergenceGradientResult<TypeOf<Input>>> {
  checkOptionNames('options', options, [...KL_OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkDivergence(resources, logits, teacher, options);
  const { result, gradient } = await computeRowGradient<TypeOf<Input>>(resources, loss, options.into);
  return { ...result, gradLogits: gradient };
}

export async function distillation(
  resources: Resources,
  studentLogits: FloatInput,
  teacherLogits: FloatInput,
  targets: Targets,
  options: DistillationOptions,
): Promise<DistillationResult> {
  checkOptionNames('options', options, DISTILLATION_OPTIONS);
  const loss = checkDistillation(resources, studentLogits, teacherLogits, targets, options);
  return withParts(await computeRowLoss(resources, loss, undefined));
}

export async function distillationGradient<Input extends FloatInput>(
  resources: Resources,
  studentLogits: Input,
  teacherLogits: FloatInput,
  targets: Targets,
  options: DistillationGradientOptions,
): Promise<DistillationGradientResult<TypeOf<Input>>> {
  checkOptionNames('options', options, [...DISTILLATION_OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkDistillation(resources, studentLogits, teacherLogits, targets, options);
  const outcome = await computeRowGradient<TypeOf<Input>>(resources, loss, options.into);
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
  logits: FloatInput,
  teacher: Teacher,
  { reduction: asked = 'batchmean', ...options }: KlDivergenceGradientOptions,
): RowLoss {
  const { arena } = resources;
  const outputs = checkLogits(arena, 'logits', logits, options);
  const reduction = checkOneOf('options.reduction', asked, ['none', 'sum', 'mean', 'batchmean']);
  const temperature = checkPositive('options.temperature', options.temperature ?? 1, computeType(outputs));
  const { probabilities, teacherLogits } = checkTeacher(teacher);
  const rows =
    probabilities === undefined
      ? checkLike(arena, 'teacher.targetLogits', teacherLogits, outputs)
      : undefined;
  const operand =
    rows === undefined
      ? checkDenseNumbers(resources, 'teacher.targetProbabilities', probabilities!, outputs)
      : readOperand('teacher.targetLogits', asRows(rows));
  return {
    outputs,
    options: checkRowOptions(
      { ...options, reduction: reduction === 'batchmean' ? 'mean' : reduction },
      outputs,
    ),
    weightSum: reduction === 'mean' ? outputs.elements.length : outputs.rows,
    operands: [operand],
    scratchRows: SCRATCH_ROWS,
    reads: { 'the teacher': probabilities ?? teacherLogits },
    parameters: ([teacherPtr]): LossParameters => ({
      loss: 'divergence',
      teacher: teacherPtr!,
      teacherType: ELEMENTS[rows?.type ?? computeType(outputs)].code,
      teacherIsProbabilities: probabilities !== undefined,
      targets: 0,
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
        outputs,
        isProbability,
        PROBABILITY_RULE,
      ),
  };
}

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

function checkDistillation(
  { arena, kernels }: Resources,
  studentLogits: FloatInput,
  teacherLogits: FloatInput,
  targets: Targets,
  options: DistillationGradientOptions,
): RowLoss {
  const outputs = checkLogits(arena, 'studentLogits', studentLogits, options);
  const { rows, columns } = outputs;
  const teacher = checkLike(arena, 'teacherLogits', teacherLogits, outputs);
  const temperature = checkPositive('options.temperature', options.temperature ?? 1, computeType(outputs));
  const alpha = checkFraction('options.alpha', options.alpha ?? 0.5);
  const ignoreIndex = checkInteger('options.ignoreIndex', options.ignoreIndex ?? -100, -INT32_MAX, INT32_MAX);
  const onInvalidTarget = checkOneOf('options.onInvalidTarget', options.onInvalidTarget ?? 'throw', [
    'throw',
    'ignore',
  ]);
  const checked = checkTargets(arena, kernels, targets, rows, columns, {
    ignoreIndex,
    onInvalidTarget,
    rowDims: rowDimsOf(outputs),
  });
  const kept = keptTargets(checked, { ignoreIndex, onInvalidTarget }, outputs);
  return {
    outputs,
    options: checkRowOptions(options, outputs),
    weightSum: rows - checked.ignored,
    operands: [readOperand('teacherLogits', asRows(teacher)), kept.operand],
    scratchRows: SCRATCH_ROWS,
    reads: { teacherLogits, targets },
    parameters: ([teacherPtr, targetsPtr]): LossParameters => ({
      loss: 'divergence',
      teacher: teacherPtr!,
      teacherType: ELEMENTS[teacher.type].code,
      teacherIsProbabilities: false,
      targets: targetsPtr!,
      ignore: kept.ignore,
      temperature,
      divergenceFactor: alpha * temperature ** 2,
      crossEntropyFactor: 1 - alpha,
    }),
  };
}
