// All that is recorded. Cases stand on the public API alone. Names of cases and of their values are what the record knows
// them by: they stay when an option or a result is renamed.
import type { Case } from './case.js';
import { crossEntropyCases } from './cases/cross-entropy.js';
import { fileCases } from './cases/files.js';
import { linearCases } from './cases/linear.js';
import { metricsCases } from './cases/metrics.js';
import { modelCases } from './cases/models.js';
import { rowLossCases } from './cases/row-losses.js';
import { rowCases } from './cases/rows.js';
import { solverCases } from './cases/solvers.js';
import { trainingCases } from './cases/training.js';

export const CASES: readonly Case[] = withNamesOfTheirOwn([
  ...rowCases,
  ...crossEntropyCases,
  ...rowLossCases,
  ...linearCases,
  ...metricsCases,
  ...trainingCases,
  ...solverCases,
  ...modelCases,
  ...fileCases,
]);

function withNamesOfTheirOwn(cases: readonly Case[]): readonly Case[] {
  const names = new Set<string>();
  for (const { name } of cases) {
    if (names.has(name)) throw new Error(`two cases are called ${name}`);
    names.add(name);
  }
  return cases;
}
