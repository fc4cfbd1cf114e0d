// The facts of a run directory: its files, as far as they are there.
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { messageOf, SoftshardError } from '../../errors.js';
import { checkOptionNames, checkPath, checkSignal } from '../checks.js';
import { checkFacts } from './check-facts.js';
import type { ReportFacts } from './facts.js';
import { MetricsLines } from './metrics-lines.js';

export interface ReadRunOptions {
  /** Aborting rejects with signal.reason. */
  readonly signal?: AbortSignal | undefined;
}

const FILES = {
  config: 'config.json',
  environment: 'environment.json',
  status: 'status.json',
  result: 'result.json',
} as const;
const METRICS = 'metrics.jsonl';

/**
 * Of a run that has ended or goes on. Files that are missing are left out, and so is a last line of metrics that is not whole.
 * Throws ERR_FILE where there is none of the files, ERR_FORMAT for one that is damaged.
 */
export async function readRun(directory: string, options: ReadRunOptions = {}): Promise<ReportFacts> {
  checkPath(directory);
  checkOptionNames('options', options, ['signal']);
  checkSignal('options.signal', options.signal);
  const { signal } = options;
  signal?.throwIfAborted();
  const facts: Record<string, unknown> = {};
  for (const [name, file] of Object.entries(FILES)) {
    const content = await readJson(join(directory, file), signal);
    if (content !== undefined) facts[name] = content;
  }
  const metrics = await readMetrics(join(directory, METRICS), signal);
  if (metrics !== undefined) facts.metrics = metrics;
  if (Object.keys(facts).length === 0) throw await noRun(directory);
  try {
    return checkFacts(facts);
  } catch (error) {
    if (!(error instanceof SoftshardError)) throw error;
    // facts.result.loss -> result.json: loss
    const message = error.message.replace(/^facts\.(\w+)\.?/, (_, name: string) => {
      const file = FILES[name as keyof typeof FILES] ?? METRICS;
      return `${join(directory, file)}: `;
    });
    throw new SoftshardError('ERR_FORMAT', message, { value: error.value, cause: error });
  }
}

async function noRun(directory: string): Promise<SoftshardError> {
  const isThere = await stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const files = [...Object.values(FILES), METRICS].join(', ');
  const message = isThere
    ? `${directory}: holds no run: expected ${files}, as train --run writes them`
    : `${directory}: there is no such folder: name one that train --run or sweep --run has written`;
  return new SoftshardError('ERR_FILE', message, { value: directory });
}

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

async function readJson(path: string, signal: AbortSignal | undefined): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, { encoding: 'utf8', ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    if (isMissing(cause)) return undefined;
    throw new SoftshardError('ERR_FILE', `${path}: cannot be read: ${messageOf(cause)}`, {
      value: path,
      cause,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SoftshardError('ERR_FORMAT', `${path}: is no JSON: ${messageOf(cause)}`, {
      value: path,
      cause,
    });
  }
}

/** Undefined where there is no such file. */
async function readMetrics(path: string, signal: AbortSignal | undefined): Promise<unknown> {
  const lines = new MetricsLines();
  let number = 0;
  let damaged: { readonly line: number; readonly cause: unknown } | undefined;
  const stream = createReadStream(path, { encoding: 'utf8', ...(signal && { signal }) });
  try {
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (damaged !== undefined) throw damagedLine(path, damaged);
      if (text.trim() === '') continue;
      try {
        lines.add(JSON.parse(text));
      } catch (cause) {
        // The last line may be one that is being written.
        damaged = { line: number, cause };
      }
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof SoftshardError) throw cause;
    if (isMissing(cause)) return undefined;
    throw new SoftshardError('ERR_FILE', `${path}: cannot be read: ${messageOf(cause)}`, {
      value: path,
      cause,
    });
  } finally {
    stream.destroy();
  }
  return lines.all;
}

const damagedLine = (path: string, { line, cause }: { readonly line: number; readonly cause: unknown }) =>
  new SoftshardError('ERR_FORMAT', `${path}: line ${line} is no JSON: ${messageOf(cause)}`, {
    value: path,
    cause,
  });
