// Inputs of benchmarks (reproducible, quick to make even for half a gigabyte) and their checks.
import { SoftshardError } from '../../../errors.js';

/** Length of the block of random values that fills a matrix over and over: odd, so that rows differ. */
const BLOCK = 1_000_003;

/** In [-4, 4), the same for every run. */
const randomBlock: Float32Array = (() => {
  let state = 1;
  return Float32Array.from({ length: BLOCK }, () => {
    // The multiplier of Numerical Recipes' "quick and dirty" generator.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 8 - 4;
  });
})();

export function fillRandom(values: Float32Array): void {
  for (let begin = 0; begin < values.length; begin += BLOCK) {
    values.set(randomBlock.subarray(0, Math.min(BLOCK, values.length - begin)), begin);
  }
}

/** Classes in [0, classes), spread by a prime. */
export function fillTargets(targets: Int32Array, classes: number): void {
  for (let row = 0; row < targets.length; row++) targets[row] = (row * 7919 + 3) % classes;
}

/** Up to `count` rows from the first to the last. */
export function sampleRows(rows: number, count: number): number[] {
  const step = Math.max(1, (rows - 1) / (count - 1));
  return Array.from({ length: Math.min(rows, count) }, (_, i) => Math.round(i * step));
}

export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** Throws ERR_WRONG_RESULT with index, expected and got where |got - expected| > relative · |expected| + absolute. */
export function checkClose(
  what: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  { relative, absolute }: Tolerance,
): void {
  if (got.length !== expected.length) {
    throw wrongResult(`${what} has ${got.length} elements, expected ${expected.length}`);
  }
  for (let index = 0; index < expected.length; index++) {
    const bound = relative * Math.abs(expected[index]!) + absolute;
    // Written so that NaN fails.
    if (Math.abs(got[index]! - expected[index]!) <= bound) continue;
    throw wrongResult(`${what}[${index}]: expected ${expected[index]} ± ${bound}, got ${got[index]}`);
  }
}

const wrongResult = (message: string): SoftshardError => new SoftshardError('ERR_WRONG_RESULT', message);
