// Random batches for the tests of the general loss kernels, and the comparison of an outcome with the oracle.

import { randomTargets, randomValues } from '../workbench.js';
import { type Batch, type ElementType, type Outcome, PLAIN } from './call.js';
import { type Row, type RowLoss, rowLoss } from './oracle.js';

export interface Choices {
  readonly temperature: boolean;
  readonly softcap: boolean;
  readonly zLoss: boolean;
  readonly focalGamma: number;
  readonly labelSmoothing: boolean;
  readonly weight: boolean;
  readonly mask: boolean;
  readonly softTargets: boolean;
  readonly sampleWeight: boolean;
  readonly ignoredRows: boolean;
  readonly gradOutput: boolean;
  readonly scale: boolean;
}

const IGNORE = -100;

/** A batch with the chosen options; every number in its arrays is a float32. */
export function randomBatch(
  choices: Choices,
  rows: number,
  columns: number,
  seed: number,
  spread = 6,
): Batch {
  const length = rows * columns;
  const positive = (count: number, s: number) => randomValues(count, 1, s).map((v) => Math.abs(v) + 0.1);
  const targets = Array.from(randomTargets(rows, columns, seed + 1));
  if (choices.ignoredRows && rows > 0) targets[rows >> 1] = IGNORE;
  const randomMask = () => {
    const mask = Uint8Array.from(randomValues(length, 1, seed + 2), (v) =>
      v > -0.2 ? 1 + (Math.abs(v) > 0.5 ? 254 : 0) : 0,
    );
    // Most targets are kept, as in practice; one row is left with nothing else, and small rows may be masked throughout.
    targets.forEach((target, i) => {
      if (target >= 0 && i % 3 !== 2) mask[i * columns + target] = 1;
    });
    return mask;
  };
  const soft = () =>
    positive(length, seed + 3).map((v, k) => (k % 3 === 1 ? 0 : Math.fround((v * 2) / columns)));
  return {
    rows,
    columns,
    logits: randomValues(length, spread, seed),
    ...(choices.softTargets ? { softTargets: soft() } : { targets }),
    ...(choices.mask ? { mask: randomMask() } : {}),
    ...(choices.weight ? { weight: positive(columns, seed + 4).map((v, j) => (j % 7 === 3 ? 0 : v)) } : {}),
    ...(choices.sampleWeight ? { sampleWeight: positive(rows, seed + 5) } : {}),
    ...(choices.gradOutput ? { gradOutput: randomValues(rows, 2, seed + 6) } : {}),
    ...(choices.scale ? { scale: 0.37 } : {}),
    temperature: choices.temperature ? 1.7 : 1,
    softcap: choices.softcap ? 5 : 0,
    zLoss: choices.zLoss ? 0.03 : 0,
    focalGamma: choices.focalGamma,
    labelSmoothing: choices.labelSmoothing ? 0.15 : 0,
  };
}

/** A row of a batch for the oracle; undefined where it does not count. */
export function rowOf(batch: Batch, i: number): Row | undefined {
  const { columns, targets, softTargets } = batch;
  const part = (values: ArrayLike<number> | undefined) =>
    values && Array.from({ length: columns }, (_, j) => values[i * columns + j]!);
  const ignored = batch.ignoreIndex ?? IGNORE;
  if (targets) {
    const target = targets[i]!;
    if (target === ignored || (batch.ignoreInvalid && !(target >= 0 && target < columns))) return undefined;
  }
  return {
    ...PLAIN,
    ...definedOptions(batch),
    logits: part(batch.logits)!,
    target: softTargets ? part(softTargets)! : targets![i]!,
    mask: part(batch.mask),
    weight: batch.weight,
  };
}

function definedOptions({ temperature, softcap, zLoss, focalGamma, labelSmoothing }: Batch) {
  return {
    temperature: temperature ?? 1,
    softcap: softcap ?? 0,
    zLoss: zLoss ?? 0,
    focalGamma: focalGamma ?? 0,
    labelSmoothing: labelSmoothing ?? 0,
  };
}

export const oracleOf = (batch: Batch): readonly (RowLoss | undefined)[] =>
  Array.from({ length: batch.rows }, (_, i) => {
    const row = rowOf(batch, i);
    return row && rowLoss(row);
  });

/**
 * How far a result may be off, as a fraction of what it is made of: the rounding of the scores (with a soft cap four
 * units of their last place), which a softmax turns into a relative error, and the kernel's own sums and exponentials.
 */
export function toleranceOf(type: ElementType, batch: Batch, { scores }: RowLoss): number {
  const largest = scores.reduce((most, u) => (Number.isFinite(u) ? Math.max(most, Math.abs(u)) : most), 0);
  const unit = type === 'float32' ? 2 ** -24 : 2 ** -53;
  const scoreError = largest * ((batch.softcap ?? 0) === 0 ? 2 : 8);
  return (1 + (batch.focalGamma ?? 0)) * unit * (2 * scoreError + 16);
}

function expectNear(got: number, wanted: number, bound: number, what: string): void {
  if (Object.is(got, wanted) || got === wanted) return;
  if (!(Math.abs(got - wanted) <= bound)) {
    throw new Error(`${what}: expected ${wanted} ± ${bound}, got ${got}`);
  }
}

/** Throws at the first number of an outcome that the oracle contradicts. */
export function expectAsOracle(
  type: ElementType,
  batch: Batch,
  outcome: Outcome,
  oracle: readonly (RowLoss | undefined)[],
): void {
  const { columns } = batch;
  // Exponentials below the smallest normal number are 0.
  const smallest = type === 'float32' ? 2 ** -126 : 2 ** -1022;
  const rounded = type === 'float32' ? Math.fround : (x: number) => x;
  let [lossSum, zLossSum, sumBound, zBound] = [0, 0, 0, 0];
  oracle.forEach((row, i) => {
    const gradient = outcome.gradient.subarray(i * columns, (i + 1) * columns);
    if (row === undefined) {
      expectNear(outcome.losses[i]!, 0, 0, `ignored loss ${i}`);
      gradient.forEach((g, k) => {
        if (!Object.is(g, 0)) throw new Error(`ignored gradient [${i}, ${k}] is ${g}`);
      });
      return;
    }
    const tolerance = toleranceOf(type, batch, row);
    const weight = batch.sampleWeight?.[i] ?? 1;
    const loss = weight * (row.crossEntropy + row.zLoss);
    const bound = tolerance * weight * (row.lossMagnitude + 2 * row.zLoss);
    expectNear(outcome.losses[i]!, rounded(loss), bound + Math.abs(loss) * 2 ** -24, `loss ${i}`);
    lossSum += loss;
    zLossSum += weight * row.zLoss;
    sumBound += bound;
    zBound += tolerance * weight * (2 * row.zLoss + Math.abs(row.logSumExp) * (batch.zLoss ?? 0));
    const factor = weight * (batch.gradOutput?.[i] ?? 1) * (batch.scale ?? 1);
    const largest = row.magnitude.reduce((most, m) => Math.max(most, m), 0);
    const tiny = smallest * 2 * (1 + Math.abs(factor) * largest * columns);
    for (let k = 0; k < columns; k++) {
      const limit = tolerance * Math.abs(factor) * row.magnitude[k]! + tiny;
      expectNear(gradient[k]!, rounded(factor * row.gradient[k]!), limit, `gradient [${i}, ${k}]`);
    }
  });
  expectNear(outcome.lossSum, lossSum, sumBound + 1e-15 * Math.abs(lossSum), 'sum of the losses');
  expectNear(outcome.zLossSum, zLossSum, zBound + 1e-15 * Math.abs(zLossSum), 'sum of the z-losses');
}
