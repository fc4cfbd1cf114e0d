// Rows from outside the arena pass through it in windows: the next window is filled while the last one computes. A window is a
// whole number of shards, so windows change no bits.

import { offsetBy, type Ptr } from '../../kernels/ptr.js';
import type { Cancellation } from '../cancellation.js';
import { type Arena, type ArenaScope, MAX_ARENA_BYTES, Place } from '../memory/arena.js';
import type { ElementType } from '../memory/element-types.js';
import type { RowsPlan } from '../plans/rows.js';
import type { Resources } from './resources.js';
import { traced } from './trace.js';

/** Large enough to make the start of a gang (some 150 µs) negligible, small enough to overlap with copying. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** One window computes while the other is filled. */
export const SLOTS = 2;

/** Rows that an operation reads or writes. */
export interface Operand {
  /** Its name in errors. */
  readonly what: string;
  /** The element type, if rows consist of elements. */
  readonly type?: ElementType;
  /** Bytes that this many rows take in the arena; row r lies bytesOf(r) after the first. */
  readonly bytesOf: (rows: number) => number;
  /** Its address if all of it lies in the arena; otherwise it is staged. */
  readonly ptr: Ptr | undefined;
  /** Brings rows [rowBegin, rowEnd) into the window before it computes. */
  readonly load?: ((window: Place, rowBegin: number, rowEnd: number) => void | Promise<void>) | undefined;
  /** Copies rows out of the window after it has computed. */
  readonly store?: ((window: Place, rowBegin: number, rowEnd: number) => void) | undefined;
}

export interface Window {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly firstShard: number;
  /** 0 or 1: windows in flight at the same time have different slots. */
  readonly slot: number;
  /** The address of an operand's row rowBegin. */
  readonly ptrOf: (operand: Operand) => Ptr;
  /** Where operands in the arena begin, if the window is a part of them. */
  readonly arrays: readonly Ptr[];
}

/** The address of an operand for the lifetime of the scope; rows from outside the arena are copied in (arrays only, at once). */
export function placeOperand(arena: Arena, scope: ArenaScope, operand: Operand, rows: number): Ptr {
  if (operand.ptr !== undefined) {
    scope.retain(operand.ptr);
    return operand.ptr;
  }
  const bytes = operand.bytesOf(rows);
  const ptr = scope.allocate(bytes, operand.what);
  operand.load?.(new Place(arena, ptr, bytes), 0, rows);
  return ptr;
}

/** Calls compute once if all operands lie in the arena (the caller holds them: CallMemory.use), else for each window. */
export function inWindows(
  resources: Pick<Resources, 'arena' | 'tracer'>,
  rows: number,
  plan: RowsPlan,
  operands: readonly Operand[],
  signal: Cancellation | undefined,
  compute: (window: Window) => Promise<void>,
): Promise<void> {
  if (operands.some(isMoved)) return inStagedWindows(resources, rows, plan, operands, signal, compute);
  if (rows === 0) return Promise.resolve();
  return compute({ rowBegin: 0, rowEnd: rows, firstShard: 0, slot: 0, ptrOf: ownPtr, arrays: [] });
}

function ownPtr({ what, ptr }: Operand): Ptr {
  if (ptr === undefined) throw new Error(`${what} lies neither in the arena nor in a window`);
  return ptr;
}

/**
 * Windows in order, at most two in flight. Rejects with signal.reason when aborted; no window is copied after that, since
 * first-touching a new array can take tens of ms.
 */
async function inStagedWindows(
  { arena, tracer }: Pick<Resources, 'arena' | 'tracer'>,
  rows: number,
  plan: RowsPlan,
  operands: readonly Operand[],
  signal: Cancellation | undefined,
  compute: (window: Window) => Promise<void>,
): Promise<void> {
  const staged = operands.filter((operand) => operand.ptr === undefined);
  const fitting = planWindowShards(arena, plan, operands, staged);
  const windowShards = Math.max(1, fitting);
  const windowRows = windowShards * plan.shardRows;
  const arrays = windowShards < plan.shards ? operands.flatMap(({ ptr }) => ptr ?? []) : [];
  // If not even two shards fit: one at a time.
  const slots = fitting < 1 ? 1 : Math.min(SLOTS, Math.ceil(plan.shards / windowShards));
  const scope = arena.scope();
  const underWay: Promise<void>[] = [];
  try {
    const staging = Array.from(
      { length: slots },
      () =>
        new Map(
          staged.map((operand) => [
            operand,
            scope.allocateUncleared(operand.bytesOf(Math.min(rows, windowRows)), operand.what),
          ]),
        ),
    );
    for (let rowBegin = 0, count = 0; rowBegin < rows; rowBegin += windowRows, count++) {
      const slot = count % slots;
      await underWay[slot];
      signal?.throwIfAborted();
      const rowEnd = Math.min(rows, rowBegin + windowRows);
      const stage = staging[slot];
      const ptrOf = (operand: Operand): Ptr =>
        stage?.get(operand) ?? offsetBy(ownPtr(operand), operand.bytesOf(rowBegin));
      const placed = operands.map((operand) => ({
        operand,
        place: new Place(arena, ptrOf(operand), operand.bytesOf(rowEnd - rowBegin)),
      }));
      for (const { operand, place } of placed) {
        if (operand.load === undefined) continue;
        const load = () => operand.load?.(place, rowBegin, rowEnd);
        const loading = traced(tracer, ['copy in', 'read rows'], rowEnd - rowBegin, load);
        if (loading === undefined) continue;
        await loading;
        signal?.throwIfAborted();
      }
      const window = { rowBegin, rowEnd, firstShard: rowBegin / plan.shardRows, slot, ptrOf, arrays };
      const done = compute(window).then(() => {
        signal?.throwIfAborted();
        for (const { operand, place } of placed) {
          if (operand.store === undefined) continue;
          const store = () => operand.store?.(place, rowBegin, rowEnd);
          traced(tracer, ['copy out', 'write rows'], rowEnd - rowBegin, store);
        }
      });
      // Awaited below or at the slot's next turn; must not count as unhandled until then.
      done.catch(() => {});
      underWay[slot] = done;
    }
    await Promise.all(underWay);
  } finally {
    // Release memory only when no worker uses it.
    await Promise.allSettled(underWay);
    scope.release();
  }
}

const isMoved = ({ load, store }: Operand): boolean => load !== undefined || store !== undefined;

/**
 * Shards per window: as many as WINDOW_BYTES hold, fewer (or 0) if the arena has no room for two windows. Refuses if waiting
 * for other calls pays off: many small windows take longer than few large ones.
 */
function planWindowShards(
  arena: Arena,
  plan: RowsPlan,
  operands: readonly Operand[],
  staged: readonly Operand[],
): number {
  const bytesAShard = (some: readonly Operand[]) =>
    some.reduce((sum, operand) => sum + operand.bytesOf(plan.shardRows), 0);
  const wanted = Math.max(1, Math.floor(WINDOW_BYTES / bytesAShard(operands)));
  const stagedBytes = bytesAShard(staged);
  // Allocations of a window may use different free pieces; half of the largest piece always holds them all.
  const room = stagedBytes === 0 ? MAX_ARENA_BYTES : arena.largestFreeBytes / SLOTS - staged.length * 1024;
  const fitting = stagedBytes === 0 ? plan.shards : Math.floor(room / stagedBytes);
  const most = Math.min(plan.shards, wanted);
  if (fitting < most && arena.othersEnd) arena.refuse();
  return Math.min(most, fitting);
}
