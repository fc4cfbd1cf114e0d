// Which blocks of rows are in memory while an epoch goes through them in the order of orderEpoch.

/** A block to bring to a slot. */
export interface BlockLoad {
  readonly block: number;
  readonly slot: number;
}

/** `blockRows` rows a slot; a block has its slot from the first of its rows to the last. */
export class BlockWindow {
  readonly #blockRows: number;
  readonly #free: number[];
  /** By block; -1: it has none. */
  readonly #slots: Int32Array;
  /** By block, its rows that are to come. */
  readonly #left: Uint32Array;

  /** `rows`: all that will be asked for, in any order. */
  constructor(slots: number, blockRows: number, rows: Uint32Array) {
    this.#blockRows = blockRows;
    this.#free = Array.from({ length: slots }, (_, slot) => slot);
    let blocks = 0;
    for (const row of rows) blocks = Math.max(blocks, Math.floor(row / blockRows) + 1);
    this.#slots = new Int32Array(blocks).fill(-1);
    this.#left = new Uint32Array(blocks);
    for (const row of rows) this.#left[Math.floor(row / blockRows)]!++;
  }

  /**
   * Writes where the next rows are to `positions`, in rows from the first slot on. Gives the blocks to load first; undefined, with
   * nothing done, if there are too few free slots.
   */
  place(rows: Uint32Array, positions: Uint32Array): BlockLoad[] | undefined {
    const missing = new Set<number>();
    for (const row of rows) {
      const block = Math.floor(row / this.#blockRows);
      if (this.#slots[block] === -1) missing.add(block);
    }
    if (missing.size > this.#free.length) return undefined;
    const loads = Array.from(missing, (block) => ({ block, slot: this.#free.pop()! }));
    for (const { block, slot } of loads) this.#slots[block] = slot;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const block = Math.floor(row / this.#blockRows);
      positions[i] = this.#slots[block]! * this.#blockRows + (row % this.#blockRows);
      this.#left[block]!--;
    }
    return loads;
  }

  /** Of these rows, which were placed, the slots of blocks that have none to come: to be freed once nobody reads them. */
  endedBy(rows: Uint32Array): number[] {
    const ended = new Set<number>();
    for (const row of rows) {
      const block = Math.floor(row / this.#blockRows);
      if (this.#left[block] === 0) ended.add(this.#slots[block]!);
    }
    return [...ended];
  }

  free(slots: readonly number[]): void {
    this.#free.push(...slots);
  }
}
