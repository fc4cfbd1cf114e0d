// The files of a run directory: their names, and JSON that is replaced at once.
import { readFile } from 'node:fs/promises';
import { messageOf, SoftshardError } from '../../errors.js';
import type { Json } from '../models/model-file.js';
import { codeOf } from '../outputs/output.js';
import { writeFileAtomically } from '../outputs/write-atomically.js';

export const RunFile = {
  config: 'config.json',
  environment: 'environment.json',
  status: 'status.json',
  metrics: 'metrics.jsonl',
  log: 'log.txt',
  model: 'model.safetensors',
  result: 'result.json',
} as const;

export type JsonObject = { readonly [name: string]: Json };

export type RunState = 'running' | 'interrupted' | 'failed' | 'finished';

/** status.json */
export interface RunStatus {
  readonly state: RunState;
  readonly pid: number;
  readonly host: string;
  /** Of the run's first start, and of the last change; as Date.toISOString gives them. */
  readonly startedAt: string;
  readonly updatedAt: string;
  /** Why it was interrupted or failed. */
  readonly cause?: string;
}

/** Arrays of numbers that JSON.stringify spread over lines; JSON strings contain no line feeds. */
const NUMBER_ARRAYS = /\[\n([^[\]{}"]*)\n *\]/g;

/** NaN and infinities are null, typed arrays arrays of numbers. */
export async function writeJson(path: string, value: object): Promise<void> {
  const json = JSON.stringify(
    value,
    (_, part: unknown) => (ArrayBuffer.isView(part) ? Array.from(part as unknown as Iterable<number>) : part),
    2,
  );
  const compact = json.replace(
    NUMBER_ARRAYS,
    (_, entries: string) => `[${entries.trim().replace(/\s+/g, ' ')}]`,
  );
  await writeFileAtomically(path, (write) => write(Buffer.from(`${compact}\n`)));
}

/** Undefined where there is none. Throws ERR_FILE and ERR_FORMAT. */
export async function readJson(path: string): Promise<JsonObject | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return undefined;
    throw new SoftshardError('ERR_FILE', `${path}: cannot be read: ${messageOf(cause)}`, {
      value: path,
      cause,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
    throw new Error(`it holds ${typeof value}`);
  } catch (cause) {
    const message = `${path}: expected a JSON object (${messageOf(cause)}): the run directory is damaged`;
    throw new SoftshardError('ERR_FORMAT', message, { value: path, cause });
  }
}
