// A trained model as one file: what is needed to predict with it, and how it came about.

import { messageOf, SoftshardError } from '../../errors.js';
import type { Cancellation } from '../cancellation.js';
import type { ByteSource } from '../data/byte-source.js';
import { withByteSource } from '../data/data-file.js';
import { formatError } from '../data/errors.js';
import { isWithin, type JsonBounds } from '../json-bounds.js';
import { writeFileAtomically } from '../outputs/write-atomically.js';
import { findBadParameter } from './not-finite.js';
import {
  damaged,
  type Float32Tensor,
  inShort,
  isRecord,
  type Metadata,
  readSafetensors,
  writeSafetensors,
} from './safetensors.js';
import type { FeatureScaling } from './scaling.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface Model {
  /** [features × classes], finite */
  readonly weights: Float32Array;
  /** [classes], finite or -Infinity */
  readonly bias: Float32Array;
  readonly features: number;
  /** At least 2. */
  readonly classes: number;
  readonly classNames?: readonly string[];
  /** 'number': class names are the labels, which were numbers. */
  readonly labelType?: 'number';
  /** All different. */
  readonly featureNames?: readonly string[];
  /** Numbers for each feature are stored as float32, numbers for all features as they are. */
  readonly featureScaling?: FeatureScaling;
  /** What `calibrate` has divided weights and bias by; absent where it has not. */
  readonly temperature?: number;
  readonly trainingOptions?: Readonly<Record<string, Json>>;
  /** The version that trained the model. */
  readonly softshardVersion: string;
}

/** Raised when a reader of the former version would misunderstand the file. */
const FORMAT_VERSION = '1';

/** Of options that are kept with a model: what reads them may well go through them recursively. */
const OPTIONS_BOUNDS: JsonBounds = { depth: 64, entries: 1_000_000 };

const AN_OBJECT = 'an object';

const SCALING_PARTS = ['shift', 'scale'] as const;
const scalingTensor = (part: 'shift' | 'scale'): string => `featureScaling.${part}`;

/** Replaces the file at once and completely or, when that fails, not at all. Pipes and devices are written to. */
export async function writeModelFile(path: string, model: Model, signal?: Cancellation): Promise<void> {
  const tensors = tensorsOf(model);
  const metadata = metadataOf(model);
  await writeFileAtomically(path, (write) => writeSafetensors(write, tensors, metadata), signal);
}

export async function readModelFile(path: string): Promise<Model> {
  return withByteSource(path, {}, async (source) => {
    const { metadata, tensors } = await readSafetensors(source, (found, shapes) => {
      expectModel(source, found);
      expectShapes(source, shapes);
    });
    const weights = tensors.get('weights')!;
    const [features, classes] = weights.dims as [number, number];
    const bias = tensors.get('bias')!;
    expectFinite(source, 'weights', weights.data);
    expectFinite(source, 'bias', bias.data);
    const classNames = parseNames(source, metadata, 'classNames', classes);
    const featureNames = parseNames(source, metadata, 'featureNames', features);
    if (featureNames && new Set(featureNames).size < features) {
      throw damaged(source, 'metadata "featureNames" to be different strings', featureNames);
    }
    const featureScaling = parseScaling(source, metadata, tensors);
    const temperature = parseTemperature(source, metadata);
    const labelType = classNames !== undefined && metadata.labelType === 'number' ? 'number' : undefined;
    const trainingOptions = parseJson(source, metadata, 'trainingOptions', AN_OBJECT, OPTIONS_BOUNDS);
    if (trainingOptions !== undefined && !isRecord(trainingOptions)) {
      throw damaged(source, `metadata "trainingOptions" to be ${AN_OBJECT}`, trainingOptions);
    }
    return {
      weights: weights.data,
      bias: bias.data,
      features,
      classes,
      ...(classNames && { classNames }),
      ...(labelType && { labelType }),
      ...(featureNames && { featureNames }),
      ...(featureScaling && { featureScaling }),
      ...(temperature !== undefined && { temperature }),
      ...(trainingOptions && { trainingOptions: trainingOptions as Record<string, Json> }),
      softshardVersion: metadata.softshardVersion ?? '',
    };
  });
}

function tensorsOf(model: Model): Map<string, Float32Tensor> {
  const { weights, bias, features, classes, featureScaling, classNames, featureNames } = model;
  expectLength('weights', weights, features * classes, 'features × classes');
  expectLength('bias', bias, classes, 'classes');
  if (classNames) expectLength('classNames', classNames, classes, 'classes');
  if (featureNames) expectLength('featureNames', featureNames, features, 'features');
  for (const [name, values] of [
    ['weights', weights],
    ['bias', bias],
  ] as const) {
    const index = findBadParameter(name, values);
    if (index < 0) continue;
    const message = `model.${name}[${index}] is ${values[index]}: only finite parameters are saved`;
    throw new SoftshardError('ERR_NOT_FINITE', message, { argument: `model.${name}`, value: values[index] });
  }
  const tensors = new Map<string, Float32Tensor>([
    ['weights', { dims: [features, classes], data: weights }],
    ['bias', { dims: [classes], data: bias }],
  ]);
  for (const part of SCALING_PARTS) {
    const values = featureScaling?.[part];
    if (values === undefined || typeof values === 'number') continue;
    expectLength(scalingTensor(part), values, features, 'features');
    tensors.set(scalingTensor(part), { dims: [features], data: Float32Array.from(values) });
  }
  return tensors;
}

function expectLength(argument: string, values: ArrayLike<unknown>, length: number, meaning: string): void {
  if (values.length === length) return;
  throw new SoftshardError(
    'ERR_SHAPE',
    `model.${argument}: expected a length of ${meaning} = ${length}, got ${values.length}.`,
    { argument: `model.${argument}`, value: values.length },
  );
}

/** Strings only, as the format wants it: what has more structure is JSON in a string. */
function metadataOf(model: Model): Metadata {
  const {
    classNames,
    labelType,
    featureNames,
    featureScaling,
    temperature,
    trainingOptions,
    softshardVersion,
  } = model;
  const scalars = Object.fromEntries(
    SCALING_PARTS.map((part) => [part, featureScaling?.[part]]).filter(
      ([, value]) => typeof value === 'number',
    ),
  );
  return {
    format: 'softshard',
    formatVersion: FORMAT_VERSION,
    softshardVersion,
    ...(classNames && { classNames: JSON.stringify(classNames) }),
    ...(labelType && { labelType }),
    ...(featureNames && { featureNames: JSON.stringify(featureNames) }),
    ...(featureScaling && { featureScaling: toJson('featureScaling', scalars) }),
    ...(temperature !== undefined && { temperature: toJson('temperature', temperature) }),
    ...(trainingOptions && { trainingOptions: toJson('trainingOptions', trainingOptions) }),
  };
}

/** JSON.stringify would turn NaN and infinities into null, and leave functions out. */
function toJson(argument: string, value: unknown): string {
  const refusal = (finding: string, details: { value?: unknown; cause?: unknown }) =>
    new SoftshardError(
      'ERR_OPTION',
      `model.${argument}: expected finite numbers, strings, booleans, null, arrays and objects, at most ` +
        `${OPTIONS_BOUNDS.depth} levels deep and ${OPTIONS_BOUNDS.entries} entries, got ${finding}.`,
      { argument: `model.${argument}`, ...details },
    );
  let json: string;
  try {
    json = JSON.stringify(value, (key, part: unknown) => {
      const isJson =
        typeof part === 'number' ? Number.isFinite(part) : part === null || JSON_TYPES.has(typeof part);
      // An option left undefined is simply not stored.
      if (isJson || part === undefined) return part;
      throw refusal(`${String(part)} as "${key}"`, { value: part });
    });
  } catch (cause) {
    // Else it goes round in circles, or too deep for JSON.stringify.
    if (cause instanceof SoftshardError) throw cause;
    throw refusal(messageOf(cause), { cause });
  }
  if (isWithin(OPTIONS_BOUNDS, json)) return json;
  throw refusal('more', {});
}

const JSON_TYPES: ReadonlySet<string> = new Set(['string', 'boolean', 'object']);

function expectModel(source: ByteSource, metadata: Metadata): void {
  if (metadata.format !== 'softshard') {
    throw damaged(source, 'metadata "format" to be "softshard"', metadata.format);
  }
  if (metadata.formatVersion !== FORMAT_VERSION) {
    const found = inShort(metadata.formatVersion);
    throw formatError(
      source.path,
      `expected model format version "${FORMAT_VERSION}", found ${found}`,
      'Read it with the version of softshard that wrote it, or a later one.',
      { value: found },
    );
  }
}

function expectShapes(source: ByteSource, shapes: ReadonlyMap<string, readonly number[]>): void {
  const weights = shapes.get('weights');
  if (weights?.length !== 2 || weights.includes(0)) {
    throw damaged(source, 'tensor "weights" of shape [features, classes]', weights);
  }
  const [features, classes] = weights as [number, number];
  if (classes === 1) throw damaged(source, 'tensor "weights" of at least 2 classes', weights);
  const expected = new Map<string, readonly number[]>([
    ['weights', [features, classes]],
    ['bias', [classes]],
    ...SCALING_PARTS.map((part) => [scalingTensor(part), [features]] as const),
  ]);
  for (const [name, shape] of shapes) {
    const right = expected.get(name);
    if (!right) throw damaged(source, `no tensors but ${[...expected.keys()].join(', ')}`, name);
    if (shape.join() !== right.join()) {
      throw damaged(source, `tensor "${name}" of shape [${right.join(', ')}]`, shape);
    }
  }
  if (!shapes.has('bias')) throw damaged(source, `tensor "bias" of shape [${classes}]`, [...shapes.keys()]);
}

function parseNames(
  source: ByteSource,
  metadata: Metadata,
  key: 'classNames' | 'featureNames',
  count: number,
): string[] | undefined {
  const wanted = `${count} strings`;
  const names = parseJson(source, metadata, key, wanted, { depth: 1, entries: count });
  if (names === undefined) return undefined;
  const isNames = Array.isArray(names) && names.every((name) => typeof name === 'string');
  if (isNames && names.length === count) return names;
  throw damaged(source, `metadata "${key}" to be ${wanted}`, names);
}

function parseScaling(
  source: ByteSource,
  metadata: Metadata,
  tensors: ReadonlyMap<string, Float32Tensor>,
): FeatureScaling | undefined {
  const scalars = parseJson(source, metadata, 'featureScaling', AN_OBJECT, { depth: 1, entries: 2 });
  const hasTensor = SCALING_PARTS.some((part) => tensors.has(scalingTensor(part)));
  if (scalars === undefined && !hasTensor) return undefined;
  if (!isRecord(scalars)) throw damaged(source, `metadata "featureScaling" to be ${AN_OBJECT}`, scalars);
  const partOf = (part: 'shift' | 'scale'): number | number[] => {
    const scalar = scalars[part];
    const tensor = tensors.get(scalingTensor(part));
    if (tensor && scalar === undefined) {
      expectFinite(source, scalingTensor(part), tensor.data);
      return [...tensor.data];
    }
    if (typeof scalar === 'number' && Number.isFinite(Math.fround(scalar)) && !tensor) return scalar;
    throw damaged(source, `the feature scaling's ${part} once, as a number or as a tensor`, scalars);
  };
  return { shift: partOf('shift'), scale: partOf('scale') };
}

function parseTemperature(source: ByteSource, metadata: Metadata): number | undefined {
  const wanted = 'a positive number';
  const temperature = parseJson(source, metadata, 'temperature', wanted, { depth: 0, entries: 1 });
  if (temperature === undefined || (typeof temperature === 'number' && temperature > 0)) return temperature;
  throw damaged(source, `metadata "temperature" to be ${wanted}`, temperature);
}

function expectFinite(source: ByteSource, name: string, values: Float32Array): void {
  const index = findBadParameter(name === 'bias' ? 'bias' : 'weights', values);
  if (index < 0) return;
  const finding = `tensor "${name}" [${index}]: expected a finite number, found ${values[index]}`;
  const remedy = 'The model is damaged, or training went wrong: save or train it again.';
  throw formatError(source.path, finding, remedy, { value: values[index] });
}

function parseJson(
  source: ByteSource,
  metadata: Metadata,
  key: string,
  wanted: string,
  bounds: JsonBounds,
): unknown {
  const text = metadata[key];
  if (text === undefined) return undefined;
  if (!isWithin(bounds, text)) {
    const limits = `at most ${bounds.entries} entries, ${bounds.depth} levels deep`;
    throw damaged(source, `metadata "${key}" to be ${wanted} (${limits})`, text);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(source, `metadata "${key}" to be JSON`, text, cause);
  }
}
