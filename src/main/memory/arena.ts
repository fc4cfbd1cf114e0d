// The one owner of shared memory and byte offsets: hands out pieces of a shared WebAssembly memory.

import { SoftshardError } from '../../errors.js';
import { ALIGNMENT_BYTES, HEAP_BASE } from '../../kernels/layout.js';
import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import { type SharedMemory, WebAssembly } from '../../kernels/webassembly.js';
import { announceGarbage, offerMemory, takeMemory } from './closed-memories.js';
import { arrayClass, type ElementType, elementBytes, type TensorData } from './element-types.js';

const PAGE_BYTES = 65536;
/** What 32-bit WebAssembly can address. */
export const MAX_ARENA_BYTES = 65536 * PAGE_BYTES;
/** Memory grows by at least this much, so that small allocations rarely grow it. */
const GROWTH_BYTES = 4 * 1024 * 1024;

interface Piece {
  begin: number;
  end: number;
}

/** The size of the piece that holds this many bytes. */
const sizeOf = (bytes: number): number => Math.max(Math.ceil(bytes / ALIGNMENT_BYTES), 1) * ALIGNMENT_BYTES;

export class Arena {
  readonly memory: SharedMemory;
  readonly #limitBytes: number;
  /** Free pieces, by address, never adjacent. The last one may reach beyond the memory's current length. */
  readonly #free: Piece[];
  readonly #allocated = new Map<Ptr, { readonly size: number; holders: number }>();
  /** Below: may hold old contents. From here on: never handed out, so still zero. */
  #highWater: number = HEAP_BASE;
  #peakBytes: number = HEAP_BASE;
  /** Other calls hold memory and will release it soon: better to wait than to make do with less. */
  othersEnd = false;
  #refusals = 0;
  #isRetired = false;

  /** Reserves address space only; memory is committed as it is first used. */
  constructor(limitBytes: number) {
    const pages = Math.ceil(limitBytes / PAGE_BYTES);
    this.#limitBytes = pages * PAGE_BYTES;
    this.#free = [{ begin: HEAP_BASE, end: this.#limitBytes }];
    const closed = takeMemory(pages);
    this.memory = closed?.memory ?? newMemory(pages, limitBytes);
    if (closed === undefined) return;
    this.#highWater = closed.usedBytes;
    // What kernels keep below the heap: each instance writes it anew.
    new Uint8Array(this.memory.buffer, 0, HEAP_BASE).fill(0);
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  get freeBytes(): number {
    return this.#free.reduce((sum, piece) => sum + piece.end - piece.begin, 0);
  }

  get largestFreeBytes(): number {
    return this.#free.reduce((largest, piece) => Math.max(largest, piece.end - piece.begin), 0);
  }

  /** The kernels' part below HEAP_BASE counts too. */
  get usedBytes(): number {
    return this.#limitBytes - this.freeBytes;
  }

  /** The peak of usedBytes. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** How many allocations have failed. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Part of the remedies that the error of a full arena names. */
  get growthRemedy(): string {
    if (this.#limitBytes === MAX_ARENA_BYTES) return '';
    return `, create the engine with a larger arenaBytes (at most ${MAX_ARENA_BYTES})`;
  }

  /** Zeroed memory, aligned to ALIGNMENT_BYTES; `what` names its use in the error. */
  allocate(bytes: number, what: string): Ptr {
    const clean = this.#highWater;
    const ptr = this.allocateUncleared(bytes, what);
    const dirtyEnd = Math.min(ptr + sizeOf(bytes), clean);
    // Eight bytes at a time: V8 fills shared memory element by element, bytes 8 times as slowly.
    if (dirtyEnd > ptr) new BigInt64Array(this.memory.buffer, ptr, (dirtyEnd - ptr) / 8).fill(0n);
    return ptr;
  }

  /** As allocate, with old contents: for memory that is written before it is read. */
  allocateUncleared(bytes: number, what: string): Ptr {
    if (this.#isRetired)
      throw new SoftshardError('ERR_CLOSED', `the engine is closed: no memory for ${what}`);
    const size = sizeOf(bytes);
    const index = this.#free.findIndex((piece) => piece.end - piece.begin >= size);
    const piece = this.#free[index];
    if (piece === undefined) throw this.#full(bytes, what);
    const ptr = piece.begin as Ptr;
    this.#growTo(ptr + size, bytes, what);
    piece.begin += size;
    if (piece.begin === piece.end) this.#free.splice(index, 1);
    this.#allocated.set(ptr, { size, holders: 1 });
    this.#peakBytes = Math.max(this.#peakBytes, this.usedBytes);
    this.#highWater = Math.max(this.#highWater, ptr + size);
    return ptr;
  }

  /** Whether pieces of these sizes can be allocated in turn. */
  hasRoomFor(sizes: readonly number[]): boolean {
    const free = this.#free.map(({ begin, end }) => end - begin);
    return sizes.every((bytes) => {
      const size = sizeOf(bytes);
      const index = free.findIndex((room) => room >= size);
      if (index >= 0) free[index]! -= size;
      return index >= 0;
    });
  }

  /** Adds a holder of an allocation: its memory is free once each holder has released it. */
  retain(ptr: Ptr): void {
    this.#allocation(ptr).holders++;
  }

  release(ptr: Ptr): void {
    const allocation = this.#allocation(ptr);
    allocation.holders--;
    if (allocation.holders > 0) return;
    this.#allocated.delete(ptr);
    this.#addFree({ begin: ptr, end: ptr + allocation.size });
    this.#offerIfDone();
  }

  /**
   * Gives an allocation another size where it lies; false where it cannot grow there. What it gains has old contents. To be
   * called by its only holder.
   */
  resize(ptr: Ptr, bytes: number, what: string): boolean {
    const allocation = this.#allocation(ptr);
    const size = sizeOf(bytes);
    const end = ptr + allocation.size;
    if (size > allocation.size) {
      const index = this.#free.findIndex((piece) => piece.begin === end);
      const next = this.#free[index];
      if (this.#isRetired || next === undefined || next.end < ptr + size) return false;
      this.#growTo(ptr + size, bytes, what);
      next.begin = ptr + size;
      if (next.begin === next.end) this.#free.splice(index, 1);
      this.#peakBytes = Math.max(this.#peakBytes, this.usedBytes);
      this.#highWater = Math.max(this.#highWater, ptr + size);
    } else if (size < allocation.size) {
      this.#addFree({ begin: ptr + size, end });
    }
    this.#allocated.set(ptr, { size, holders: allocation.holders });
    return true;
  }

  #addFree(freed: Piece): void {
    const following = this.#free.findIndex((piece) => piece.begin > freed.begin);
    const index = following < 0 ? this.#free.length : following;
    const next = this.#free[index];
    const previous = this.#free[index - 1];
    if (next?.begin === freed.end) {
      freed.end = next.end;
      this.#free.splice(index, 1);
    }
    if (previous?.end === freed.begin) previous.end = freed.end;
    else this.#free.splice(index, 0, freed);
  }

  /** No more allocations. Once all memory is released, another arena may take it over. */
  retire(): void {
    this.#isRetired = true;
    this.#offerIfDone();
    announceGarbage(this.#highWater);
  }

  #offerIfDone(): void {
    if (!this.#isRetired || this.#allocated.size > 0) return;
    offerMemory(this.memory, this.#limitBytes / PAGE_BYTES, this.#highWater);
  }

  #allocation(ptr: Ptr): { readonly size: number; holders: number } {
    const allocation = this.#allocated.get(ptr);
    if (allocation === undefined) throw new Error(`nothing is allocated at ${ptr}`);
    return allocation;
  }

  /** Allocations that are released together. */
  scope(): ArenaScope {
    return new ArenaScope(this);
  }

  view<Type extends ElementType>(type: Type, ptr: Ptr, length: number): TensorData[Type] {
    return new (arrayClass(type))(this.memory.buffer, ptr, length);
  }

  #growTo(end: number, bytes: number, what: string): void {
    const have = this.memory.buffer.byteLength;
    if (end <= have) return;
    const wanted = Math.min(this.#limitBytes, Math.max(end, have + GROWTH_BYTES));
    try {
      this.memory.grow(Math.ceil((wanted - have) / PAGE_BYTES));
    } catch (cause) {
      throw this.#full(bytes, what, cause);
    }
  }

  /** For a caller that prefers to wait (othersEnd) to making do with less. No user sees the error. */
  refuse(): never {
    this.#refusals++;
    throw OTHERS_HOLD;
  }

  #full(bytes: number, what: string, cause?: unknown): SoftshardError {
    this.#refusals++;
    const message =
      `the arena has no room for ${what}: asked for ${bytes} bytes, used ${this.usedBytes}, free ` +
      `${this.freeBytes} (largest piece ${this.largestFreeBytes}), limit ${this.#limitBytes}. ` +
      `Free matrices that are done with${this.growthRemedy}, or keep rows in plain arrays, which pass through the ` +
      'arena in parts (hostMemory reads files into them)';
    return new SoftshardError('ERR_ARENA_FULL', message, {
      value: bytes,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** Made once: waiting calls are refused often, and a stack trace takes time. */
const OTHERS_HOLD = new SoftshardError('ERR_ARENA_FULL', 'other calls hold memory of the arena');

function newMemory(pages: number, limitBytes: number): SharedMemory {
  const initial = Math.min(pages, (HEAP_BASE + GROWTH_BYTES) / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial, maximum: pages, shared: true });
  } catch (cause) {
    const message =
      `cannot reserve the address space of an arena of ${pages * PAGE_BYTES} bytes: V8 takes some 10 GB around any. Raise the ` +
      'limit on virtual memory (ulimit -v), or start node with --disable-wasm-trap-handler (the command line with ' +
      'NODE_OPTIONS=--disable-wasm-trap-handler), which then needs an arenaBytes below the limit';
    throw new SoftshardError('ERR_ARENA_FULL', message, {
      argument: 'arenaBytes',
      value: limitBytes,
      cause,
    });
  }
}

export class ArenaScope {
  readonly #arena: Arena;
  readonly #ptrs: Ptr[] = [];

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  allocate(bytes: number, what: string): Ptr {
    const ptr = this.#arena.allocate(bytes, what);
    this.#ptrs.push(ptr);
    return ptr;
  }

  allocateUncleared(bytes: number, what: string): Ptr {
    const ptr = this.#arena.allocateUncleared(bytes, what);
    this.#ptrs.push(ptr);
    return ptr;
  }

  /**
   * Named pieces of these sizes, or undefined where they and further pieces of `reserve` bytes do not all fit. Size 0 gets
   * address 0.
   */
  allocateIfRoom<Name extends string>(
    sizes: Readonly<Record<Name, number>>,
    reserve: readonly number[],
  ): Record<Name, Ptr> | undefined {
    const pieces = (Object.entries(sizes) as [Name, number][]).filter(([, bytes]) => bytes > 0);
    if (!this.#arena.hasRoomFor([...pieces.map(([, bytes]) => bytes), ...reserve])) return undefined;
    const none = Object.fromEntries(Object.keys(sizes).map((name) => [name, NULL_PTR]));
    const ptrs = Object.fromEntries(pieces.map(([name, bytes]) => [name, this.allocate(bytes, name)]));
    return { ...none, ...ptrs } as Record<Name, Ptr>;
  }

  /** Keeps someone else's allocation at least as long as this scope. */
  retain(ptr: Ptr): void {
    this.#arena.retain(ptr);
    this.#ptrs.push(ptr);
  }

  release(): void {
    for (let ptr = this.#ptrs.pop(); ptr !== undefined; ptr = this.#ptrs.pop()) this.#arena.release(ptr);
  }
}

/** A piece of the arena, viewed as any element type. */
export class Place {
  readonly #arena: Arena;
  readonly #ptr: Ptr;
  readonly #bytes: number;

  constructor(arena: Arena, ptr: Ptr, bytes: number) {
    this.#arena = arena;
    this.#ptr = ptr;
    this.#bytes = bytes;
  }

  as<Type extends ElementType>(type: Type): TensorData[Type] {
    return this.#arena.view(type, this.#ptr, this.#bytes / elementBytes(type));
  }

  get float32(): Float32Array {
    return this.as('float32');
  }

  get int32(): Int32Array {
    return this.as('int32');
  }
}
