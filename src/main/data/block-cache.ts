// Blocks of rows of a file that are in memory for a while.
import { forEachAtOnce } from './concurrent.js';

export type Rows = Float32Array | Uint8Array;

/** Reads a block, into the memory of a former one if that fits. */
export type LoadBlock = (block: number, former: Rows | undefined) => Promise<Rows>;

export class BlockCache {
  readonly #load: LoadBlock;
  /** The last used at the end. */
  readonly #blocks = new Map<number, Rows>();
  /** Memory of blocks that are no longer used. */
  readonly #spare: Rows[] = [];

  constructor(load: LoadBlock) {
    this.#load = load;
  }

  /** Of one that is loaded. */
  get(block: number): Rows {
    return this.#blocks.get(block)!;
  }

  /** They become the last used ones; of all, at most `keep` stay, which is no fewer than are wanted. */
  async load(wanted: ReadonlySet<number>, keep: number): Promise<void> {
    const missing: number[] = [];
    for (const block of wanted) {
      const loaded = this.#blocks.get(block);
      if (loaded === undefined) missing.push(block);
      else {
        this.#blocks.delete(block);
        this.#blocks.set(block, loaded);
      }
    }
    this.#drop(keep - missing.length);
    // Near each other on the disk, too.
    missing.sort((a, b) => a - b);
    await forEachAtOnce(missing, async (block) => {
      this.#blocks.set(block, await this.#load(block, this.#spare.pop()));
    });
  }

  clear(): void {
    this.#blocks.clear();
    this.#spare.length = 0;
  }

  /** Keeps this many blocks. */
  #drop(keep: number): void {
    for (const [block, values] of this.#blocks) {
      if (this.#blocks.size <= keep) return;
      this.#blocks.delete(block);
      this.#spare.push(values);
    }
  }
}
