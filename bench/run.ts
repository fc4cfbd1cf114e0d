// `npm run bench`: measures softshard on this machine in parts: latencies, the limits of the machine itself, and every
// operation on each build and thread count, checked before it is timed.
import { Engine } from '#softshard/main/index.js';
import { type Environment, readEnvironment } from './environment.js';
import { type Latencies, measureLatencies } from './latency/latency.js';
import { measureLinearWorkspace } from './latency/linear-workspace.js';
import { casesOf, measureOperations } from './operations.js';
import { type BenchOptions, type Part, parseOptions, USAGE, UsageError } from './options.js';
import type { Quantities } from './outcomes.js';
import { measureMachine } from './probes/memory.js';
import { measureRowByRow } from './probes/row-by-row.js';
import { BENCH_JSON, outcomesReport, readResults } from './report.js';
import { writeResults } from './result-files.js';
import { type BenchResults, resultsMarkdown, withSpeedups } from './results.js';

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
  if (casesOf(options).length === 0) {
    throw new UsageError(`--filter ${options.filter}: no case has that in its name`);
  }
  const path = options.json ?? BENCH_JSON;
  const before = options.add ? readResults<BenchResults>(path) : undefined;
  const measured = await measureParts(options, readEnvironment());
  const results = before === undefined ? measured : addTo(before, measured);
  const markdown = resultsMarkdown(results);
  writeResults(path, results, markdown);
  console.log(`${markdown}\n\n${outcomesReport({ bench: results })}`);
}

async function measureParts(options: BenchOptions, environment: Environment): Promise<BenchResults> {
  let results: BenchResults = {
    kind: 'softshard bench',
    environment,
    quick: options.quick,
    rows: [],
    skipped: [],
    quantities: {},
  };
  for (const part of options.parts) {
    process.stderr.write(`${part}\n`);
    const measured = await measurePart(part, options);
    const quantities = { ...results.quantities, ...measured.quantities };
    results = { ...results, ...measured, quantities };
  }
  return results;
}

async function measurePart(part: Part, options: BenchOptions): Promise<Partial<BenchResults>> {
  const { quick, threads, numerics } = options;
  const build = numerics.at(-1)!;
  switch (part) {
    case 'latency': {
      const latencies = await measureLatencies(quick);
      const workspace = quick ? {} : { 'linear workspace': await measureLinearWorkspace() };
      return { latencies, quantities: { ...quantitiesOf(latencies), ...workspace } };
    }
    case 'machine': {
      const effort = quick ? { rounds: 1, durationMs: 20 } : { rounds: 3, durationMs: 150 };
      const machine = await measureMachine(threads, build, effort);
      const rounds = quick ? 3 : 31;
      const rowByRow = ([10, 67] as const).map(
        (columns) => [`row-wise 65536 × ${columns}`, measureRowByRow(columns, build, rounds)] as const,
      );
      return { machine, quantities: Object.fromEntries(rowByRow) };
    }
    case 'operations':
      return measureOperationsOn(options);
    default:
      return part satisfies never;
  }
}

async function measureOperationsOn(options: BenchOptions): Promise<Partial<BenchResults>> {
  const engines = await createEngines(options);
  try {
    const { rows, skipped } = await measureOperations(engines, options);
    return { rows: withSpeedups(rows), skipped };
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
}

/** One for each build and thread count. They idle without using a core while another works. */
function createEngines({ numerics, threads }: BenchOptions): Promise<Engine[]> {
  const settings = numerics.flatMap((build) => threads.map((count) => ({ numerics: build, threads: count })));
  return Promise.all(settings.map((setting) => Engine.create(setting)));
}

function quantitiesOf({ step, oneOff, startUp }: Latencies): Quantities {
  return {
    'step overhead': step.medianMs * 1000,
    'one-off operation': Math.max(...Object.values(oneOff).map(({ medianMs }) => medianMs)) * 1000,
    'start-up': startUp.medianMs,
  };
}

/** What was measured again takes the place of what was there. */
function addTo(before: BenchResults, fresh: BenchResults): BenchResults {
  const isMeasuredAgain = (row: BenchResults['rows'][number]): boolean =>
    fresh.rows.some((other) => other.case === row.case && other.shape === row.shape);
  return {
    ...before,
    ...fresh,
    rows: [...before.rows.filter((row) => !isMeasuredAgain(row)), ...fresh.rows],
    quantities: { ...before.quantities, ...fresh.quantities },
  };
}
