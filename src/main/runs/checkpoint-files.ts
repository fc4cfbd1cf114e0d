// The files of a run's checkpoints: the last ones and the best are kept, the rest is pruned once the next one is in place.
import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SoftshardError } from '../../errors.js';
import { makeFolder } from '../outputs/make-folder.js';
import { codeOf } from '../outputs/output.js';
import { writeFileAtomically } from '../outputs/write-atomically.js';
import { splitNote, withNote } from './checkpoint-notes.js';
import type { MetricsPosition } from './metrics-file.js';

/** What a run needs beside the state of the training. */
export interface CheckpointNote {
  readonly metrics: MetricsPosition;
  /** The loss of validation rows that was told last, where there are any: the checkpoint of the lowest is kept. */
  readonly validationLoss: number | null;
}

export interface StoredCheckpoint {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly note: CheckpointNote;
}

const FOLDER = 'checkpoints';
const NAME = /^checkpoint-(\d{6,})\.safetensors$/;
const nameOf = (number: number): string => `checkpoint-${String(number).padStart(6, '0')}.safetensors`;

export class CheckpointFiles {
  readonly folder: string;
  readonly #keep: number;
  #next = 1;
  #best: { readonly number: number; readonly loss: number } | undefined;

  constructor(run: string, keep: number) {
    this.folder = join(run, FOLDER);
    this.#keep = keep;
  }

  /** Gives its name. When it rejects, the files are as they were. */
  async write(bytes: Uint8Array, note: CheckpointNote): Promise<string> {
    makeFolder(this.folder);
    const number = this.#next;
    const name = nameOf(number);
    await writeFileAtomically(join(this.folder, name), (write) => write(withNote(bytes, note)));
    this.#next = number + 1;
    this.#see(number, note);
    await this.#prune();
    return name;
  }

  #see(number: number, { validationLoss: loss }: CheckpointNote): void {
    if (loss === null || (this.#best !== undefined && this.#best.loss <= loss)) return;
    this.#best = { number, loss };
  }

  async #prune(): Promise<void> {
    const numbers = await this.#numbers();
    for (const number of numbers.slice(0, Math.max(0, numbers.length - this.#keep))) {
      if (number !== this.#best?.number) await unlink(join(this.folder, nameOf(number))).catch(() => {});
    }
  }

  /** Ascending. */
  async #numbers(): Promise<number[]> {
    const names = await readdir(this.folder).catch(() => []);
    const numbers = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
    return numbers.sort((a, b) => a - b);
  }

  /**
   * The newest that `accept` takes: it throws for a damaged one, which `onDamaged` is told of, and the one before is tried.
   * Undefined where there is none; rejects where none is whole.
   */
  async latest<Result>(
    accept: (stored: StoredCheckpoint) => Result,
    onDamaged: (message: string) => void,
  ): Promise<Result | undefined> {
    const numbers = await this.#numbers();
    this.#next = (numbers.at(-1) ?? 0) + 1;
    const damaged: unknown[] = [];
    let found: Result | undefined;
    for (const number of numbers.reverse()) {
      const path = join(this.folder, nameOf(number));
      try {
        const { note, bytes } = splitNote(await readWhole(path), path);
        found ??= accept({ name: nameOf(number), bytes, note: note as CheckpointNote });
        this.#see(number, note as CheckpointNote);
      } catch (error) {
        if (error instanceof SoftshardError && error.code === 'ERR_FILE') throw error;
        damaged.push(error);
      }
    }
    if (found === undefined && damaged.length > 0) throw noneWhole(this.folder, damaged);
    for (const error of damaged) onDamaged(messageOf(error));
    return found;
  }
}

/** What is not the file's fault: it may be whole, and must not be passed over. */
const PASSING_FAILURES: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'EACCES', 'EPERM'];

/** Throws ERR_FILE where the file may be read another time. */
async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (!PASSING_FAILURES.includes(codeOf(cause))) throw cause;
    const message = `${path}: cannot be read: ${messageOf(cause)}`;
    throw new SoftshardError('ERR_FILE', message, { value: path, cause });
  }
}

function noneWhole(folder: string, [cause]: readonly unknown[]): SoftshardError {
  const message = `${folder}: no checkpoint can be read (${messageOf(cause)}): remove the folder to begin the run anew`;
  return new SoftshardError('ERR_FORMAT', message, { value: folder, cause });
}
