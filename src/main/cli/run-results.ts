// The end of a run: its results, with what a report needs, and the report.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../errors.js';
import {
  evaluationFacts,
  type RunDirectory,
  readRun,
  type SoftmaxClassifier,
  writeReport,
} from '../index.js';
import type { Evaluated } from './held-out.js';
import type { Progress } from './progress.js';
import { isSilent } from './ranks.js';

/** What a command has come to. */
interface RunResult {
  /** What --json prints. */
  readonly facts: object;
  /** For people. */
  readonly text: string | undefined;
  readonly classifier: SoftmaxClassifier;
  readonly evaluated: Evaluated;
}

/** Call when the model is saved. A report that cannot be written is a warning. */
export async function finishRun(
  run: RunDirectory,
  { facts, text, classifier: { classNames }, evaluated: { of, evaluation } }: RunResult,
  progress: Progress,
): Promise<void> {
  if (text !== undefined) run.note(text);
  await run.finish({ ...facts, evaluation: evaluationFacts(evaluation, { classNames, of }) });
  try {
    await writeReport(run.path(REPORT), await readRun(run.folder));
  } catch (error) {
    progress.warn(`warning: the run is finished, but without a report: ${messageOf(error)}`);
  }
}

const REPORT = 'report.html';

/** Of a finished run whose process was killed before it had a report. Where nothing can be written any more, it stays without. */
export async function addMissingReport(folder: string): Promise<void> {
  const path = join(folder, REPORT);
  if (!isSilent() && !existsSync(path)) await writeReport(path, await readRun(folder)).catch(() => {});
}
