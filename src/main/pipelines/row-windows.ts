// Passes arrays larger than memory through in windows of rows, which are read, computed and written at the same time.

import { SoftshardError } from '../../errors.js';
import type { FloatType } from '../arguments/axis-rows.js';
import type { Engine } from '../engine.js';
import { partSize } from '../losses/merging.js';
import { elementBytes } from '../memory/element-types.js';
import type { ArenaTensor, Tensor } from '../memory/tensor.js';

/** An array seen as [outer × classes × inner]; it has outer · inner rows. */
export interface RowsShape {
  readonly path: string;
  readonly dims: readonly number[];
  readonly type: FloatType;
  readonly axis: number;
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly rows: number;
  readonly fortranOrder: boolean;
}

/** Entries [begin, end) of the outer dimension, and the slot that holds them. */
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

/** One window is read, one computed, one written. */
const SLOTS = 3;
/** Large enough to hide disk latency and the start of the workers. */
export const PART_BYTES = 32 * 1024 * 1024;

/** Entries of the first dimension a window takes at least: one on the border of two windows is read twice. */
const FORTRAN_ENTRIES = 4;

/**
 * Windows of at most `atMostBytes`, or the smallest that keep the bits of the whole. `bytesAnElement`: what a slot holds for
 * each element of the array. Throws ERR_ARENA_FULL.
 */
export function planWindows(
  shape: RowsShape,
  bytesAnElement: number,
  engine: Engine,
  atMostBytes: number,
): WindowPlan {
  const { path, dims, type, axis, outer, classes, inner } = shape;
  const fitting = Math.floor(atMostBytes / (classes * inner * elementBytes(type)));
  // Fortran order is read by whole entries of the first dimension: smaller windows would read them repeatedly.
  const least = shape.fortranOrder ? Math.ceil((FORTRAN_ENTRIES * outer) / dims[0]!) : 1;
  const atMost = Math.min(outer, Math.max(fitting, least));
  const windowOuter = partSize([outer, classes, inner], atMost, { axis: 1 }) ?? outer;
  const windows = Math.ceil(outer / windowOuter);
  const slotBytes = windowOuter * classes * inner * bytesAnElement;
  const { freeBytes } = engine.memoryUsage();
  // A tenth is left for the operations' own scratch memory.
  const slots = Math.min(SLOTS, windows, Math.floor((0.9 * freeBytes) / slotBytes));
  if (slots > 0) return { outer, windowOuter, windows, slots };
  const part = `${windowOuter} of the ${outer} × ${inner} rows`;
  const message =
    `${path}: ${type} values of dims [${dims.join(', ')}] with the classes in dimension ${axis} cannot be computed in ` +
    `smaller parts than ${windows === 1 ? 'the whole' : part}, which takes ${slotBytes} bytes of memory, and there are ` +
    `${freeBytes}. Move the classes to the end: numpy.moveaxis(array, ${axis}, -1)`;
  throw new SoftshardError('ERR_ARENA_FULL', message, { value: slotBytes });
}

/** The first `count` entries of a slot: the last window may not fill it. */
export function entriesOf<Type extends FloatType | 'uint8'>(
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
 * Each stage sees the windows in order, one at a time; a window is read while earlier ones are computed and written. When
 * the promise settles, no stage is running.
 */
export async function passWindows(plan: WindowPlan, { read, compute, write }: WindowStages): Promise<void> {
  const { outer, windowOuter, windows, slots } = plan;
  const reads: Promise<void>[] = [];
  const computations: Promise<void>[] = [];
  const writes: Promise<void>[] = [];
  /** A rejection is handled when the stage is awaited later. */
  const start = (stage: Promise<void>[], work: () => Promise<void>) => {
    const done = work();
    done.catch(() => {});
    stage.push(done);
  };
  try {
    for (let index = 0; index < windows; index++) {
      // Frees the slot.
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
