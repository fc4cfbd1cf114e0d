// softshard report: a page for people, from what a run has written.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readRun, writeReport } from '../index.js';
import type { ReportFlags } from './command-options.js';
import { checkOutputs, isStandardOutput } from './files.js';
import { interruptible } from './interruption.js';
import { printBeside } from './output.js';

export interface ReportCommandFlags extends Pick<ReportFlags, 'quiet' | 'verbose'> {
  output?: string;
}

export const report = (directory: string, flags: ReportCommandFlags): Promise<void> =>
  interruptible(async (signal) => {
    const facts = await readRun(directory, { signal });
    const out = flags.output ?? join(directory, 'report.html');
    const [target] = await checkOutputs({ '--output': out }, filesOf(directory));
    await writeReport(out, facts, { signal });
    const isOnOutput = target !== undefined && isStandardOutput(target);
    await printBeside(isOnOutput ? '' : `The report is in ${resolve(out)}\n`, isOnOutput, flags.quiet);
  });

/** What a report must not replace. */
const filesOf = (directory: string): readonly string[] =>
  ['config.json', 'environment.json', 'status.json', 'result.json', 'metrics.jsonl']
    .map((name) => join(directory, name))
    .filter(existsSync);
