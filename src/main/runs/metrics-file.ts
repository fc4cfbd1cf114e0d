// metrics.jsonl: lines in the order of the run, cut back to where a checkpoint was when the run goes on from there.
import { type FileHandle, open } from 'node:fs/promises';
import { writeAll } from '../outputs/output.js';

/** Where a checkpoint is in the lines of its run. */
export interface MetricsPosition {
  readonly bytes: number;
  readonly lines: number;
  /** The turn that is next, and lines that wait for theirs. */
  readonly turn: number;
  readonly waiting: readonly (readonly [turn: number, line: string])[];
}

export const NO_METRICS: MetricsPosition = { bytes: 0, lines: 0, turn: 0, waiting: [] };

export class MetricsFile {
  readonly #path: string;
  #file: FileHandle;
  /** On the disk. */
  #written: number;
  #lines: number;
  #turn: number;
  readonly #waiting: Map<number, string>;
  /** Not on the disk yet. */
  #pending: string[] = [];
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, { bytes, lines, turn, waiting }: MetricsPosition) {
    this.#path = path;
    this.#file = file;
    this.#written = bytes;
    this.#lines = lines;
    this.#turn = turn;
    this.#waiting = new Map(waiting);
  }

  /** Of a run at `position`: what comes after it is cut off. Resolves to undefined if the file has less than that. */
  static async open(path: string, position: MetricsPosition): Promise<MetricsFile | undefined> {
    const file = await open(path, position.bytes === 0 ? 'w+' : 'r+');
    try {
      if ((await file.stat()).size >= position.bytes) {
        await file.truncate(position.bytes);
        return new MetricsFile(path, file, position);
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  /** Of the lines so far, whether written or not. */
  get position(): MetricsPosition {
    const pending = this.#pending.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    return {
      bytes: this.#written + pending,
      lines: this.#lines,
      turn: this.#turn,
      waiting: [...this.#waiting],
    };
  }

  /** Lines with a turn stand in the order of their turns 0, 1, 2, …, whenever they come. */
  append(metrics: object, turn?: number): void {
    const line = `${JSON.stringify(metrics)}\n`;
    if (turn === undefined) this.#add(line);
    else this.#waiting.set(turn, line);
    for (let next = this.#waiting.get(this.#turn); next !== undefined; next = this.#waiting.get(this.#turn)) {
      this.#waiting.delete(this.#turn++);
      this.#add(next);
    }
    // For readers that follow the file; where it fails, flush tells.
    this.#write().catch(() => {});
  }

  #add(line: string): void {
    this.#pending.push(line);
    this.#lines++;
  }

  /** Rejects where the disk takes no more: the lines are kept, and written with the next ones. */
  async flush(): Promise<void> {
    await this.#write();
    await this.#file.sync();
  }

  /** One after the other: each begins where the one before it has ended. */
  #write(): Promise<void> {
    this.#writing = this.#writing
      .catch(() => {})
      .then(async () => {
        const count = this.#pending.length;
        if (count === 0) return;
        const bytes = Buffer.from(this.#pending.join(''));
        let position = this.#written;
        await writeAll(bytes, async (part) => {
          const { bytesWritten } = await this.#file.write(part, 0, part.length, position);
          position += bytesWritten;
          return bytesWritten;
        });
        this.#written += bytes.length;
        this.#pending = this.#pending.slice(count);
      });
    this.#writing.catch(() => {});
    return this.#writing;
  }

  /** Writes the file anew from what is left of it in the system, where its folder has been removed. */
  restore(): Promise<void> {
    // What is written meanwhile waits for the new file.
    this.#writing = this.#writing.catch(() => {}).then(() => this.#restore());
    this.#writing.catch(() => {});
    return this.#writing;
  }

  async #restore(): Promise<void> {
    const former = Buffer.alloc(this.#written);
    for (let done = 0; done < former.length; ) {
      const { bytesRead } = await this.#file.read(former, done, former.length - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    const file = await open(this.#path, 'w+');
    await file.writeFile(former);
    await this.#file.close();
    this.#file = file;
  }

  /** Lines whose turn has not come get it now. */
  async close(): Promise<void> {
    for (const [, line] of [...this.#waiting].sort(([a], [b]) => a - b)) this.#add(line);
    this.#waiting.clear();
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }
}
