// Arrays that may be larger than memory, as parts of their rows: what a part is, and how parts are read, computed and
// written at the same time.

import { type ArenaTensor, type Engine, partSize, SoftshardError, type Tensor } from '../index.js';
import { UsageError } from './failures.js';
import { bytes, counted } from './output.js';

/** An array seen as [outer × classes × inner]; it has outer · inner rows. */
export interface RowsShape {
  readonly path: string;
  readonly dims: readonly number[];
  readonly type: 'float32' | 'float64';
  readonly axis: number;
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly rows: number;
  readonly fortranOrder: boolean;
}

/** Entries [begin, end) of the outer dimension, to be held in the slot of that number. */
export interface RowWindow {
  readonly begin: number;
  readonly end: number;
  readonly slot: number;
}

export interface WindowPlan {
  readonly outer: number;
  readonly windowOuter: number;
  readonly windows: number;
  readonly slots: number;
}

/** Of an element. */
export const BYTES = { float32: 4, float64: 8 } as const;

/** One is read, one computed, one written. */
const SLOTS = 3;
/** Large enough that waiting for a disk and starting the workers are lost in the work. */
const WINDOW_BYTES = 32 * 1024 * 1024;

/** Windows of some entries: what two of them share is an entry, which is read for both. */
const FORTRAN_ENTRIES = 4;

/** For tests, and for machines with little memory. */
export function windowBytes(environment: NodeJS.ProcessEnv = process.env): number {
  const { SOFTSHARD_WINDOW_BYTES: text } = environment;
  if (text === undefined || text === '') return WINDOW_BYTES;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new UsageError(
    `SOFTSHARD_WINDOW_BYTES is ${text} in the environment: it must be a whole number of bytes of at least 1`,
  );
}

/**
 * Windows of at most `atMostBytes` of the array, or of as few rows as keep the bits that the array has as a whole.
 * `bytesAnElement` counts everything that a slot holds for one element of the array. Throws ERR_ARENA_FULL.
 */
export function planWindows(
  shape: RowsShape,
  bytesAnElement: number,
  engine: Engine,
  atMostBytes: number,
): WindowPlan {
  const { path, dims, type, axis, outer, classes, inner } = shape;
  const fitting = Math.floor(atMostBytes / (classes * inner * BYTES[type]));
  // Fortran order is read by whole entries of the first dimension: windows of less would read the same again and again.
  const least = shape.fortranOrder ? Math.ceil((FORTRAN_ENTRIES * outer) / dims[0]!) : 1;
  const atMost = Math.min(outer, Math.max(fitting, least));
  const windowOuter = partSize([outer, classes, inner], atMost, { axis: 1 }) ?? outer;
  const windows = Math.ceil(outer / windowOuter);
  const slotBytes = windowOuter * classes * inner * bytesAnElement;
  const { freeBytes } = engine.memoryUsage();
  // A tenth is left for what the operations themselves need.
  const slots = Math.min(SLOTS, windows, Math.floor((0.9 * freeBytes) / slotBytes));
  if (slots > 0) return { outer, windowOuter, windows, slots };
  const part = `${windowOuter} of the ${outer} × ${inner} rows`;
  const message =
    `${path}: ${type} values of dims [${dims.join(', ')}] with the classes in dimension ${axis} cannot be computed in ` +
    `smaller parts than ${windows === 1 ? 'the whole' : part}, which takes ${slotBytes} bytes of memory, and there are ` +
    `${freeBytes}. Move the classes to the end: numpy.moveaxis(array, ${axis}, -1)`;
  throw new SoftshardError('ERR_ARENA_FULL', message, { value: slotBytes });
}

/** What there is to do, in one line. */
export function workOf(
  operation: string,
  { rows, classes, type }: RowsShape,
  { windows }: WindowPlan,
  { threads, numerics }: Engine,
): string {
  const size = `${counted(rows, 'row')} of ${counted(classes, 'class', 'classes')} (${type}, ${bytes(rows * classes * BYTES[type])})`;
  return `${operation} of ${size} in ${counted(windows, 'part')}, ${counted(threads, 'thread')}, ${numerics} numerics`;
}

/** The first `count` entries of a slot's tensor. The last window may have fewer than there is room for. */
export function entriesOf<Type extends 'float32' | 'float64' | 'uint8'>(
  slot: ArenaTensor<Type>,
  count: number,
): Tensor<Type> {
  const [entries, ...dims] = slot.dims as [number, ...number[]];
  if (count === entries) return slot;
  const length = (slot.data.length / entries) * count;
  return {
    type: slot.type,
    dims: [count, ...dims],
    data: slot.data.subarray(0, length) as Tensor<Type>['data'],
  };
}

export interface WindowStages {
  read(window: RowWindow): Promise<void>;
  compute(window: RowWindow): Promise<void>;
  write?(window: RowWindow): Promise<void>;
}

/**
 * Passes all windows through the stages. Each stage sees the windows in order, one at a time; a window is read while
 * those before it are computed and written. When it ends, however it does, no stage is running.
 */
export async function passWindows(plan: WindowPlan, { read, compute, write }: WindowStages): Promise<void> {
  const { outer, windowOuter, windows, slots } = plan;
  const reads: Promise<void>[] = [];
  const computations: Promise<void>[] = [];
  const writes: Promise<void>[] = [];
  /** What is not awaited at once must not count as unhandled. */
  const start = (stage: Promise<void>[], work: () => Promise<void>) => {
    const done = work();
    done.catch(() => {});
    stage.push(done);
  };
  try {
    for (let index = 0; index < windows; index++) {
      // The slot must be free.
      await writes[index - slots];
      const begin = index * windowOuter;
      const window = { begin, end: Math.min(outer, begin + windowOuter), slot: index % slots };
      start(reads, async () => {
        await reads[index - 1];
        await read(window);
      });
      start(computations, async () => {
        await reads[index];
        await computations[index - 1];
        await compute(window);
      });
      start(writes, async () => {
        await computations[index];
        await writes[index - 1];
        await write?.(window);
      });
    }
    await writes.at(-1);
  } finally {
    await Promise.allSettled([...reads, ...computations, ...writes]);
  }
}
