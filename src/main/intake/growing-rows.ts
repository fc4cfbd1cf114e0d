// Rows whose number is not known beforehand, as float32 in one piece: in the arena while they take no more than a part of it,
// then in ordinary memory, which ends before the machine's does.
import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { Arena } from '../memory/arena.js';
import { tensorAt } from '../memory/arena-tensor.js';
import type { Tensor } from '../memory/tensor.js';

const FLOAT32_BYTES = Float32Array.BYTES_PER_ELEMENT;
const FIRST_BYTES = 64 * 1024;
/** Of the arena's free memory; the rest is for weights, training and other calls. */
const ARENA_SHARE = 1 / 2;
/** Of the memory that the machine has left. */
const HOST_SHARE = 0.9;

/** In bytes. */
const hostRoom = (): number => process.availableMemory() * HOST_SHARE;

export class GrowingRows {
  readonly #arena: Arena;
  readonly #argument: string;
  /** How many bytes ordinary memory may take. */
  readonly #hostRoom: () => number;
  #ptr: Ptr | undefined;
  /** As far as there is room. */
  #elements: Float32Array = new Float32Array(0);
  #length = 0;

  constructor(arena: Arena, argument: string, room = hostRoom) {
    this.#arena = arena;
    this.#argument = argument;
    this.#hostRoom = room;
  }

  /** Where the next `length` elements are to be written. `expected`: how many more will follow, if that is known. */
  next(length: number, expected = 0): Float32Array {
    const end = this.#length + length;
    if (end > this.#elements.length) this.#grow(end, end + expected);
    const next = this.#elements.subarray(this.#length, end);
    this.#length = end;
    return next;
  }

  /** What has been written, as rows. In the arena the tensor has to be freed. */
  finish(columns: number): { readonly tensor: Tensor<'float32'>; free(): void } {
    const dims = [this.#length / columns, columns];
    if (this.#ptr === undefined) {
      return { tensor: { type: 'float32', dims, data: this.#elements.subarray(0, this.#length) }, free() {} };
    }
    this.#arena.resize(this.#ptr, this.#length * FLOAT32_BYTES, this.#argument);
    const tensor = tensorAt(this.#arena, 'float32', dims, this.#ptr);
    this.#ptr = undefined;
    return { tensor, free: () => tensor.free() };
  }

  /** Gives the memory back, unless it was finished. */
  free(): void {
    if (this.#ptr !== undefined) this.#arena.release(this.#ptr);
    this.#ptr = undefined;
    this.#elements = new Float32Array(0);
  }

  /** At least to `least` elements; beyond that to twice as many as there are, or to what is expected. */
  #grow(least: number, expected: number): void {
    const wanted = Math.max(expected, 2 * this.#elements.length, FIRST_BYTES / FLOAT32_BYTES);
    const own = this.#ptr === undefined ? 0 : this.#elements.byteLength;
    const isInArena = this.#ptr !== undefined || this.#elements.length === 0;
    if (isInArena && wanted * FLOAT32_BYTES <= ARENA_SHARE * (this.#arena.freeBytes + own)) {
      if (this.#growInArena(wanted)) return;
    }
    this.#growOutside(least, wanted);
  }

  #growInArena(length: number): boolean {
    const bytes = length * FLOAT32_BYTES;
    const what = `the rows of ${this.#argument}`;
    try {
      if (this.#ptr === undefined || !this.#arena.resize(this.#ptr, bytes, what)) {
        const ptr = this.#arena.allocateUncleared(bytes, what);
        this.#arena.view('float32', ptr, length).set(this.#elements);
        if (this.#ptr !== undefined) this.#arena.release(this.#ptr);
        this.#ptr = ptr;
      }
    } catch (error) {
      if (error instanceof SoftshardError && error.code === 'ERR_ARENA_FULL') return false;
      throw error;
    }
    this.#elements = this.#arena.view('float32', this.#ptr, length);
    return true;
  }

  #growOutside(least: number, wanted: number): void {
    const most = Math.floor(this.#hostRoom() / FLOAT32_BYTES);
    if (least > most) throw this.#full(least);
    const elements = this.#allocate(Math.min(wanted, most));
    elements.set(this.#elements.subarray(0, this.#length));
    this.free();
    this.#elements = elements;
  }

  #allocate(length: number): Float32Array {
    try {
      return new Float32Array(length);
    } catch (cause) {
      throw this.#full(length, cause);
    }
  }

  #full(length: number, cause?: unknown): SoftshardError {
    const message =
      `${this.#argument} holds more rows than the machine has memory for (so far ${length} numbers, ` +
      `${length * FLOAT32_BYTES} bytes): pass a source whose rows are fetched ({ rows, features, type, gather }), write them ` +
      'to a .npy file first, or call partialFit for some of them at a time';
    return new SoftshardError('ERR_ARENA_FULL', message, { argument: this.#argument, value: length, cause });
  }
}
