// Fits the constants of the cost model to measured steps.
import { TERMS, type Term, type Units } from './shapes.js';

/** Microseconds a unit. */
export type Constants = Readonly<Record<Term, number>>;

interface Measured {
  readonly units: Units;
  readonly us: number;
}

/**
 * Constants of at least 0 that minimize the sum of squared relative errors, by coordinate descent: each constant in turn
 * gets its best value while the others stay. The problem is convex, so this ends at the minimum.
 */
export function fitConstants(measured: readonly Measured[]): Constants {
  const constants = Object.fromEntries(TERMS.map((term) => [term, 0])) as Record<Term, number>;
  // Relative: units over the measured time, so that every step weighs the same, and the sums are to be 1.
  const rows = measured.map(({ units, us }) => TERMS.map((term) => units[term] / us));
  const values = new Float64Array(TERMS.length);
  const left = new Float64Array(rows.length).fill(1);
  for (let sweep = 0; sweep < 200_000; sweep++) {
    let largest = 0;
    for (const column of TERMS.keys()) {
      let [above, below] = [0, 0];
      for (const [index, row] of rows.entries()) {
        above += row[column]! * left[index]!;
        below += row[column]! ** 2;
      }
      if (below === 0) continue;
      const change = Math.max(-values[column]!, above / below);
      values[column]! += change;
      for (const [index, row] of rows.entries()) left[index]! -= change * row[column]!;
      largest = Math.max(largest, Math.abs(change) * Math.sqrt(below / rows.length));
    }
    if (largest < 1e-9) break;
  }
  for (const [column, term] of TERMS.entries()) constants[term] = values[column]!;
  return constants;
}

/** Microseconds of each term. */
export const timesOf = (units: Units, constants: Constants): Record<Term, number> =>
  Object.fromEntries(TERMS.map((term) => [term, units[term] * constants[term]])) as Record<Term, number>;

export const totalOf = (times: Readonly<Record<Term, number>>): number =>
  TERMS.reduce((sum, term) => sum + times[term], 0);

/** The slope of log y over log x by least squares: y grows as x to that power. */
export function logLogSlope(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(logs.map(([x]) => x)), mean(logs.map(([, y]) => y))];
  const above = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return above / below;
}
