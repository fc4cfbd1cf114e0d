// Whether two runs came to the same: parameters bit by bit, and lines of metrics but for their times.
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { types } from 'node:util';
import { checkPath } from '../checks.js';
import { type Model, readModelFile } from '../models/model-file.js';
import { codeOf } from '../outputs/output.js';
import { differencesOf } from './differences.js';
import { RunFile } from './run-files.js';

export interface RunComparison {
  readonly equal: boolean;
  /** What differs, a line each; at most a few of the lines of metrics. */
  readonly differences: readonly string[];
  /** SHA-256 of weights, bias and feature scaling of both. */
  readonly parameters: readonly [string, string];
  /** How many lines of metrics both have. */
  readonly lines: readonly [number, number];
}

const MOST_LINES_TOLD = 5;

/** Of two folders of finished runs. Throws ERR_FILE and ERR_FORMAT. */
export async function compareRuns(first: string, second: string): Promise<RunComparison> {
  for (const folder of [first, second]) checkPath(folder);
  const models = [
    await readModelFile(join(first, RunFile.model)),
    await readModelFile(join(second, RunFile.model)),
  ];
  const parameters = [hashOf(models[0]!), hashOf(models[1]!)] as const;
  const { lines, differences } = await compareLines(first, second);
  if (parameters[0] !== parameters[1]) {
    const [a, b] = parameters.map((hash) => hash.slice(0, 16));
    differences.unshift(`parameters: SHA-256 ${a}… and ${b}…${firstParameter(models[0]!, models[1]!)}`);
  }
  return { equal: differences.length === 0, differences, parameters, lines };
}

const partsOf = ({ weights, bias, featureScaling }: Model): [string, ArrayLike<number>][] => [
  ['weights', weights],
  ['bias', bias],
  ...(['shift', 'scale'] as const).map((part): [string, ArrayLike<number>] => {
    const values = featureScaling?.[part] ?? [];
    return [`feature scaling's ${part}`, typeof values === 'number' ? [values] : values];
  }),
];

function hashOf(model: Model): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([model.features, model.classes]));
  for (const [name, values] of partsOf(model)) {
    hash.update(name);
    hash.update(Float64Array.from(values));
  }
  return hash.digest('hex');
}

function firstParameter(a: Model, b: Model): string {
  const others = partsOf(b);
  for (const [place, [name, values]] of partsOf(a).entries()) {
    const other = others[place]![1];
    if (values.length !== other.length) return `, ${values.length} and ${other.length} ${name}`;
    for (let i = 0; i < values.length; i++) {
      if (!Object.is(values[i], other[i])) return `, first ${name}[${i}]: ${values[i]} and ${other[i]}`;
    }
  }
  return '';
}

async function compareLines(first: string, second: string) {
  const ofSecond = linesOf(second);
  const differences: string[] = [];
  const lines: [number, number] = [0, 0];
  let differing = 0;
  for await (const line of linesOf(first)) {
    lines[0]++;
    const { value: other, done } = await ofSecond.next();
    if (done) continue;
    lines[1]++;
    const found = differencesOf(withoutTime(line), withoutTime(other));
    if (found.length === 0 || differing++ >= MOST_LINES_TOLD) continue;
    const told = found.map(({ place, before, now }) => `${place} is ${before} and ${now}`);
    differences.push(`line ${lines[0]} of ${RunFile.metrics}: ${told.join(', ')}`);
  }
  for await (const _ of ofSecond) lines[1]++;
  if (differing > MOST_LINES_TOLD)
    differences.push(`${differing - MOST_LINES_TOLD} more lines of ${RunFile.metrics}`);
  if (lines[0] !== lines[1]) differences.push(`${RunFile.metrics}: ${lines[0]} and ${lines[1]} lines`);
  return { lines, differences };
}

async function* linesOf(folder: string): AsyncGenerator<string, undefined, undefined> {
  let file: FileHandle;
  try {
    file = await open(join(folder, RunFile.metrics));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    yield* file.readLines({ autoClose: false });
  } finally {
    await file.close();
  }
  return undefined;
}

function withoutTime(line: string): unknown {
  try {
    const { time: _, ...metrics } = JSON.parse(line) as Record<string, unknown>;
    return metrics;
  } catch (error) {
    if (types.isNativeError(error)) return line;
    throw error;
  }
}
