// What each row has besides its inputs: a class or a share of every class, a weight, a mask. Checked once for training,
// validation and evaluation.
import { SoftshardError } from '../../errors.js';
import { type AnyVector, checkNumbers, type FloatArray } from '../arguments/numeric-vectors.js';
import { checkTargets, type Targets } from '../arguments/targets.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArrayRows } from '../dispatch/row-source.js';
import {
  areDense,
  checkDense,
  checkOneHot,
  type DenseTargets,
  type Mask,
  maskBytes,
} from '../losses/dense-targets.js';
import type { LossOptions } from '../losses/loss-options.js';
import { isProbability, PROBABILITY_RULE, refusedTarget } from '../losses/target-rows.js';
import { residentPtr } from '../memory/arena-tensor.js';
import { isArrayOf } from '../memory/arrays.js';

/** The class of an ignored row. */
export const IGNORED = -1;

export interface RowTargets {
  readonly rows: number;
  /** [rows]: IGNORED, the row's class or, with soft targets, the lowest class of the largest share. */
  readonly classes: Int32Array;
  readonly ignored: number;
  /** Float32 [rows × classes]. */
  readonly softTargets: ArrayRows | undefined;
  /** [rows]. */
  readonly sampleWeight: FloatArray | undefined;
  /** Bytes [rows × classes]. */
  readonly mask: ArrayRows | undefined;
}

export interface RowTargetOptions {
  /** [rows], each at least 0: the weight of each row. */
  sampleWeight?: AnyVector | undefined;
  /** A byte for each row and class: 0 leaves the class out of its row, as a logit of -Infinity would. */
  mask?: Mask | undefined;
}

/** `argument` names the options in errors. */
export function checkRowTargets(
  resources: Resources,
  targets: Targets | DenseTargets,
  { rows, classes }: { readonly rows: number; readonly classes: number },
  options: RowTargetOptions,
  rules: Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget'>,
  argument: 'options' | 'options.validation' = 'options',
): RowTargets {
  const shape: DenseShape = { rows, columns: classes, dims: [rows, classes] };
  const what = argument === 'options' ? 'targets' : `${argument}.targets`;
  const checked = areDense(targets, shape)
    ? checkShares(resources, what, targets, shape)
    : checkClasses(resources, what, targets, shape, rules);
  const weights = options.sampleWeight;
  const sampleWeight = checkNumbers(`${argument}.sampleWeight`, weights, rows, 'rows', 0, 'float32');
  const mask = checkMask(resources, `${argument}.mask`, options.mask, shape);
  if (mask !== undefined) checkMaskedRows(`${argument}.mask`, mask.elements, checked, classes);
  return { rows, ...checked, sampleWeight, mask };
}

const LABELS_HINT = 'other labels, such as -1 and 1, are found by a classifier that is made without classes';

interface DenseShape {
  readonly rows: number;
  readonly columns: number;
  readonly dims: readonly number[];
}

type CheckedClasses = Pick<RowTargets, 'classes' | 'ignored' | 'softTargets'>;

function checkClasses(
  { arena, kernels }: Resources,
  argument: string,
  targets: Targets,
  { rows, columns }: DenseShape,
  rules: Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget'>,
): CheckedClasses {
  const checked = checkTargets(arena, kernels, targets, rows, columns, {
    ...rules,
    argument,
    hint: LABELS_HINT,
  });
  const classes = new Int32Array(rows);
  if (checked.ignored === 0) checked.copyTo(classes, 0, rows);
  else for (let row = 0; row < rows; row++) classes[row] = checked.classOf(row);
  return { classes, ignored: checked.ignored, softTargets: undefined };
}

function checkShares(
  { arena }: Resources,
  argument: string,
  targets: DenseTargets,
  shape: DenseShape,
): CheckedClasses {
  const { rows, columns } = shape;
  const shares = checkDense(argument, targets, shape);
  checkOneHot(argument, targets, { rows, columns, inner: 1 });
  const elements = isArrayOf('float32', shares) ? shares : Float32Array.from(shares);
  const classes = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let column = 0; column < columns; column++) {
      const share = elements[row * columns + column]!;
      if (!isProbability(share)) {
        throw refusedTarget(argument, shares, row, { columns, inner: 1 }, isProbability, PROBABILITY_RULE);
      }
      if (share > elements[row * columns + largest]!) largest = column;
    }
    classes[row] = largest;
  }
  const ptr = elements === shares ? residentPtr(arena, targets) : undefined;
  return { classes, ignored: 0, softTargets: { elements, columns, type: 'float32', ptr } };
}

function checkMask(
  { arena }: Resources,
  argument: string,
  mask: Mask | undefined,
  shape: DenseShape,
): (ArrayRows & { readonly elements: Uint8Array }) | undefined {
  if (mask === undefined) return undefined;
  const elements = maskBytes(argument, mask, shape);
  return { elements, columns: shape.columns, type: 'uint8', ptr: residentPtr(arena, mask) };
}

/** A row has loss Infinity if its class is masked, NaN if all classes are: no learning rate helps. */
function checkMaskedRows(
  argument: string,
  mask: Uint8Array,
  { classes, softTargets }: CheckedClasses,
  columns: number,
): void {
  for (const [row, target] of classes.entries()) {
    if (target === IGNORED) continue;
    const kept = mask.subarray(row * columns, (row + 1) * columns);
    if (softTargets === undefined ? kept[target] !== 0 : kept.some((byte) => byte !== 0)) continue;
    const what =
      softTargets === undefined
        ? `[${row}, ${target}] is 0, but ${target} is the row's class: keep it, or ignore the row (options.ignoreIndex)`
        : ` leaves row ${row} no class: keep at least one of each row`;
    throw new SoftshardError('ERR_OPTION', `${argument}${what}`, { argument, row, value: 0 });
  }
}

/** Ignores those of the given rows whose sample weight is 0: their inputs may then be NaN. */
export function withoutWeightless(targets: RowTargets, rows: Uint32Array): RowTargets {
  const { sampleWeight } = targets;
  if (sampleWeight === undefined) return targets;
  const classes = targets.classes.slice();
  for (const row of rows) if (sampleWeight[row] === 0) classes[row] = IGNORED;
  return { ...targets, classes };
}

/** The weight of a row in a mean, 0 for an ignored one: PyTorch's rule (docs/losses.md). */
function weightOf(
  { classes, softTargets, sampleWeight }: RowTargets,
  weight: FloatArray | undefined,
): (row: number) => number {
  const byClass = softTargets === undefined ? weight : undefined;
  return (row) => {
    const target = classes[row]!;
    return target === IGNORED ? 0 : (byClass?.[target] ?? 1) * (sampleWeight?.[row] ?? 1);
  };
}

/** [rows]. */
export function rowWeights(targets: RowTargets, weight: FloatArray | undefined): Float64Array {
  const of = weightOf(targets, weight);
  const weights = new Float64Array(targets.rows);
  for (let row = 0; row < targets.rows; row++) weights[row] = of(row);
  return weights;
}

/** Of the rows with these numbers, or of all, added in their order. */
export function weightSumOf(targets: RowTargets, weight: FloatArray | undefined, rows?: Uint32Array): number {
  const of = weightOf(targets, weight);
  const count = rows?.length ?? targets.rows;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += of(rows?.[i] ?? i);
  return sum;
}
