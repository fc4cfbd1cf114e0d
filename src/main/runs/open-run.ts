// Opens a run directory: a new one, or one that was cut off, if nothing has changed that decides about its bits.
import { readdir, rmdir, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SoftshardError } from '../../errors.js';
import { presentable } from '../../printable.js';
import {
  checkFunction,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptionNames,
  checkPath,
  checkSignal,
  inspectValue,
} from '../checks.js';
import { byRank0, together, withOthers } from '../distributed/together.js';
import type { Engine } from '../engine.js';
import type { Json } from '../models/model-file.js';
import { makeFolder } from '../outputs/make-folder.js';
import { codeOf, writeError } from '../outputs/output.js';
import { isTemporaryName } from '../outputs/temporary-file.js';
import { decodeCheckpoint } from '../training/checkpoint/checkpoint-bytes.js';
import { checkEngine } from '../training/classifier.js';
import { CheckpointFiles } from './checkpoint-files.js';
import { differencesOf } from './differences.js';
import { changesOf, doubtsOf, environmentOf, type RunEnvironment } from './environment.js';
import { LOCK, type RunLock, takeLock } from './lock.js';
import { MetricsFile, NO_METRICS } from './metrics-file.js';
import { type OpenRun, RunDirectory, type RunFacts, statusOf } from './run-directory.js';
import { type JsonObject, RunFile, readJson, writeJson } from './run-files.js';
import { followRun, tellOfRun } from './run-of-rank-0.js';

export interface RunOptions {
  /** That computes: its kernels are kept in environment.json. */
  engine: Engine;
  /** What decides about the bits: options of the training, say. A run goes on only with the same. Default: none. */
  config?: Readonly<Record<string, Json>> | undefined;
  /** Files of rows and labels by what they are; folders and patterns, too. A run goes on only if their SHA-256 is the same. */
  data?: Readonly<Record<string, string>> | undefined;
  /** 'new': throws where a run is in the folder; 'resume': throws where none is. Default 'auto': goes on with one or begins. */
  start?: 'auto' | 'new' | 'resume' | undefined;
  /** How many of the last checkpoints are kept, beside the best by validation loss. Default 2. */
  keepCheckpoints?: number | undefined;
  /** Seconds between two checkpoints; default: as `checkpoint.everySeconds` of fit. */
  checkpointEvery?: number | undefined;
  /** Told what goes wrong while the run goes on. Default: process.emitWarning. */
  onWarning?: ((message: string) => void) | undefined;
  /** Of reading the data to hash it. */
  signal?: AbortSignal | undefined;
}

const NAMES: readonly (keyof RunOptions)[] = [
  'engine',
  'config',
  'data',
  'start',
  'keepCheckpoints',
  'checkpointEvery',
  'onWarning',
  'signal',
];

/**
 * Opens `folder` for a run of this process alone: a new one, or one that was interrupted, whose latest checkpoint it then has. A
 * finished run is given as it is, with `state` 'finished'. With several ranks all open it together: rank 0 reads and writes, the
 * others get from it what training goes on from. Throws ERR_BUSY where another process has the run, ERR_CHECKPOINT where config, data
 * or kernels have changed, ERR_FILE where the folder cannot be written or holds something else, ERR_OPTION.
 */
export async function openRun(folder: string, options: RunOptions): Promise<RunDirectory> {
  checkOptionNames('options', options, NAMES);
  checkEngine(options.engine);
  const transport = withOthers(options.engine.transport);
  if (transport === undefined) return openHere(folder, checkRunOptions(folder, options));
  return together(transport, async () => {
    const checked = checkRunOptions(folder, options);
    const opened = await byRank0(transport, () => openHere(folder, checked), tellOfRun);
    return 'own' in opened ? opened.own : followRun(opened.told, checked);
  });
}

async function openHere(folder: string, checked: CheckedRunOptions): Promise<RunDirectory> {
  const { engine, config, data, start, keepCheckpoints, checkpointEvery, onWarning, signal } = checked;
  const path = resolve(folder);
  const seen = await readRun(path);
  if (seen === undefined && start === 'resume') throw nothingToResume(folder);
  if (seen !== undefined && start === 'new') throw isThere(folder, seen.state);
  if (seen === undefined) await checkEmpty(path, folder);
  const facts = { folder: path, config, onWarning, checkpointEvery };
  // It may lie where nothing can be written any more.
  if (seen?.state === 'finished') return new RunDirectory({ ...facts, ...seen }, undefined);
  const isNew = await told(path, async () => makeFolder(path));
  let lock: RunLock | undefined;
  let latest: Awaited<ReturnType<typeof openLatest>> | undefined;
  try {
    lock = await takeLock(path);
    const known = await readRun(path);
    if (known?.state === 'finished') {
      await lock.release();
      return new RunDirectory({ ...facts, ...known }, undefined);
    }
    const environment = await environmentOf(engine, data, signal);
    if (known !== undefined) checkUnchanged(folder, known, { config, environment }, onWarning);
    await removeTemporaries(path);
    const checkpoints = new CheckpointFiles(path, keepCheckpoints);
    latest = await openLatest(path, checkpoints, onWarning);
    const startedAt = known?.startedAt ?? new Date().toISOString();
    // In this order: a directory with a config.json is a run.
    if (known === undefined) await writeJson(join(path, RunFile.environment), environment);
    await writeJson(join(path, RunFile.status), statusOf('running', startedAt));
    if (known === undefined) await writeJson(join(path, RunFile.config), config);
    const run: RunFacts = { ...facts, environment: known?.environment ?? environment, startedAt };
    return new RunDirectory(run, { lock, checkpoints, ...latest });
  } catch (error) {
    await latest?.metrics.close().catch(() => {});
    await lock?.release();
    // Only an empty folder goes.
    if (isNew) await rmdir(path).catch(() => {});
    throw error;
  }
}

type CheckedRunOptions = ReturnType<typeof checkRunOptions>;

function checkRunOptions(folder: string, options: RunOptions) {
  checkPath(folder);
  const {
    engine,
    config = {},
    data = {},
    start = 'auto',
    keepCheckpoints = 2,
    checkpointEvery,
    signal,
  } = options;
  checkSignal('options.signal', signal);
  for (const [name, value] of Object.entries({ config, data })) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) continue;
    const message = `options.${name} is ${inspectValue(value)}: it must be an object`;
    throw new SoftshardError('ERR_OPTION', message, { argument: `options.${name}`, value });
  }
  return {
    engine,
    signal,
    config: asJson(config),
    data,
    start: checkOneOf('options.start', start, ['auto', 'new', 'resume']),
    keepCheckpoints: checkInteger('options.keepCheckpoints', keepCheckpoints, 1, Number.MAX_SAFE_INTEGER),
    checkpointEvery:
      checkpointEvery === undefined ? undefined : checkNumber('options.checkpointEvery', checkpointEvery, 0),
    onWarning: checkFunction('options.onWarning', options.onWarning) ?? warn,
  };
}

/** As it will be read again. */
function asJson(config: object): JsonObject {
  const refusal = (cause?: unknown) => {
    const message = `options.config is ${inspectValue(config)}: it must be an object of numbers, strings, booleans, null, arrays and objects`;
    return new SoftshardError('ERR_OPTION', message, { argument: 'options.config', value: config, cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(JSON.stringify(config));
  } catch (cause) {
    throw refusal(cause);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw refusal();
  return json as JsonObject;
}

const warn = (message: string): void =>
  process.emitWarning(presentable(message), { type: 'SoftshardWarning', code: 'WARN_RUN' });

interface KnownRun {
  readonly config: JsonObject;
  readonly environment: RunEnvironment;
  readonly startedAt: string;
  readonly state: string;
}

/** Undefined where there is none. Throws ERR_FILE and ERR_FORMAT. */
async function readRun(folder: string): Promise<KnownRun | undefined> {
  const config = await readJson(join(folder, RunFile.config));
  if (config === undefined) return undefined;
  const environment = await readJson(join(folder, RunFile.environment));
  const status = await readJson(join(folder, RunFile.status));
  if (environment === undefined || status === undefined) {
    const missing = environment === undefined ? RunFile.environment : RunFile.status;
    const message = `${folder}: there is a ${RunFile.config}, but no ${missing}: it is no run directory, or damaged`;
    throw new SoftshardError('ERR_FORMAT', message, { argument: 'folder', value: folder });
  }
  const { startedAt, state } = status;
  return {
    config,
    // As this or another version of softshard wrote it.
    environment: environment as unknown as RunEnvironment,
    startedAt: String(startedAt),
    state: String(state),
  };
}

function nothingToResume(folder: string): SoftshardError {
  const message = `${folder}: there is no run to resume: name the folder of one, or begin it`;
  return new SoftshardError('ERR_FILE', message, { argument: 'folder', value: folder });
}

function isThere(folder: string, state: string): SoftshardError {
  const remedy =
    state === 'finished'
      ? 'name another folder, or remove it'
      : `resume it (options.start 'resume'), name another folder, or remove it`;
  const message = `${folder}: holds a run already, which is ${state === 'running' ? 'running, or was cut off' : state}: ${remedy}`;
  return new SoftshardError('ERR_FILE', message, { argument: 'folder', value: folder });
}

/** What a run that ended before its config.json was there has left. */
const BEGINNINGS: readonly string[] = [RunFile.environment, RunFile.status, RunFile.log, RunFile.metrics];

async function checkEmpty(path: string, folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return;
    const message = `${folder}: is no folder that can be read: name another one for the run`;
    throw new SoftshardError('ERR_FILE', message, { argument: 'folder', value: folder, cause });
  }
  const other = names.find(
    (name) => !BEGINNINGS.includes(name) && !name.startsWith(LOCK) && !isTemporaryName(name),
  );
  if (other === undefined) return;
  const message = `${folder}: holds ${inspectValue(other)}, and no run: name a new or empty folder`;
  throw new SoftshardError('ERR_FILE', message, { argument: 'folder', value: folder });
}

type Started = Pick<KnownRun, 'config' | 'environment'>;

function checkUnchanged(
  folder: string,
  before: Started,
  now: Started,
  warn: (message: string) => void,
): void {
  const changes = [
    ...differencesOf(before.config, now.config).map(
      (of) => `${of.place}: ${of.before} in ${RunFile.config}, ${of.now} now`,
    ),
    ...changesOf(before.environment, now.environment),
  ];
  if (changes.length === 0) {
    for (const doubt of doubtsOf(before.environment, now.environment)) {
      warn(`${folder}: ${doubt}: the bits may not be those of an unbroken run`);
    }
    return;
  }
  const message = `${folder}: the run cannot go on, for what decides about its bits has changed: ${changes.join('; ')}. Bring it back to what it was, or begin a new run`;
  throw new SoftshardError('ERR_CHECKPOINT', message, { argument: 'folder', value: folder });
}

/** The latest checkpoint, and the lines of metrics up to it. */
async function openLatest(
  folder: string,
  checkpoints: CheckpointFiles,
  warn: (message: string) => void,
): Promise<Pick<OpenRun, 'metrics' | 'latest' | 'latestName'>> {
  const path = join(folder, RunFile.metrics);
  const found = await checkpoints.latest(
    ({ name, bytes, note }) => ({
      name,
      note,
      checkpoint: decodeCheckpoint(bytes, join(checkpoints.folder, name)),
    }),
    (message) => warn(`${message}; the run goes on from the checkpoint before`),
  );
  const position = found?.note.metrics ?? NO_METRICS;
  const metrics = await told(path, () => MetricsFile.open(path, position));
  if (metrics === undefined) {
    const message = `${path}: has fewer bytes than the ${position.bytes} that the checkpoint ${found?.name} was written after: bring the file back, or remove the checkpoint`;
    throw new SoftshardError('ERR_FORMAT', message, { value: path });
  }
  return { metrics, latest: found?.checkpoint, latestName: found?.name };
}

/** Of a process that holds no lock here: nobody else writes these files. */
async function removeTemporaries(folder: string): Promise<void> {
  for (const each of [folder, join(folder, 'checkpoints')]) {
    for (const name of await readdir(each).catch(() => [])) {
      // A report may be written meanwhile, and others may be trying to take the lock.
      const isStale = isTemporaryName(name) && !name.startsWith('report') && !name.startsWith(LOCK);
      if (isStale) await unlink(join(each, name)).catch(() => {});
    }
  }
}

async function told<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof SoftshardError ? cause : writeError(path, cause);
  }
}
