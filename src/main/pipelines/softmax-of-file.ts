// The softmax of an array in a file, as another one or as a table: one call, in bounded memory.

import { SoftshardError } from '../../errors.js';
import type { FloatType } from '../arguments/axis-rows.js';
import { checkBoolean, checkOneOf, checkOptionNames, checkPath } from '../checks.js';
import type { NpyFile } from '../data/array-on-disk.js';
import { halfToNumber } from '../data/elements.js';
import { createNpyWriter } from '../data/npy/npy-writer.js';
import { TABLE_FORMATS, type Table, type TableFormat } from '../data/writing/table.js';
import { shortestFloat, tableFormatOf, writeTable } from '../data/writing/write-table.js';
import { resourcesOf } from '../dispatch/resources.js';
import { together } from '../distributed/together.js';
import type { Transport } from '../distributed/transport.js';
import type { Engine } from '../engine.js';
import { elementBytes } from '../memory/element-types.js';
import type { ArenaTensor } from '../memory/tensor.js';
import { shapeOf, withArrays } from './array-inputs.js';
import type { AboutLoss } from './loss-of-files.js';
import { checkPassOptions, PASS_NAMES, type PassOptions } from './pass-options.js';
import { appendOfRanks } from './rank-output.js';
import {
  entriesOf,
  ownWindows,
  PART_BYTES,
  passWindows,
  planWindows,
  type RowsShape,
  type WindowPlan,
} from './row-windows.js';

export interface SoftmaxOfFileOptions extends PassOptions<AboutSoftmax> {
  /** Logits: float32, float64, float16 or bfloat16 of any dims: .npy, or the array of an .npz or safetensors file. */
  readonly input: string;
  /** Of the same type and dims as .npy; a table has a record for each row, in the order of the input. */
  readonly output: string;
  /** Default: by the end of the name of the output; .npy for others. */
  readonly format?: TableFormat | 'npy' | undefined;
  /** The logarithm of the softmax. Default false. */
  readonly log?: boolean | undefined;
  /** Which dimension holds the classes; default -1. */
  readonly axis?: number | undefined;
}

export type AboutSoftmax = Omit<AboutLoss, 'softTargets'>;

const FORMATS = ['npy', ...TABLE_FORMATS] as const;
const NAMES: readonly (keyof SoftmaxOfFileOptions)[] = [
  'input',
  'output',
  'format',
  'log',
  'axis',
  ...PASS_NAMES,
];

/**
 * Reads, computes and writes a part at a time, with the bits of engine.softmax on the whole array. The output gets its name
 * when it is complete, or not at all; pipes and devices are written to. Ranks make the same call, each reads a part of the rows, and
 * rank 0 writes. Throws as the operation does, and ERR_FILE, ERR_FORMAT.
 */
export async function softmaxOfFile(engine: Engine, options: SoftmaxOfFileOptions): Promise<AboutSoftmax> {
  // Throws for what is no engine.
  const { transport } = resourcesOf(engine);
  const work = () => softmaxOfOpened(engine, transport, options);
  return transport ? together(transport, work) : work();
}

async function softmaxOfOpened(
  engine: Engine,
  transport: Transport | undefined,
  options: SoftmaxOfFileOptions,
): Promise<AboutSoftmax> {
  const format = checkOptions(options);
  const { output, signal } = options;
  return withArrays(signal, async (open) => {
    const file = await open(options.input);
    const shape = shapeOf(file, options.axis ?? -1, 'logits');
    const { rows, classes, dims, axis, type } = shape;
    if (type === 'bfloat16' && format === 'npy') throw noBfloat16(shape);
    const plan = planWindows(shape, elementBytes(type), engine, options.partBytes ?? PART_BYTES);
    const about = { rows, classes, dims, axis, type, parts: plan.windows };
    options.onStart?.(about);
    const call = { engine, transport, file, shape, plan, options };
    if (format === 'npy') await writeArray(call);
    else if (engine.rank > 0) await computeOnly(call);
    else await writeTable(output, tableOf(call), { format, signal });
    return about;
  });
}

function checkOptions(options: SoftmaxOfFileOptions): TableFormat | 'npy' {
  checkOptionNames('options', options, NAMES);
  checkPath(options.input);
  checkPath(options.output);
  checkBoolean('options.log', options.log ?? false);
  checkPassOptions(options);
  return checkOneOf('options.format', options.format ?? tableFormatOf(options.output) ?? 'npy', FORMATS);
}

const noBfloat16 = ({ path }: RowsShape): SoftshardError =>
  new SoftshardError(
    'ERR_TYPE',
    `${path}: its softmax would be bfloat16, which .npy does not know: write a table, or save the logits as float32`,
    { argument: 'options.output' },
  );

interface Call {
  readonly engine: Engine;
  readonly transport: Transport | undefined;
  readonly file: NpyFile;
  readonly shape: RowsShape;
  readonly plan: WindowPlan;
  readonly options: SoftmaxOfFileOptions;
}

const slotsOf = ({ engine, shape, plan }: Call, count: number): ArenaTensor<FloatType>[] =>
  Array.from({ length: count }, () =>
    engine.tensor(shape.type, [plan.windowOuter, shape.classes, shape.inner]),
  );

async function read({ file, shape }: Call, slot: ArenaTensor<FloatType>, begin: number, end: number) {
  const entry = shape.classes * shape.inner;
  await file.readElements(begin * entry, end * entry, entriesOf(slot, end - begin).data);
}

async function compute({ engine, options }: Call, slot: ArenaTensor<FloatType>, entries: number) {
  const logits = entriesOf(slot, entries);
  const call = { axis: 1, into: logits, signal: options.signal };
  await (options.log ? engine.logSoftmax(logits, call) : engine.softmax(logits, call));
}

async function writeArray(call: Call): Promise<void> {
  const { engine, transport, shape, plan, options } = call;
  const { signal, onProgress } = options;
  const type = shape.type as Exclude<FloatType, 'bfloat16'>;
  const writer =
    engine.rank === 0 ? await createNpyWriter(options.output, { type, dims: shape.dims, signal }) : undefined;
  const append = appendOfRanks(transport, writer && ((values) => writer.append(values)));
  const slots = slotsOf(call, plan.slots);
  try {
    await passWindows(call.engine, plan, {
      read: ({ begin, end, slot }) => read(call, slots[slot]!, begin, end),
      compute: ({ begin, end, slot }) => compute(call, slots[slot]!, end - begin),
      write: async (window) => {
        await append(window && entriesOf(slots[window.slot]!, window.end - window.begin).data);
        if (window) onProgress?.(window.end / shape.outer);
      },
    });
    signal?.throwIfAborted();
    await writer?.commit();
  } finally {
    for (const slot of slots) slot.free();
    await writer?.abort();
  }
}

/** Rank 0 makes a table of what other ranks compute. */
async function computeOnly(call: Call): Promise<void> {
  for await (const _ of mapRows(call, () => undefined));
}

function tableOf(call: Call): Table {
  const { classes, type } = call.shape;
  const { log } = call.options;
  const name = (index: number) => `${log ? 'log p' : 'p'}(${index})`;
  const columnType = type === 'float64' ? 'float64' : 'float32';
  return {
    columns: [
      { name: 'row', type: 'int32' },
      ...Array.from({ length: classes }, (_, index) => ({ name: name(index), type: columnType }) as const),
    ],
    records: mapRows(call, (row, values) => [row, ...values]),
    objects: mapRows(call, (row, values) => {
      const numbers = columnType === 'float64' ? [...values] : Array.from(values, shortestFloat);
      return { row, [log ? 'logProbabilities' : 'probabilities']: numbers };
    }),
  };
}

/** Rows in the order of their dims; on rank 0 those of all ranks, a round at a time. */
async function* mapRows<Result>(
  call: Call,
  of: (row: number, values: Float32Array | Float64Array) => Result,
): AsyncGenerator<Result, void, undefined> {
  const { transport, shape, plan, options } = call;
  const { classes, inner, outer, type } = shape;
  const [slot] = slotsOf(call, 1);
  const values = new (type === 'float64' ? Float64Array : Float32Array)(classes);
  let row = 0;
  const arrived: Values[] = [];
  const append = appendOfRanks(transport, async (some) => {
    arrived.push(some);
  });
  try {
    for (const window of ownWindows(plan)) {
      if (window) await read(call, slot!, window.begin, window.end);
      if (window) await compute(call, slot!, window.end - window.begin);
      await append(window && entriesOf(slot!, window.end - window.begin).data);
      for (const some of arrived.splice(0)) {
        const numbers = numbersOf(type, some);
        for (let i = 0; i < some.length / classes; i++) {
          const at = Math.floor(i / inner) * classes * inner + (i % inner);
          for (let index = 0; index < classes; index++) values[index] = numbers(at + index * inner);
          yield of(row++, values);
        }
      }
      options.onProgress?.(window ? window.end / outer : 1);
    }
  } finally {
    slot?.free();
  }
}

type Values = Float32Array | Float64Array | Uint16Array;

function numbersOf(type: FloatType, data: Values): (index: number) => number {
  if (type === 'float16') return (index) => halfToNumber(data[index]!);
  if (type !== 'bfloat16') return (index) => data[index]!;
  // The upper half of a float32.
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  return (index) => {
    bits[0] = data[index]! << 16;
    return float[0]!;
  };
}
