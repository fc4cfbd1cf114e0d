// Float64 formulas that the row kernels are held against, one row at a time, straight from the definitions.

export function logSumExp(row: ArrayLike<number>): number {
  const max = largest(row);
  if (!Number.isFinite(max)) return max;
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += Math.exp(row[j]! - max);
  return max + Math.log(sum);
}

export function softmax(row: ArrayLike<number>): Float64Array {
  const max = largest(row);
  const exps = Float64Array.from(row, (z) => Math.exp(z - max));
  const sum = exps.reduce((total, e) => total + e, 0);
  return exps.map((e) => e / sum);
}

export function logSoftmax(row: ArrayLike<number>): Float64Array {
  const max = largest(row);
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += Math.exp(row[j]! - max);
  const logSum = Math.log(sum);
  return Float64Array.from(row, (z) => z - max - logSum);
}

export function loss(row: ArrayLike<number>, target: number): number {
  return -logSoftmax(row)[target]!;
}

export function gradient(row: ArrayLike<number>, target: number, scale: number): Float64Array {
  return softmax(row).map((p, j) => scale * (p - (j === target ? 1 : 0)));
}

/** The first class among those of the largest number; NaN never wins, 0 where there is no number. */
export function prediction(row: ArrayLike<number>): number {
  const numbers = Array.from(row).filter((z) => !Number.isNaN(z));
  const max = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
  return Math.max(0, Array.from(row).indexOf(max));
}

/** How many classes come before the target when sorted by falling logit, equal ones by class. */
export function rank(row: ArrayLike<number>, target: number): number {
  const wanted = row[target]!;
  if (Number.isNaN(wanted)) return row.length;
  return Array.from(row).filter((z, j) => z > wanted || (z === wanted && j < target)).length;
}

/** NaN if there is one. */
export function largest(row: ArrayLike<number>): number {
  let max = -Infinity;
  for (let j = 0; j < row.length; j++) {
    const z = row[j]!;
    if (Number.isNaN(z)) return NaN;
    if (z > max) max = z;
  }
  return max;
}
