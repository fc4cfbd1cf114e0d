// Event files of a training or of a sweep, for TensorBoard.
import { join } from 'node:path';
import { SoftshardError } from '../../../errors.js';
import { checkArray, checkOptionNames, checkPath, checkStrings, inspectValue } from '../../checks.js';
import { EventFile } from './event-file.js';
import { type HParam, type HParams, writeExperiment, writeSessionEnd, writeSessionStart } from './hparams.js';

export interface TensorBoardOptions {
  /** Of each session by its name, '' for the folder itself: what it was trained with. Default none: then there is no HParams tab. */
  readonly sessions?: Readonly<Record<string, HParams>> | undefined;
  /** Tags of the scalars that sessions are compared by. */
  readonly metrics?: readonly string[] | undefined;
}

/** Throws ERR_FILE where the folder cannot be written. Close it in any case. */
export class TensorBoard {
  readonly #folder: string;
  readonly #root: EventFile;
  readonly #sessions: Readonly<Record<string, HParams>>;
  readonly #open = new Map<string, EventFile>();
  /** All sessions are trained together. */
  readonly #startSeconds = Date.now() / 1000;

  constructor(folder: string, options: TensorBoardOptions = {}) {
    checkPath(folder);
    checkOptionNames('options', options, ['sessions', 'metrics']);
    const { sessions = {}, metrics = [] } = options;
    checkArray('options.metrics', metrics, 'tags of scalars');
    checkStrings('options.metrics', metrics);
    checkRecord('options.sessions', sessions);
    for (const [name, hparams] of Object.entries(sessions)) checkRecord(`options.sessions.${name}`, hparams);
    this.#folder = folder;
    this.#sessions = sessions;
    this.#root = new EventFile(folder);
    const all = Object.values(sessions);
    if (all.length > 0) writeExperiment(this.#root, all, metrics, this.#startSeconds);
    if ('' in sessions) this.#begin('', this.#root);
  }

  /** Values at a step, of a session or of the folder itself. */
  scalars(step: number, values: Readonly<Record<string, number | null | undefined>>, session = ''): void {
    this.#file(session).scalars(step, values);
  }

  /** A session has ended; its file is closed. */
  end(session = '', hasSucceeded = true): void {
    const file = this.#file(session);
    if (session in this.#sessions) writeSessionEnd(file, hasSucceeded, Date.now() / 1000);
    if (file === this.#root) {
      file.flush();
      return;
    }
    this.#open.delete(session);
    file.close();
  }

  /** Brings what there is so far to the files: before a checkpoint, after which nothing of it is reported again. */
  flush(): void {
    for (const file of [...this.#open.values(), this.#root]) file.flush();
  }

  /** Throws ERR_FILE if not everything could be written. */
  close(): void {
    let failure: unknown;
    for (const file of [...this.#open.values(), this.#root]) {
      try {
        file.close();
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  #file(session: string): EventFile {
    if (session === '') return this.#root;
    let file = this.#open.get(session);
    if (file === undefined) {
      file = new EventFile(join(this.#folder, session));
      this.#open.set(session, file);
      this.#begin(session, file);
    }
    return file;
  }

  #begin(session: string, file: EventFile): void {
    const hparams = this.#sessions[session];
    if (hparams !== undefined) writeSessionStart(file, hparams, session || 'run', this.#startSeconds);
  }
}

/** Options as hyperparameters: numbers, texts and truth values as they are, others as JSON; undefined ones are left out. */
export function hparamsOf(options: object): HParams {
  checkRecord('options', options);
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]): [string, HParam][] => {
      if (value === undefined || value === null || typeof value === 'function') return [];
      const isPlain = typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean';
      return [[name, isPlain ? value : jsonOf(value)]];
    }),
  );
}

/** What JSON has no form for (a bigint, a circle) as messages show it. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? inspectValue(value);
  } catch {
    return inspectValue(value);
  }
}

function checkRecord(argument: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  const message = `${argument} is ${inspectValue(value)}: it must be an object of names and values`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value });
}
