// softshard verify: does a finished run again, in a folder of its own, and compares what came of it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { compareRuns, hashFiles, type Runs, SoftshardError } from '../index.js';
import { given, type ReportFlags } from './command-options.js';
import { ComparisonFailed, UsageError } from './failures.js';
import { counted, print, printJson } from './output.js';
import { createProgress } from './progress.js';
import { isSilent, onRank0 } from './ranks.js';
import { argumentsOf, enterFolder, readStoredRun, type StoredRun } from './resume.js';
import type { SweepFlags } from './sweep-plan.js';
import type { TrainFlags } from './train.js';

export interface VerifyFlags extends ReportFlags {
  threads?: number;
  memory?: number;
}

export async function verify(folder: string, flags: VerifyFlags): Promise<void> {
  const run = await readStoredRun(folder);
  if (run.status.state !== 'finished') {
    throw new UsageError(
      `${folder}: the run is ${run.status.state}, and only a finished one can be verified: softshard ${run.config.command} --resume ${folder} goes on with it`,
    );
  }
  enterFolder(run);
  await onRank0(() => checkData(folder, run));
  // Rank 0 alone writes there, and compares.
  if (isSilent()) return replay(run, flags, join(tmpdir(), 'softshard-verify-of-rank-0'));
  const { onExit } = await import('signal-exit');
  const temporary = mkdtempSync(join(tmpdir(), 'softshard-verify-'));
  const forget = onExit(() => rmSync(temporary, { recursive: true, force: true }));
  try {
    const again = join(temporary, 'run');
    await replay(run, flags, again);
    await report(folder, run, flags, await compareRuns(run.folder, again));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    forget();
  }
}

/** Other data give another model, which says nothing about the run. */
async function checkData(folder: string, { environment }: StoredRun): Promise<void> {
  for (const { name, path, sha256 } of environment.data) {
    const now = await hashFiles(path);
    if (now.sha256 === sha256) continue;
    const message = `${folder}: cannot be done again, as its ${name} have changed: ${path} has SHA-256 ${now.sha256.slice(0, 16)}…, and had ${sha256.slice(0, 16)}…`;
    throw new SoftshardError('ERR_CHECKPOINT', message, { value: path });
  }
}

async function replay(run: StoredRun, { threads, memory, quiet }: VerifyFlags, again: string): Promise<void> {
  const { program } = await import('./program.js');
  const name = run.config.command;
  const command = program().commands.find((each) => each.name() === name)!;
  const flags = await flagsOf(command, argumentsOf(run, command));
  const all = { ...flags, ...given({ threads, memory, quiet }), run: again, isReplay: true as const };
  if (name === 'train') await (await import('./train.js')).train(all as TrainFlags);
  else await (await import('./sweep.js')).sweep(all as SweepFlags);
}

/** What the command would be called with. */
async function flagsOf(command: Command, args: readonly string[]): Promise<object> {
  let flags: object = {};
  command.action((parsed: object) => {
    flags = parsed;
  });
  await command.parseAsync([...args], { from: 'user' });
  return flags;
}

async function report(
  folder: string,
  { environment }: StoredRun,
  flags: VerifyFlags,
  comparison: Runs.RunComparison,
): Promise<void> {
  const { equal, differences, parameters, lines } = comparison;
  if (flags.json) await printJson({ folder, ...comparison });
  else if (equal) {
    await print(
      `equal: all parameters (SHA-256 ${parameters[0].slice(0, 16)}…) and ${counted(lines[0], 'line')} of metrics\n`,
    );
  } else await print(`different:\n${differences.map((difference) => `  ${difference}\n`).join('')}`);
  if (equal) return;
  await noteEnvironment(environment, flags);
  throw new ComparisonFailed(`${folder}: doing the run again gives something else`);
}

/** What may be why. */
async function noteEnvironment(before: Runs.RunEnvironment, flags: VerifyFlags): Promise<void> {
  const { version } = await import('../version.js');
  const progress = await createProgress(flags);
  if (before.softshard !== version) {
    progress.warn(`the run is of softshard ${before.softshard}, this is ${version}`);
  }
  if (before.node !== process.versions.node) {
    progress.warn(`the run is of Node ${before.node}, this is ${process.versions.node}`);
  }
}
