// A run on disk: what a training hands out is kept so that a process may end at any moment, and the run goes on from there.
import { appendFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { messageOf, SoftshardError } from '../../errors.js';
import { checkInteger, inspectValue } from '../checks.js';
import { makeFolder } from '../outputs/make-folder.js';
import { writeError } from '../outputs/output.js';
import type { Checkpoint, CheckpointOptions } from '../training/checkpoint/checkpoint.js';
import { encodeCheckpoint } from '../training/checkpoint/checkpoint-bytes.js';
import type { CheckpointFiles } from './checkpoint-files.js';
import type { RunEnvironment } from './environment.js';
import type { RunLock } from './lock.js';
import type { MetricsFile } from './metrics-file.js';
import { type JsonObject, RunFile, type RunState, type RunStatus, writeJson } from './run-files.js';

/** Numbers and names of one moment: a line of metrics.jsonl. */
export interface RunMetrics {
  readonly step?: number;
  readonly epoch?: number;
  readonly pass?: number;
  readonly iteration?: number;
  readonly head?: number;
  readonly [name: string]: number | string | boolean | null | undefined;
}

/** What is open while a run goes on. */
export interface OpenRun {
  readonly lock: RunLock;
  readonly metrics: MetricsFile;
  readonly checkpoints: CheckpointFiles;
  /** From which it goes on. */
  readonly latest: Checkpoint | undefined;
  readonly latestName: string | undefined;
}

export interface RunFacts {
  readonly folder: string;
  readonly config: JsonObject;
  readonly environment: RunEnvironment;
  /** As Date.toISOString gives it. */
  readonly startedAt: string;
  readonly checkpointEvery: number | undefined;
  readonly onWarning: (message: string) => void;
}

/** status.json is written at checkpoints, but not more often: each write waits for the disk. */
const STATUS_MS = 10_000;

/** Made by openRun. */
export class RunDirectory {
  readonly #facts: RunFacts;
  readonly #startedMs: number;
  #open: OpenRun | undefined;
  #latest: Checkpoint | undefined;
  #state: RunState;
  #validationLoss: number | null = null;
  /** Why the last checkpoint could not be written. */
  #failure: unknown;
  #failures = 0;
  #statusMs = Date.now();

  /** `open` is undefined of a finished run. */
  constructor(facts: RunFacts, open: OpenRun | undefined) {
    this.#facts = facts;
    this.#startedMs = Date.parse(facts.startedAt);
    // Held once, so that it can be let go.
    this.#open = open && { ...open, latest: undefined };
    this.#latest = open?.latest;
    this.#state = open === undefined ? 'finished' : 'running';
  }

  /** Absolute. */
  get folder(): string {
    return this.#facts.folder;
  }

  get config(): JsonObject {
    return this.#facts.config;
  }

  /** Of the first start. */
  get environment(): RunEnvironment {
    return this.#facts.environment;
  }

  /** 'finished': there is nothing left to do, and nothing can be written. */
  get state(): RunState {
    return this.#state;
  }

  /** That from which the run goes on, until there is a later one; or undefined: it begins. */
  get latestCheckpoint(): Checkpoint | undefined {
    return this.#latest;
  }

  /** Its name. */
  get latestName(): string | undefined {
    return this.#open?.latestName;
  }

  /** How many checkpoints could not be written, and why the last of them. */
  get failedCheckpoints(): { readonly count: number; readonly cause: unknown } {
    return { count: this.#failures, cause: this.#failure };
  }

  /** Of a file of this name in the folder. */
  path(name: string): string {
    return join(this.#facts.folder, name);
  }

  /** Options for fit and fitMany: checkpoints go to the folder, and training goes on from the latest. */
  get trainingOptions(): { checkpoint: CheckpointOptions; resumeFrom?: Checkpoint } {
    const { checkpointEvery } = this.#facts;
    this.#opened();
    return {
      checkpoint: {
        onCheckpoint: (checkpoint) => this.keep(checkpoint),
        ...(checkpointEvery !== undefined && { everySeconds: checkpointEvery }),
      },
      ...(this.#latest && { resumeFrom: this.#latest }),
    };
  }

  /**
   * Appends a line to metrics.jsonl, with the `time` since the first start. Lines with a `turn` stand in the order of their turns
   * 0, 1, 2, …, whenever they come. Throws ERR_OPTION for values that are no numbers, strings, booleans or null.
   */
  log(metrics: RunMetrics, turn?: number): void {
    checkMetrics(metrics, turn);
    const { 'validation/loss': validationLoss, head } = metrics;
    if (typeof validationLoss === 'number' && head === undefined) this.#validationLoss = validationLoss;
    const time = Math.max(0, Date.now() - this.#startedMs) / 1000;
    this.#opened().metrics.append({ time, ...metrics }, turn);
  }

  /** Appends to log.txt, with the time. What cannot be written there is left out. */
  note(text: string): void {
    const time = new Date().toISOString();
    const lines = text.trimEnd().split('\n');
    try {
      appendFileSync(this.path(RunFile.log), lines.map((line) => `${time} ${line}\n`).join(''));
    } catch {
      // Checkpoints that fail for the same reason are told of.
    }
  }

  /**
   * What onCheckpoint does: writes the checkpoint, with all lines of metrics before it. A failure is a warning, and leaves the
   * former checkpoint as it was. Throws ERR_BUSY where another process has taken the run over.
   */
  async keep(checkpoint: Checkpoint): Promise<void> {
    const { lock, metrics, checkpoints } = this.#opened();
    // At once: lines that come while it is written are after it.
    const note = { metrics: metrics.position, validationLoss: finiteOrNull(this.#validationLoss) };
    const bytes = encodeCheckpoint(checkpoint);
    try {
      await this.restore();
      await lock.check();
      await metrics.flush();
      const name = await checkpoints.write(bytes, note);
      // It may be large.
      this.#latest = undefined;
      this.note(`checkpoint ${name}`);
      if (Date.now() - this.#statusMs >= STATUS_MS) await this.#writeStatus('running');
      if (this.#failure !== undefined) this.#facts.onWarning('checkpoints can be written again');
      this.#failure = undefined;
    } catch (error) {
      if (error instanceof SoftshardError && error.code === 'ERR_BUSY') throw error;
      this.#failures++;
      const isFirst = this.#failure === undefined;
      this.#failure = error;
      const message = `a checkpoint could not be written: ${messageOf(error)}. Training goes on; the checkpoint before stays`;
      this.note(`warning: ${message}`);
      if (isFirst) this.#facts.onWarning(message);
    }
  }

  /** Call when all is done, the model saved. Writes result.json, and gives the lock back. Throws ERR_FILE. */
  async finish(result: object): Promise<void> {
    const { lock, metrics } = this.#opened();
    await this.restore();
    await lock.check();
    await toldOf(this.path(RunFile.metrics), metrics.flush());
    await writeJson(this.path(RunFile.result), result);
    await this.#end('finished');
  }

  /** Call where it ends before its end, to go on later: `cause` says why. Does not throw. */
  interrupt(cause: unknown): Promise<void> {
    return this.#end('interrupted', cause).catch(() => {});
  }

  /** Likewise where it failed: it goes on from the latest checkpoint as well, once the reason is gone. */
  fail(cause: unknown): Promise<void> {
    return this.#end('failed', cause).catch(() => {});
  }

  /** Where it has not ended by one of these, it is interrupted: `await using run = await openRun(…)`. */
  close(): Promise<void> {
    return this.interrupt('closed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(state: RunState, cause?: unknown): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    try {
      const isOurs = await open.lock.check().then(
        () => true,
        () => false,
      );
      if (state === 'finished') await toldOf(this.path(RunFile.metrics), open.metrics.close());
      else await open.metrics.close().catch(() => {});
      if (isOurs) await this.#writeStatus(state, cause === undefined ? undefined : messageOf(cause));
      this.#state = state;
    } finally {
      await open.lock.release();
      this.#open = undefined;
    }
  }

  async #writeStatus(state: RunState, cause?: string): Promise<void> {
    this.#statusMs = Date.now();
    await writeJson(this.path(RunFile.status), statusOf(state, this.#facts.startedAt, cause));
  }

  /** Writes the folder anew where it has been removed: call it before something is saved there. Throws ERR_FILE. */
  async restore(): Promise<void> {
    const { folder, config, environment } = this.#facts;
    const isThere = await access(this.path(RunFile.config)).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    makeFolder(folder);
    await this.#opened().lock.check();
    await this.#opened().metrics.restore();
    await writeJson(this.path(RunFile.environment), environment);
    await writeJson(this.path(RunFile.config), config);
    this.#facts.onWarning(
      `${folder} has been removed: it is written anew, with its lines of metrics, but without its log`,
    );
  }

  #opened(): OpenRun {
    if (this.#open !== undefined) return this.#open;
    const message = `${this.folder}: the run is ${this.#state}, and nothing more can be written: open it again`;
    throw new SoftshardError('ERR_CLOSED', message);
  }
}

function checkMetrics(metrics: unknown, turn: unknown): void {
  if (typeof metrics !== 'object' || metrics === null || Array.isArray(metrics)) {
    const message = `metrics is ${inspectValue(metrics)}: it must be an object of numbers`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'metrics', value: metrics });
  }
  for (const [name, value] of Object.entries(metrics)) {
    if (value === undefined || value === null || FLAT.has(typeof value)) continue;
    const message = `metrics[${inspectValue(name)}] is ${inspectValue(value)}: it must be a number, string, boolean or null`;
    throw new SoftshardError('ERR_OPTION', message, { argument: `metrics.${name}`, value });
  }
  if (turn !== undefined) checkInteger('turn', turn, 0, Number.MAX_SAFE_INTEGER);
}

const FLAT: ReadonlySet<string> = new Set(['number', 'string', 'boolean']);

export function statusOf(state: RunState, startedAt: string, cause?: string): RunStatus {
  return {
    state,
    pid: process.pid,
    host: hostname(),
    startedAt,
    updatedAt: new Date().toISOString(),
    ...(cause !== undefined && { cause }),
  };
}

const finiteOrNull = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) ? value : null;

async function toldOf<Result>(path: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    throw writeError(path, cause);
  }
}
