// `npm run bench`: every kernel and the training step, on each build and thread count, checked and then timed.
import { freemem } from 'node:os';
import { Engine } from '#softshard/main/index.js';
import type { BenchCase, PreparedCase } from './cases/case.js';
import { coldStartCases } from './cases/cold-start.js';
import { kernelCases } from './cases/kernels.js';
import { linearCrossEntropyCases } from './cases/linear-cross-entropy.js';
import { trainingCases } from './cases/training.js';
import { readEnvironment } from './environment.js';
import { type Effort, measureInTurns } from './measure.js';
import { type BenchOptions, parseOptions, USAGE, UsageError } from './options.js';
import { repositoryFile, writeResults } from './result-files.js';
import { type BenchResults, type MeasuredRow, resultsMarkdown, withSpeedups } from './results.js';

const EFFORT: Effort = { rounds: 5, roundMs: 80, warmupMs: 60 };
const QUICK_EFFORT: Effort = { rounds: 2, roundMs: 15, warmupMs: 15 };

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) console.log(USAGE);
  else await run(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}

async function run(options: BenchOptions): Promise<void> {
  const cases = [...kernelCases, ...linearCrossEntropyCases, ...trainingCases, ...coldStartCases].filter(
    ({ name, shape, quick }) =>
      (quick || !options.quick) && `${name} ${shape}`.toLowerCase().includes(options.filter),
  );
  if (cases.length === 0) throw new UsageError(`--filter ${options.filter}: no case has that in its name`);
  const environment = readEnvironment();
  // Half of what is free: the machine should not start to swap.
  const memoryBytes = freemem() / 2;
  const rows: MeasuredRow[] = [];
  const skipped: string[] = [];
  const engines = await createEngines(options);
  try {
    for (const benchCase of cases) {
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
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
  const results: BenchResults = {
    kind: 'softshard bench',
    environment,
    quick: options.quick,
    rows: withSpeedups(rows),
    skipped,
  };
  const markdown = resultsMarkdown(results);
  console.log(markdown);
  writeResults(options.json ?? repositoryFile('bench/results/latest.json'), results, markdown);
}

/** One for each build and thread count. They idle without using a core while another works. */
function createEngines({ numerics, threads }: BenchOptions): Promise<Engine[]> {
  const settings = numerics.flatMap((build) => threads.map((count) => ({ numerics: build, threads: count })));
  return Promise.all(settings.map((setting) => Engine.create(setting)));
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
    const contestants = prepared.map(({ run }, index) => ({ name: String(index), run }));
    const summaries = await measureInTurns(contestants, effort);
    return summaries.map((summary, index) => ({
      case: benchCase.name,
      shape: benchCase.shape,
      numerics: engines[index]!.numerics,
      threads: engines[index]!.threads,
      ...summary,
      rate: benchCase.work / (summary.medianMs / 1000),
      rateUnit: benchCase.rateUnit,
    }));
  } finally {
    for (const one of prepared) one.free();
  }
}
