// The page in a file.

import { checkOptionNames, checkPath, checkSignal } from '../checks.js';
import { type WriteOptions, writeFileAtomically } from '../outputs/write-atomically.js';
import type { ReportFacts } from './facts.js';
import { renderReport } from './render-report.js';

/** Writes renderReport(facts) to `path`, which is replaced at once. Throws ERR_TYPE before, and ERR_FILE. */
export async function writeReport(
  path: string,
  facts: ReportFacts,
  options: WriteOptions = {},
): Promise<void> {
  checkPath(path);
  checkOptionNames('options', options, ['signal']);
  const signal = checkSignal('options.signal', options.signal);
  const page = Buffer.from(renderReport(facts));
  await writeFileAtomically(path, (write) => write(page), signal);
}
