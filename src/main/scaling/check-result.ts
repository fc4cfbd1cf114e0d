// Measurements and comparisons that come from a file or a caller: whether they are what they should be, to the last number.
import { SoftshardError } from '../../errors.js';
import type { ScalingComparison, ScalingResult } from './result.js';

/** What a value must be. A name with ? may be missing. */
type Shape = 'number' | 'string' | 'boolean' | readonly [Shape] | { readonly [name: string]: Shape };

const numbers = (...names: string[]): Record<string, Shape> =>
  Object.fromEntries(names.map((name) => [name, 'number']));

const POINT: Shape = numbers(
  'threads',
  'ranks',
  'rows',
  'medianMs',
  'q1Ms',
  'q3Ms',
  'samples',
  'spread',
  'otherCores',
  'speedup',
  'efficiency',
  'gbPerSecond',
  'gflops',
  'memoryShare',
  'arithmeticShare',
);

const SUM: Shape = numbers('bytes', 'medianMs', 'q1Ms', 'q3Ms', 'samples', 'gbPerSecond');

const PREDICTED: Shape = numbers('ranks', 'rows', 'ms', 'networkMs', 'busyRanks', 'efficiency');

const RANKS: Shape = {
  ...numbers('ranks', 'threads', 'branches', 'load'),
  hosts: [{ host: 'string', ranks: 'number' }],
  barrier: SUM,
  sums: [SUM],
  sumsBitsEqual: 'boolean',
  'oneProcess?': numbers('threads', 'medianMs', 'q1Ms', 'q3Ms', 'samples', 'speedup'),
  transport: numbers('callMs', 'latencyMs', 'bytesPerMs', 'addBytesPerMs'),
  pass: { ...numbers('rowMs', 'fixedMs'), calls: [{ kind: 'string', ...numbers('bytes', 'count') }] },
  modelMs: ['number'],
  predictions: [{ gbitPerSecond: 'number', strong: [PREDICTED], weak: [PREDICTED], text: 'string' }],
};

const RESULT: Shape = {
  kind: 'string',
  environment: {
    date: 'string',
    softshard: 'string',
    node: 'string',
    v8: 'string',
    platform: 'string',
    cpu: 'string',
    ...numbers('cores', 'memoryBytes', 'loadBefore'),
    numerics: 'string',
    wideSimd: 'boolean',
    'blas?': 'string',
  },
  quick: 'boolean',
  durationMs: 'number',
  threads: ['number'],
  roofs: [{ ...numbers('threads', 'gflops'), gbPerSecond: numbers('write', 'read', 'scale', 'copy') }],
  workloads: [
    {
      operation: 'string',
      preset: 'string',
      rows: 'number',
      ...numbers('columns?', 'features?', 'classes?'),
      bitsEqual: 'boolean',
      strong: [POINT],
      weak: [POINT],
      verdict: {
        bound: 'string',
        ...numbers('boundFrom?', 'scalesTo', 'efficiency', 'threads'),
        text: 'string',
      },
      tried: [{ option: 'string', ...numbers('ratio', 'low', 'high') }],
    },
  ],
  recommendation: { threads: 'number', wideSimd: 'boolean', blas: 'boolean', text: 'string' },
  'ranks?': RANKS,
  warnings: ['string'],
};

const COMPARISON: Shape = {
  points: [
    {
      operation: 'string',
      preset: 'string',
      shape: 'string',
      kind: 'string',
      ...numbers('threads', 'ranks', 'beforeMs', 'afterMs', 'ratio', 'low', 'high'),
      change: 'string',
    },
  ],
  differences: ['string'],
  unmatched: 'number',
};

/** A copy. Throws ERR_FORMAT. */
export function checkScalingResult(argument: string, value: unknown): ScalingResult {
  const result = jsonOf(value) as ScalingResult;
  const fault = faultOf(result, RESULT, argument);
  const isOne = fault === undefined && result.kind === 'softshard scaling';
  const isFilled =
    isOne && result.roofs.length > 0 && result.workloads.every(({ strong }) => strong.length > 0);
  if (isFilled) return result;
  throw notOne(argument, fault, 'measureScaling gives or softshard bench --json writes');
}

/** A copy. Throws ERR_FORMAT. */
export function checkScalingComparison(argument: string, value: unknown): ScalingComparison {
  const comparison = jsonOf(value);
  const fault = faultOf(comparison, COMPARISON, argument);
  if (fault === undefined) return comparison as ScalingComparison;
  throw notOne(argument, fault, 'compareScaling gives');
}

function notOne(argument: string, fault: string | undefined, what: string): SoftshardError {
  const where = fault === undefined || fault === argument ? '' : ` (${fault} is not what it should be)`;
  return new SoftshardError('ERR_FORMAT', `${argument} is not what ${what}${where}`, { argument });
}

/** As it is read from a file; undefined where it cannot be written. */
function jsonOf(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch {
    return undefined;
  }
}

/** The path of the first value that is not of the shape. */
function faultOf(value: unknown, shape: Shape, path: string): string | undefined {
  if (typeof shape === 'string') return typeof value === shape ? undefined : path;
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== Array.isArray(shape))
    return path;
  if (Array.isArray(value)) {
    const [of] = shape as readonly [Shape];
    return firstOf(value, (item, index) => faultOf(item, of, `${path}[${index}]`));
  }
  return firstOf(Object.entries(shape as Record<string, Shape>), ([key, of]) => {
    const name = key.replace('?', '');
    const field = (value as Record<string, unknown>)[name];
    if (field === undefined && key !== name) return undefined;
    return faultOf(field, of, `${path}.${name}`);
  });
}

function firstOf<Item>(
  items: readonly Item[],
  fault: (item: Item, index: number) => string | undefined,
): string | undefined {
  for (const [index, item] of items.entries()) {
    const found = fault(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}
