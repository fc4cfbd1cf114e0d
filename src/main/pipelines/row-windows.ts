// Passes arrays larger than memory through in windows of rows, which are read, computed and written at the same time.

import { SoftshardError } from '../../errors.js';
import type { FloatType } from '../arguments/axis-rows.js';
import { resourcesOf } from '../dispatch/resources.js';
import { traced } from '../dispatch/trace.js';
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
  /** They take turns with the windows: a round has one for each rank. */
  readonly rank: number;
  readonly ranks: number;
}

/** One window is read, one computed, one written. */
const SLOTS = 3;
/** Large enough to hide disk latency and the start of the workers. */
export const PART_BYTES = 32 * 1024 * 1024;
/** Windows of each rank, at least, where there are rows for them: with fewer, some ranks would have twice the work of others. */
const ROUNDS = 8;

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
  const { rank, ranks } = engine;
  const fair = ranks === 1 ? outer : Math.ceil(outer / (ROUNDS * ranks));
  const atMost = Math.min(outer, Math.max(Math.min(fitting, fair), least));
  const windowOuter = partSize([outer, classes, inner], atMost, { axis: 1 }) ?? outer;
  const windows = Math.ceil(outer / windowOuter);
  const slotBytes = windowOuter * classes * inner * bytesAnElement;
  const { freeBytes } = engine.memoryUsage();
  // A tenth is left for the operations' own scratch memory.
  const slots = Math.min(SLOTS, windows, Math.floor((0.9 * freeBytes) / slotBytes));
  if (slots > 0) return { outer, windowOuter, windows, slots, rank, ranks };
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
  /** Undefined in a last round that has none for this rank. */
  write?(window: RowWindow | undefined): Promise<void>;
}

/** This rank's windows, one a round. */
export function* ownWindows({
  outer,
  windowOuter,
  windows,
  slots,
  rank,
  ranks,
}: WindowPlan): Generator<RowWindow | undefined, void, undefined> {
  for (let round = 0; round * ranks < windows; round++) {
    const begin = (round * ranks + rank) * windowOuter;
    const end = Math.min(outer, begin + windowOuter);
    yield begin < outer ? { begin, end, slot: round % slots } : undefined;
  }
}

/**
 * Each stage sees the windows of this rank in order, one at a time; a window is read while earlier ones are computed and written.
 * When the promise settles, no stage is running.
 */
export async function passWindows(
  engine: Engine,
  plan: WindowPlan,
  { read, compute, write }: WindowStages,
): Promise<void> {
  const { tracer } = resourcesOf(engine);
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
    let index = 0;
    for (const window of ownWindows(plan)) {
      // Each sees its own: the loop goes on while they wait.
      const round = index++;
      const rows = window === undefined ? 0 : window.end - window.begin;
      // Frees the slot.
      await writes[round - plan.slots];
      start(reads, async () => {
        await reads[round - 1];
        if (window === undefined) return;
        await traced(tracer, ['read rows', 'read rows'], rows, () => read(window));
      });
      start(computations, async () => {
        await reads[round];
        await computations[round - 1];
        if (window !== undefined) await compute(window);
      });
      start(writes, async () => {
        await computations[round];
        await writes[round - 1];
        if (write === undefined) return;
        await traced(tracer, ['write rows', 'write rows'], rows, () => write(window));
      });
    }
    await writes.at(-1);
  } finally {
    await Promise.allSettled([...reads, ...computations, ...writes]);
  }
}

/** What the ranks made of their windows, in the order of windows. */
export const inOrderOfWindows = <Part>(ofRanks: readonly (readonly Part[])[]): Part[] =>
  (ofRanks[0] ?? []).flatMap((_, round) => ofRanks.flatMap((parts) => parts.slice(round, round + 1)));
