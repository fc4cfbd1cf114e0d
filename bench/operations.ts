// Times the cases, each on every build and thread count, checked first.
import { freemem } from 'node:os';
import type { Engine } from '#softshard/main/index.js';
import type { Effort } from '#softshard/main/scaling/measure.js';
import type { BenchCase, PreparedCase } from './cases/case.js';
import { kernelCases } from './cases/kernels.js';
import { linearCases } from './cases/linear.js';
import { lossCases } from './cases/losses.js';
import { trainingCases } from './cases/training.js';
import { typeCases } from './cases/types.js';
import { measureInTurns } from './measure.js';
import type { BenchOptions } from './options.js';
import type { MeasuredRow } from './results.js';

const CASES: readonly BenchCase[] = [
  ...kernelCases,
  ...lossCases,
  ...typeCases,
  ...linearCases,
  ...trainingCases,
];

const EFFORT: Effort = { rounds: 5, roundMs: 50, warmupMs: 40, warmupCalls: 2 };
const QUICK_EFFORT: Effort = { rounds: 2, roundMs: 15, warmupMs: 15, warmupCalls: 2 };

export const casesOf = ({ filter, quick: quickOnly }: BenchOptions): readonly BenchCase[] =>
  CASES.filter(
    ({ name, shape, quick }) => (quick || !quickOnly) && `${name} ${shape}`.toLowerCase().includes(filter),
  );

export async function measureOperations(
  engines: readonly Engine[],
  options: BenchOptions,
): Promise<{ rows: MeasuredRow[]; skipped: string[] }> {
  // Half of what is free: the machine should not start to swap.
  const memoryBytes = freemem() / 2;
  const rows: MeasuredRow[] = [];
  const skipped: string[] = [];
  for (const benchCase of casesOf(options)) {
    const bytes = benchCase.bytes * engines.length;
    const label = `${benchCase.name} ${benchCase.shape}`;
    if (bytes > memoryBytes) {
      const gib = (bytes / 2 ** 30).toFixed(1);
      skipped.push(
        `${label} left out: ${engines.length} engines need ${gib} GiB, more than half of what is free.`,
      );
      continue;
    }
    process.stderr.write(`${label}\n`);
    rows.push(...(await measureCase(benchCase, engines, options.quick ? QUICK_EFFORT : EFFORT)));
  }
  return { rows, skipped };
}

async function measureCase(
  benchCase: BenchCase,
  engines: readonly Engine[],
  effort: Effort,
): Promise<MeasuredRow[]> {
  const prepared: PreparedCase[] = [];
  try {
    for (const engine of engines) {
      const { name, shape } = benchCase;
      const { numerics, threads } = engine;
      const one = benchCase.prepare(engine);
      prepared.push(one);
      await one.check().catch((cause: unknown) => {
        const what = `${name} ${shape} (${numerics}, ${threads} threads) is wrong, so it is not timed`;
        throw new Error(`${what}: ${(cause as Error).message}`, { cause });
      });
    }
    const contestants = prepared.map(({ run }) => ({ run }));
    const summaries = await measureInTurns(contestants, effort);
    return summaries.map((summary, index) => ({
      case: benchCase.name,
      shape: benchCase.shape,
      numerics: engines[index]!.numerics,
      threads: engines[index]!.threads,
      ...summary,
      rate: benchCase.work / (summary.medianMs / 1000),
      rateUnit: benchCase.rateUnit,
      ...(benchCase.traffic && {
        traffic: {
          pattern: benchCase.traffic.pattern,
          gbPerSecond: benchCase.traffic.bytes / summary.medianMs / 1e6,
        },
      }),
    }));
  } finally {
    for (const one of prepared) one.free();
  }
}
