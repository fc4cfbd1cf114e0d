// The loss of logits in files, with its gradient and the losses of rows as other files: one call, in bounded memory.

import { SoftshardError } from '../../errors.js';
import type { FloatType } from '../arguments/axis-rows.js';
import { checkFraction } from '../arguments/numeric-vectors.js';
import { checkOneOf, checkOptionNames, checkPath } from '../checks.js';
import type { NpyFile } from '../data/array-on-disk.js';
import { createNpyWriter, type NpyWriter } from '../data/npy/npy-writer.js';
import { resourcesOf } from '../dispatch/resources.js';
import { together } from '../distributed/together.js';
import type { Transport } from '../distributed/transport.js';
import type { Engine } from '../engine.js';
import type { CrossEntropyOptions } from '../losses/cross-entropy.js';
import type { DistillationOptions } from '../losses/divergence.js';
import {
  areSoftTargets,
  checkMask,
  checkSampleWeight,
  checkTeacher,
  countIgnored,
  readClassWeight,
  shapeOf,
  withArrays,
} from './array-inputs.js';
import { bytesAnElement, type LossJob, lossInParts, type PartOptions, type WholeLoss } from './loss-parts.js';
import { checkPassOptions, PASS_NAMES, type PassOptions } from './pass-options.js';
import { appendOfRanks } from './rank-output.js';
import { PART_BYTES, planWindows, type RowsShape } from './row-windows.js';

/** Options of a row's loss, which a divergence from a teacher does not know. */
const ROW_LOSS_NAMES = ['labelSmoothing', 'softcap', 'zLoss', 'focalGamma', 'zeroTimesInfinity'] as const;
const CROSS_ENTROPY_FILES = ['weight', 'sampleWeight', 'mask'] as const;

export interface LossOfFilesOptions
  extends Pick<
      CrossEntropyOptions,
      | 'reduction'
      | 'onEmpty'
      | 'onInvalidTarget'
      | 'ignoreIndex'
      | 'axis'
      | 'temperature'
      | (typeof ROW_LOSS_NAMES)[number]
    >,
    Pick<DistillationOptions, 'alpha'>,
    PassOptions<AboutLoss> {
  /** float32, float64, float16 or bfloat16 of any dims: .npy, or the array of an .npz or safetensors file. */
  readonly logits: string;
  /** Class indices with the dims of the logits but that of the classes, or [rows]; or soft targets with all of them. */
  readonly targets?: string | undefined;
  /**
   * A teacher's logits: the loss is the divergence KL(teacher, student) per row; with `targets` too, which are class indices
   * then, distillation.
   */
  readonly teacher?: string | undefined;
  /** Weights of classes [classes] and of rows, and a mask with the dims of the logits; not with a teacher. */
  readonly weight?: string | undefined;
  readonly sampleWeight?: string | undefined;
  readonly mask?: string | undefined;
  /** Where to write the gradient by the logits, of their type and dims. */
  readonly gradient?: string | undefined;
  /** Where to write the loss of each row. */
  readonly losses?: string | undefined;
}

/** What is known before anything is computed. */
export interface AboutLoss {
  readonly rows: number;
  readonly classes: number;
  readonly dims: readonly number[];
  /** From 0. */
  readonly axis: number;
  readonly type: FloatType;
  readonly softTargets: boolean;
  /** In so many parts. */
  readonly parts: number;
}

export interface FilesLoss extends WholeLoss, AboutLoss {
  /** exp(lossSum / weightSum); only where the loss is a plain cross-entropy: no teacher, smoothing, z-loss or focal loss. */
  readonly perplexity?: number;
  /** By the delta method: perplexity · lossStandardError. */
  readonly perplexityStandardError?: number;
  /** [rows], with reduction 'none' and without a file for them; on rank 0. */
  readonly losses?: Float32Array | Float64Array;
}

const FILE_NAMES = ['logits', 'targets', 'teacher', ...CROSS_ENTROPY_FILES, 'gradient', 'losses'] as const;
const NAMES: readonly (keyof LossOfFilesOptions)[] = [
  ...FILE_NAMES,
  ...ROW_LOSS_NAMES,
  'reduction',
  'onEmpty',
  'onInvalidTarget',
  'ignoreIndex',
  'axis',
  'temperature',
  'alpha',
  ...PASS_NAMES,
];

/**
 * Reads, computes and writes a part at a time, with the bits of the operation on the whole arrays. Outputs get their names
 * together when all are complete, or not at all. Ranks make the same call, each reads a part of the rows, and rank 0 writes. Throws as
 * the operations do, and ERR_FILE, ERR_FORMAT.
 */
export async function lossOfFiles(engine: Engine, options: LossOfFilesOptions): Promise<FilesLoss> {
  // Throws for what is no engine.
  const { transport } = resourcesOf(engine);
  const work = () => lossOfOpened(engine, transport, options);
  return transport ? together(transport, work) : work();
}

async function lossOfOpened(
  engine: Engine,
  transport: Transport | undefined,
  options: LossOfFilesOptions,
): Promise<FilesLoss> {
  checkOptions(options);
  return withArrays(options.signal, async (open) => {
    const inputs = await openInputs(options, open);
    const { shape } = inputs;
    const partBytes = options.partBytes ?? PART_BYTES;
    const plan = planWindows(shape, bytesAnElement(inputs), engine, partBytes);
    const about = aboutOf(shape, inputs.areSoft, plan.windows);
    options.onStart?.(about);
    const outputs = await createOutputs(options, shape, transport);
    const { writers, losses, gradient, kept } = outputs;
    try {
      const { weight, ...files } = inputs;
      const job: LossJob = {
        ...files,
        engine,
        transport,
        gradient,
        losses,
        reduction: options.reduction ?? 'mean',
        onEmpty: options.onEmpty ?? 'nan',
        options: { ...partOptions(options), ...(weight && { weight }) },
        advance: options.onProgress ?? (() => {}),
      };
      const loss = await lossInParts(job, plan);
      options.signal?.throwIfAborted();
      for (const writer of writers) await writer.commit();
      return { ...loss, ...perplexityOf(options, loss), ...(kept && { losses: kept }), ...about };
    } finally {
      for (const writer of writers) await writer.abort();
    }
  });
}

function checkOptions(options: LossOfFilesOptions): void {
  checkOptionNames('options', options, NAMES);
  for (const name of FILE_NAMES)
    if (name === 'logits' || options[name] !== undefined) checkPath(options[name]);
  checkPassOptions(options);
  checkOneOf('options.reduction', options.reduction ?? 'mean', ['mean', 'sum', 'none']);
  checkOneOf('options.onEmpty', options.onEmpty ?? 'nan', ['nan', 'zero', 'throw']);
  const { teacher, targets, alpha } = options;
  const refuse = (name: string, message: string) => {
    throw new SoftshardError('ERR_OPTION', `options.${name} ${message}`, { argument: `options.${name}` });
  };
  if (targets === undefined && teacher === undefined) {
    refuse(
      'targets',
      'is missing: name the file of the targets, or of the logits of a teacher (options.teacher)',
    );
  }
  if (alpha !== undefined) checkFraction('options.alpha', alpha);
  const ofDistillation = teacher !== undefined && targets !== undefined;
  if (alpha !== undefined && !ofDistillation) {
    refuse(
      'alpha',
      'is the share of the teacher beside targets: give options.teacher and options.targets, or leave it out',
    );
  }
  if (teacher === undefined) return;
  const others = targets === undefined ? (['ignoreIndex', 'onInvalidTarget'] as const) : [];
  for (const name of [...CROSS_ENTROPY_FILES, ...ROW_LOSS_NAMES, ...others]) {
    if (options[name] !== undefined) {
      refuse(
        name,
        `is not for ${targets === undefined ? 'the divergence from a teacher' : 'distillation'}: leave it out`,
      );
    }
  }
}

type Inputs = Pick<
  LossJob,
  'shape' | 'logits' | 'targets' | 'areSoft' | 'teacher' | 'ignored' | 'sampleWeight' | 'mask'
> & { readonly weight: Float32Array | Float64Array | undefined };

/** Opens and checks all inputs. */
async function openInputs(
  options: LossOfFilesOptions,
  open: (path: string) => Promise<NpyFile>,
): Promise<Inputs> {
  const maybe = async (path: string | undefined) => (path === undefined ? undefined : open(path));
  const logits = await open(options.logits);
  const shape = shapeOf(logits, options.axis ?? -1, 'logits');
  const targets = await maybe(options.targets);
  const teacher = await maybe(options.teacher);
  if (teacher) checkTeacher(teacher, shape);
  const areSoft = targets !== undefined && areSoftTargets(targets, shape);
  if (teacher && areSoft) {
    const message = `${targets.path}: expected class indices, which distillation takes beside a teacher, found ${targets.type} targets of every class. Leave the teacher out, or save targets.argmax(axis)`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'targets', value: targets.path });
  }
  const weight = await maybe(options.weight);
  const sampleWeight = await maybe(options.sampleWeight);
  if (sampleWeight) checkSampleWeight(sampleWeight, shape);
  const mask = await maybe(options.mask);
  if (mask) checkMask(mask, shape);
  const { ignoreIndex, onInvalidTarget = 'throw' } = options;
  const hasClasses = targets !== undefined && !areSoft;
  return {
    shape,
    logits,
    targets,
    areSoft,
    teacher,
    sampleWeight,
    mask,
    weight: weight && (await readClassWeight(weight, shape)),
    ignored: hasClasses ? await countIgnored(targets, shape, { ignoreIndex, onInvalidTarget }) : 0,
  };
}

const aboutOf = (shape: RowsShape, softTargets: boolean, parts: number): AboutLoss => {
  const { rows, classes, dims, axis, type } = shape;
  return { rows, classes, dims, axis, type, softTargets, parts };
};

interface Outputs extends Pick<LossJob, 'losses' | 'gradient'> {
  readonly writers: readonly NpyWriter[];
  /** Losses that are returned. */
  readonly kept: Float32Array | Float64Array | undefined;
}

async function createOutputs(
  options: LossOfFilesOptions,
  shape: RowsShape,
  transport: Transport | undefined,
): Promise<Outputs> {
  const { reduction, signal } = options;
  const { type, dims, rows, axis, path } = shape;
  if (type === 'bfloat16' && options.gradient !== undefined) {
    const message = `${path}: its gradient would be bfloat16, which .npy does not know: save the logits as float32`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'options.gradient', value: options.gradient });
  }
  const lossType = type === 'float64' ? 'float64' : 'float32';
  const lossDims = dims.filter((_, dim) => dim !== axis);
  const isWriter = transport === undefined || transport.rank === 0;
  const writers: NpyWriter[] = [];
  const create = async (
    path: string | undefined,
    content: { dims: readonly number[]; type: 'float16' | 'float32' | 'float64' },
  ) => {
    if (path === undefined || !isWriter) return undefined;
    const writer = await createNpyWriter(path, { ...content, signal });
    writers.push(writer);
    return writer;
  };
  try {
    const file = await create(options.losses, { dims: lossDims.length > 0 ? lossDims : [1], type: lossType });
    const gradient = await create(options.gradient, {
      dims,
      type: type as 'float16' | 'float32' | 'float64',
    });
    const keeps = reduction === 'none' && options.losses === undefined;
    const Kept = lossType === 'float64' ? Float64Array : Float32Array;
    const kept = keeps && isWriter ? new Kept(rows) : undefined;
    let begin = 0;
    const keep = async (values: Float32Array | Float64Array | Uint16Array) => {
      kept?.set(values, begin);
      begin += values.length;
    };
    const append = (writer: NpyWriter | undefined) =>
      appendOfRanks(transport, writer && ((values) => writer.append(values)));
    const hasLosses = keeps || options.losses !== undefined;
    return {
      writers,
      kept,
      losses: hasLosses ? (keeps ? appendOfRanks(transport, keep) : append(file)) : undefined,
      gradient: options.gradient === undefined ? undefined : append(gradient),
    };
  } catch (error) {
    for (const writer of writers) await writer.abort();
    throw error;
  }
}

function partOptions(options: LossOfFilesOptions): PartOptions {
  const names = [
    ...ROW_LOSS_NAMES,
    'ignoreIndex',
    'onInvalidTarget',
    'temperature',
    'alpha',
    'signal',
  ] as const;
  return Object.fromEntries(
    names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  );
}

function perplexityOf(
  { teacher, labelSmoothing, zLoss, focalGamma }: LossOfFilesOptions,
  { lossSum, weightSum, lossStandardError = Number.NaN }: WholeLoss,
): Pick<FilesLoss, 'perplexity' | 'perplexityStandardError'> {
  if (teacher !== undefined || labelSmoothing || zLoss || focalGamma) return {};
  const perplexity = Math.exp(lossSum / weightSum);
  return { perplexity, perplexityStandardError: perplexity * lossStandardError };
}
