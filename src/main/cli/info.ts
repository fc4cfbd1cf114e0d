// softshard info: what this machine offers, or what a model file holds.

import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { listed, printable, shortened } from '../../printable.js';
import {
  availableThreads,
  defaultBlas,
  findBlas,
  hugePages,
  NUMERICS,
  readModelFile,
  supportsNumerics,
  supportsWideSimd,
  type Training,
  trustsWideSimd,
  version,
} from '../index.js';
import { checkInputs } from './files.js';
import { count, print, printJson } from './output.js';
import { columnsOf, wrapped } from './terminal.js';

export interface InfoFlags {
  model?: string;
  blas?: string;
  json?: true;
}

export async function info({ model, blas, json }: InfoFlags): Promise<void> {
  if (model === undefined) return json ? printJson(machine(blas)) : print(machineText(blas));
  await checkInputs([model], { model });
  const contents = await readModelFile(model);
  await (json ? printJson(modelJson(model, contents)) : print(modelText(model, contents)));
}

/** The BLAS asked for by file or name; undefined: search the usual places. */
function namedBlas(flag: string | undefined): string | undefined {
  const byDefault = defaultBlas();
  return flag ?? (typeof byDefault === 'string' ? byDefault : undefined);
}

function machine(blasFile?: string) {
  const numerics = NUMERICS.filter(supportsNumerics);
  const blas = findBlas(namedBlas(blasFile));
  return {
    version,
    node: process.versions.node,
    v8: process.versions.v8,
    platform: process.platform,
    arch: process.arch,
    cpu: cpus()[0]?.model.trim() ?? null,
    availableParallelism: availableThreads(),
    simd: numerics.includes('portable'),
    relaxedSimd: numerics.includes('fast'),
    numerics,
    defaultNumerics: numerics.includes('fast') ? 'fast' : 'portable',
    wideSimd: supportsWideSimd(),
    hugePages: hugePages(),
    blas: 'library' in blas ? blas.library : null,
    defaultBlas: defaultBlas(),
    ...('missing' in blas && { blasMissing: blas.missing }),
  };
}

function machineText(blasFile?: string): string {
  const { version, node, v8, platform, arch, cpu, availableParallelism, blas, ...kernels } =
    machine(blasFile);
  const simd = kernels.relaxedSimd ? '128 bits, with fused multiply-add (relaxed SIMD)' : '128 bits';
  const named = namedBlas(blasFile);
  return sections([
    ['softshard', version],
    ['Node', `${node} (V8 ${v8})`],
    ['platform', `${platform} ${arch}`],
    ['CPU', cpu ?? 'unknown'],
    ['threads', `${availableParallelism} by default: what this machine or container allows`],
    ['SIMD', kernels.simd ? simd : 'none: softshard does not run here'],
    [
      'numerics',
      kernels.numerics.map((it) => (it === kernels.defaultNumerics ? `${it} (default)` : it)).join(', '),
    ],
    [
      'wide SIMD',
      kernels.wideSimd
        ? `${trustsWideSimd() ? 'on in commands' : 'available: --wide-simd'}; in TypeScript: Engine.create({ wideSimd: true })`
        : 'not in this Node',
    ],
    ['huge pages', kernels.hugePages.asked ? 'asked for' : `not asked for: ${kernels.hugePages.why}`],
    [
      'BLAS',
      blas === null
        ? `none: ${kernels.blasMissing}`
        : `available: --blas${named ? ` ${named}` : ''} or SOFTSHARD_BLAS=${named ?? 1} (${blas.version || blas.name}, ${blas.path})`,
    ],
    ...(blas?.advice ? [['', blas.advice] as const] : []),
  ]);
}

/** Names listed at most; --json lists all. */
const MOST_NAMES = 100;

/** Without weights and bias: any safetensors reader gets those from the file. */
function modelJson(path: string, { weights, bias, ...header }: Training.Model): object {
  return { model: resolve(path), ...header, parameters: weights.length + bias.length };
}

function modelText(path: string, model: Training.Model): string {
  const { features, classes, weights, bias, classNames, featureNames } = model;
  const { featureScaling, temperature, trainingOptions = {} } = model;
  const scaling = featureScaling
    ? `(feature - ${amount(featureScaling.shift)}) × ${amount(featureScaling.scale)}`
    : 'none';
  return sections([
    ['model', resolve(path)],
    ['written by', `softshard ${shortened(model.softshardVersion)}`],
    ['features', featureNames ? `${count(features)}: ${listed(featureNames, MOST_NAMES)}` : count(features)],
    ['classes', classNames ? `${count(classes)}: ${listed(classNames, MOST_NAMES)}` : count(classes)],
    ['parameters', count(weights.length + bias.length)],
    ['scaling', scaling],
    ...(temperature === undefined ? [] : [['calibration', `temperature ${temperature}`] as const]),
    ...Object.entries(trainingOptions).map(([name, value]) => [name, plain(value)] as const),
  ]);
}

const plain = (value: unknown): string => shortened(parts(value).join(', '));

/** What an object says, part by part: rows.bytes 1532 */
function parts(value: unknown, name = ''): string[] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, part]) => parts(part, name === '' ? key : `${name}.${key}`));
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return [name === '' ? text : `${name} ${text}`];
}

const amount = (values: number | ArrayLike<number>): string =>
  typeof values === 'number' ? String(values) : 'one number for each feature';

/** Two columns, both flush left. */
function sections(parts: readonly (readonly [string, string])[]): string {
  const rows = parts.map(([name, value]) => [printable(shortened(name)), printable(value)] as const);
  const width = Math.max(...rows.map(([name]) => name.length));
  const columns = columnsOf(process.stdout);
  return rows
    .map(([name, value]) => `${wrapped(`${name.padEnd(width)}  ${value}`, columns, width + 2)}\n`)
    .join('');
}
