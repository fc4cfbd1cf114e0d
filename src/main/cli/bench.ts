// softshard bench: how operations and training scale with threads on this machine.

import { readFile } from 'node:fs/promises';
import {
  compareScaling,
  measureRankScaling,
  measureScaling,
  type Numerics,
  type Scaling,
  SoftshardError,
  scalingReport,
  writeTextFile,
} from '../index.js';
import { comparisonText, scalingCsv, scalingText } from './bench-text.js';
import { engineOptions, given, type ReportFlags } from './command-options.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs } from './files.js';
import { interruptible } from './interruption.js';
import { print, printJson } from './output.js';
import { createProgress } from './progress.js';
import { isSilent, ownTransport, type RankFlags } from './ranks.js';

export interface BenchFlags extends Omit<ReportFlags, 'json'>, RankFlags, Scaling.ScalingShape {
  /** true: without a number. */
  ranks?: true | number;
  preset?: Scaling.ScalingPreset[];
  operations?: Scaling.ScalingOperation[];
  threads?: number[];
  seconds?: number;
  quick?: true;
  /** --no-try */
  try: boolean;
  numerics?: Numerics;
  wideSimd?: boolean;
  blas?: true | string;
  /** true: on standard output. */
  json?: true | string;
  csv?: string;
  report?: string;
  compare?: string;
}

export async function bench(flags: BenchFlags): Promise<void> {
  const { json, csv, report, compare } = flags;
  checkRankFlags(flags);
  await checkInputs([isSilent() ? undefined : compare], flags);
  // Rank 0 compares.
  const before = compare === undefined || isSilent() ? undefined : await readResult(compare);
  const jsonFile = typeof json === 'string' ? json : undefined;
  const outputs = { '--json': jsonFile, '--csv': csv, '--report': report };
  await checkOutputs(outputs, [compare], json === true ? true : undefined);
  const result = await interruptible((signal) => measure(flags, signal));
  // Rank 0 has the same figures.
  if (isSilent()) return;
  const comparison = before && compareScaling(before, result);
  const facts = comparison === undefined ? result : { ...result, comparison };
  if (jsonFile !== undefined) await writeTextFile(jsonFile, `${JSON.stringify(facts, undefined, 2)}\n`);
  if (csv !== undefined) await writeTextFile(csv, scalingCsv(result));
  if (report !== undefined) await writeTextFile(report, scalingReport(result, comparison));
  if (json === true) return printJson(facts);
  await print(scalingText(result));
  if (comparison !== undefined) await print(comparisonText(comparison));
  for (const path of [jsonFile, csv, report]) if (path !== undefined) await print(`Wrote ${path}\n`);
}

/** Throws UsageError for what does not go together. */
function checkRankFlags(flags: BenchFlags): void {
  const { ranks, threads } = flags;
  const transport = ownTransport();
  if (transport === undefined) {
    if (ranks === undefined) return;
    const count = ranks === true ? 4 : ranks;
    throw new UsageError(
      `--ranks measures between processes that MPI starts: mpirun --bind-to none -np ${count} npx softshard bench`,
    );
  }
  if (typeof ranks === 'number' && ranks !== transport.ranks) {
    throw new UsageError(`--ranks ${ranks}: mpirun has started ${transport.ranks}: leave the number out`);
  }
  const other = (['preset', 'operations', 'columns'] as const).find((name) => flags[name] !== undefined);
  if (other !== undefined) {
    throw new UsageError(
      `--${other} is of one process: ranks measure full-batch passes of --rows, --features and --classes`,
    );
  }
  if (threads === undefined || threads.length === 1) return;
  throw new UsageError(`--threads ${threads.join(',')}: ranks all have one number of threads`);
}

async function measure(flags: BenchFlags, signal: AbortSignal): Promise<Scaling.ScalingResult> {
  const { preset, operations, threads, seconds, quick, ...kernels } = flags;
  const { numerics, wideSimd, blas } = engineOptions(kernels);
  const { rows, columns, features, classes } = kernels;
  const shape = given({ rows, columns, features, classes });
  const transport = ownTransport();
  const progress = await createProgress(flags);
  let what = '';
  let advance = (_fraction: number) => {};
  const onProgress = (now: Scaling.ScalingProgress): void => {
    if (now.what !== what) {
      what = now.what;
      progress.stop();
      if (!process.stderr.isTTY) progress.note(`measuring ${what}`);
      advance = progress.working(`measuring ${what}`);
    }
    advance(now.fraction);
  };
  const common = { seconds, quick, numerics, wideSimd, blas, signal, onProgress };
  try {
    if (transport !== undefined) {
      const ofRanks = { rows, features, classes, threads: threads?.[0] };
      return await measureRankScaling(transport, given({ ...common, ...ofRanks }));
    }
    return await measureScaling(
      given({
        ...common,
        presets: preset,
        shape: Object.keys(shape).length === 0 ? undefined : shape,
        operations,
        threads,
        tryOptions: flags.try,
      }),
    );
  } finally {
    progress.stop();
  }
}

async function readResult(path: string): Promise<Scaling.ScalingResult> {
  const text = await readFile(path, 'utf8');
  try {
    const result = JSON.parse(text) as Scaling.ScalingResult;
    // Says at once what is wrong with it, not after a minute.
    compareScaling(result, result);
    return result;
  } catch (cause) {
    const message = `${path}: is no measurement of softshard bench --json: name the file that it wrote`;
    throw new SoftshardError('ERR_FORMAT', message, { value: path, cause });
  }
}
