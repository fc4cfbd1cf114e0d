// Which workloads are measured: those of presets, or of the caller's own shape.
import { SoftshardError } from '../../errors.js';
import { checkArray, checkInteger, checkOneOf, checkOptionNames } from '../checks.js';
import { MAX_ARENA_BYTES } from '../memory/arena.js';
import { linearWorkload } from './workloads/linear.js';
import { rowWorkload } from './workloads/rows.js';
import { passWorkload, stepWorkload } from './workloads/training.js';
import { OPERATIONS, type ScalingOperation, type Workload } from './workloads/workload.js';

/** Shapes to choose from: a language model's classes, a linear model on embeddings, one on images of 28 × 28. */
export type ScalingPreset = 'vocab' | 'probe' | 'images';

export interface ScalingShape {
  /** Default 8192. */
  rows?: number | undefined;
  /** Logits of a row, for softmax and cross-entropy; default: the classes. */
  columns?: number | undefined;
  /** Of a linear layer's inputs, for linear cross-entropy and training. */
  features?: number | undefined;
  classes?: number | undefined;
}

type Shape = Readonly<
  { rows: number } & { [Name in Exclude<keyof ScalingShape, 'rows'>]: number | undefined }
>;

interface PresetShape {
  readonly shape: Shape;
  /** Where figures do not matter. */
  readonly quick: Shape;
}

export const PRESETS: Readonly<Record<ScalingPreset, PresetShape>> = {
  vocab: {
    shape: { rows: 256, columns: 32768, features: 256, classes: 32768 },
    quick: { rows: 128, columns: 8192, features: 64, classes: 8192 },
  },
  probe: {
    shape: { rows: 4096, columns: 100, features: 768, classes: 100 },
    quick: { rows: 2048, columns: 100, features: 256, classes: 100 },
  },
  // Ten logits a row are too few to measure by themselves.
  images: {
    shape: { rows: 8192, columns: undefined, features: 784, classes: 10 },
    quick: { rows: 4096, columns: undefined, features: 784, classes: 10 },
  },
};
export const PRESET_NAMES = Object.keys(PRESETS) as ScalingPreset[];

export interface PlannedWorkload extends Workload {
  readonly preset: string;
}

export interface WorkloadChoice {
  /** Default all, where no shape is given. */
  presets?: readonly ScalingPreset[] | undefined;
  /** The caller's own, or what is other than in the one preset. */
  shape?: ScalingShape | undefined;
  /** Default all that fit the shape. */
  operations?: readonly ScalingOperation[] | undefined;
}

const DEFAULT_ROWS = 8192;
/** With fewer, whoever has logits has them anyway; the training of more takes long. */
const LEAST_LINEAR_CLASSES = 1024;
const MOST_TRAINING_CLASSES = 4096;
const BATCH_ROWS = 1024;
/** Steps of a call. */
const MOST_BATCHES = 16;
const MOST = 2 ** 31 - 1;

/** Throws ERR_OPTION. */
export function planWorkloads(
  { presets, shape, operations }: WorkloadChoice,
  quick: boolean,
): PlannedWorkload[] {
  if (presets !== undefined) checkNames('options.presets', presets, PRESET_NAMES);
  if (operations !== undefined) checkNames('options.operations', operations, OPERATIONS);
  const own = checkShape(shape);
  const names = presets ?? (own === undefined ? PRESET_NAMES : []);
  if (own !== undefined && names.length > 1) {
    const argument = `options.shape.${Object.keys(own)[0]}`;
    const message = `${argument} is given with several presets: name one, or none`;
    throw new SoftshardError('ERR_OPTION', message, { argument, value: shape });
  }
  const shapes =
    names.length === 0
      ? [['own', ownShape(own!)] as const]
      : names.map((name) => [name, { ...PRESETS[name][quick ? 'quick' : 'shape'], ...own }] as const);
  const wanted = new Set<ScalingOperation>(operations ?? OPERATIONS);
  const planned = shapes.flatMap(([preset, one]) =>
    workloadsOf(one, operations !== undefined)
      .filter(({ operation }) => wanted.has(operation))
      .map((workload): PlannedWorkload => ({ ...workload, preset })),
  );
  if (planned.length === 0) {
    const message = `options.operations is ${[...wanted].join(', ')}: none fits the shape; softmax and crossEntropyGradient need columns, the others features and classes`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.operations', value: operations });
  }
  for (const workload of planned) checkSize(workload);
  return planned;
}

/** All that fit the shape; `any`: also those that it is not usual for. */
function workloadsOf({ rows, columns, features, classes }: Shape, any: boolean): Workload[] {
  const workloads: Workload[] = [];
  if (columns !== undefined) {
    workloads.push(rowWorkload('softmax', rows, columns), rowWorkload('crossEntropyGradient', rows, columns));
  }
  if (features === undefined || classes === undefined) return workloads;
  if (any || classes >= LEAST_LINEAR_CLASSES) workloads.push(linearWorkload({ rows, features, classes }));
  if (!any && classes > MOST_TRAINING_CLASSES) return workloads;
  const batchSize = Math.min(rows, BATCH_ROWS);
  const steps = { features, classes, batchSize, rows: Math.min(rows, MOST_BATCHES * batchSize), epochs: 1 };
  workloads.push(stepWorkload(steps), passWorkload({ rows, features, classes }));
  return workloads;
}

function ownShape({ rows = DEFAULT_ROWS, columns, features, classes }: ScalingShape): Shape {
  if (columns === undefined && classes === undefined) {
    const message =
      'options.shape.columns and options.shape.classes are both left out: give one of them, or a preset';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.shape.columns' });
  }
  if (features !== undefined && classes === undefined) {
    const message = `options.shape.features is ${features}, but there are no classes: give options.shape.classes too`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.shape.classes' });
  }
  return { rows, columns: columns ?? classes, features, classes };
}

/** What is given of it. */
function checkShape(shape: ScalingShape | undefined): Partial<Shape> | undefined {
  if (shape === undefined) return undefined;
  checkOptionNames('options.shape', shape, ['rows', 'columns', 'features', 'classes']);
  const given = Object.entries(shape).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    checkInteger(`options.shape.${name}`, value, name === 'rows' || name === 'features' ? 1 : 2, MOST);
  }
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function checkNames<Name extends string>(
  argument: string,
  names: readonly Name[],
  known: readonly Name[],
): void {
  checkArray(argument, names, 'names');
  for (const [index, name] of names.entries()) checkOneOf(`${argument}[${index}]`, name, known);
  if (names.length > 0) return;
  throw new SoftshardError('ERR_OPTION', `${argument} is empty: leave it out for all`, { argument });
}

/** Of the arena, for what a call itself takes. */
const ARENA_SHARE = 7 / 8;

function checkSize({ operation, rows, bytes }: PlannedWorkload): void {
  const needed = bytes(rows);
  if (needed <= MAX_ARENA_BYTES * ARENA_SHARE) return;
  const most = Math.floor((rows * MAX_ARENA_BYTES * ARENA_SHARE) / needed);
  const message =
    `options.shape.rows is ${rows}: ${operation} would take ${(needed / 2 ** 30).toFixed(1)} GiB, more than an engine's ` +
    `memory of 4 GiB: give ${most >= 1 ? `about ${most} rows` : 'a smaller shape'}; scaling shows with fewer, too`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.shape.rows', value: rows });
}

/** 512 × 32768, or of a linear layer 8192 × 768 × 100. */
export const shapeText = ({
  rows,
  columns,
  features,
  classes,
}: Pick<Workload, 'rows' | 'columns' | 'features' | 'classes'>): string =>
  (columns === undefined ? [rows, features, classes] : [rows, columns]).join(' × ');
