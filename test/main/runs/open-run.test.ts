import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  compareRuns,
  type Engine,
  openRun,
  type RunDirectory,
  type Runs,
  SoftmaxClassifier,
  type Training,
} from '#softshard/main/index.js';
import { sharedEngines } from '../../engines.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();
const engineOf = sharedEngines();
let engine: Engine;
let path: string;

beforeAll(async () => {
  engine = await engineOf({ threads: 1 });
});
beforeEach(() => {
  path = join(folder.path, 'runs/first');
});
afterEach(() => vi.restoreAllMocks());

const ROWS = 60;
const FEATURES = 4;
const inputs = {
  type: 'float32' as const,
  dims: [ROWS, FEATURES],
  data: Float32Array.from({ length: ROWS * FEATURES }, (_, i) => Math.sin(i * 1.7)),
};
const targets = Int32Array.from({ length: ROWS }, (_, row) => Number(inputs.data[row * FEATURES]! > 0));
const EPOCHS = 6;
const OPTIONS = { epochs: EPOCHS, batchSize: 7, momentum: 0.9, validationSplit: 0.2 };

const openFirst = (options: Partial<Runs.RunOptions> = {}): Promise<RunDirectory> =>
  openRun(path, { engine, config: OPTIONS, ...options });

class PowerCut extends Error {}

/** Trains in a run; after so many epochs the power is cut: nothing is told to the run. */
async function train(run: RunDirectory, cutAfter = EPOCHS): Promise<SoftmaxClassifier> {
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: 2 });
  const { checkpoint, ...rest } = run.trainingOptions;
  const { onCheckpoint } = checkpoint;
  const result = await classifier.fit(inputs, targets, {
    ...OPTIONS,
    ...rest,
    checkpoint: { onCheckpoint, everySteps: 3 },
    onEpochEnd: ({ epoch, loss, validationLoss }: Training.EpochReport) => {
      run.log({ epoch, 'train/loss': loss, 'validation/loss': validationLoss });
      if (epoch === cutAfter && epoch < EPOCHS) throw new PowerCut();
    },
  });
  await run.restore();
  await classifier.save(run.path('model.safetensors'));
  await run.finish(result);
  return classifier;
}

const json = (name: string) => JSON.parse(readFileSync(join(path, name), 'utf8'));
const checkpoints = (): string[] => readdirSync(join(path, 'checkpoints')).sort();

/** Leaves the folder as a process does that is gone, with its lock. */
async function cutOff(run: RunDirectory, cutAfter: number): Promise<void> {
  await expect(train(run, cutAfter)).rejects.toThrow(PowerCut);
  const snapshot = join(folder.path, 'snapshot');
  cpSync(path, snapshot, { recursive: true });
  await run.close();
  rmSync(path, { recursive: true });
  renameSync(snapshot, path);
  const lock = join(path, 'lock.json');
  writeFileSync(lock, JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8')), processStart: '1' }));
}

test('a run that is cut off goes on, and comes to the parameters and lines of an unbroken one', async () => {
  const unbroken = join(folder.path, 'unbroken');
  await train(await openRun(unbroken, { engine, config: OPTIONS }));
  const first = await openFirst();
  expect({ state: first.state, latest: first.latestCheckpoint }).toEqual({
    state: 'running',
    latest: undefined,
  });
  await cutOff(first, 4);
  const { state, startedAt } = json('status.json');
  expect(state).toBe('running');
  const second = await openRun(path, {
    engine: await engineOf({ threads: 3 }),
    config: OPTIONS,
    start: 'resume',
  });
  expect(second.latestCheckpoint?.position).toMatchObject({ stage: 'steps' });
  expect(second.trainingOptions.resumeFrom).toBe(second.latestCheckpoint);
  await train(second);
  const comparison = await compareRuns(unbroken, path);
  expect(comparison).toMatchObject({ equal: true, differences: [], lines: [EPOCHS, EPOCHS] });
  expect(json('status.json')).toMatchObject({ state: 'finished', pid: process.pid });
  expect(json('status.json').startedAt).toBe(startedAt);
  expect(json('result.json').epochs).toHaveLength(EPOCHS);
  expect(json('config.json')).toEqual(OPTIONS);
  expect(json('environment.json')).toMatchObject({ numerics: engine.numerics, threads: 1, data: [] });
  expect(readdirSync(path)).not.toContain('lock.json');
  expect(checkpoints().length).toBeLessThanOrEqual(3);
  expect(second.state).toBe('finished');
  expect(() => second.log({ epoch: 7 })).toThrow('the run is finished');
  // A finished one is given as it is, and not begun again.
  expect((await openFirst()).state).toBe('finished');
  await failure(openFirst({ start: 'new' }), 'ERR_FILE', path, 'finished', 'another folder');
});

test('what differs between two runs is told', async () => {
  await train(await openFirst());
  const other = join(folder.path, 'other');
  const run = await openRun(other, { engine });
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: 2 });
  await classifier.fit(inputs, targets, { ...OPTIONS, seed: 1 });
  run.log({ epoch: 1, 'train/loss': 2 });
  await classifier.save(run.path('model.safetensors'));
  await run.finish({});
  const { equal, differences } = await compareRuns(path, other);
  expect(equal).toBe(false);
  expect(differences).toEqual([
    expect.stringMatching(/^parameters: SHA-256 \w{16}… and \w{16}…, first weights\[0\]: \S+ and \S+$/),
    expect.stringMatching(
      /^line 1 of metrics.jsonl: train\/loss is 0\.\d+ and 2, validation\/loss is 0\.\d+ and nothing$/,
    ),
    'metrics.jsonl: 6 and 1 lines',
  ]);
});

describe('what decides about the bits must be the same', () => {
  test('config and data', async () => {
    const file = folder.file('rows.bin', 'abc');
    const data = { rows: file };
    await (await openFirst({ data })).interrupt('enough');
    expect(json('status.json')).toMatchObject({ state: 'interrupted', cause: 'enough' });
    expect(json('environment.json').data).toEqual([
      { name: 'rows', path: file, bytes: 3, sha256: expect.stringMatching(/^ba7816bf/) },
    ]);
    const config = { ...OPTIONS, epochs: 7 };
    await failure(openFirst({ data, config }), 'ERR_CHECKPOINT', 'epochs: 6 in config.json, 7 now');
    writeFileSync(file, 'abd');
    await failure(openFirst({ data }), 'ERR_CHECKPOINT', `rows: ${file} has changed`, 'ba7816bf8f01…');
    await failure(openFirst(), 'ERR_CHECKPOINT', 'rows: ', 'nothing now');
    writeFileSync(file, 'abc');
    const run = await openFirst({ data });
    await run.fail(new Error('for a reason'));
    expect(json('status.json')).toMatchObject({ state: 'failed', cause: 'for a reason' });
  });

  test('kernels; another version or processor is a warning', async () => {
    await (await openFirst()).interrupt('enough');
    const environment = json('environment.json');
    const rewrite = (changes: object) =>
      writeFileSync(join(path, 'environment.json'), JSON.stringify({ ...environment, ...changes }));
    rewrite({ kernels: 'other' });
    await failure(openFirst(), 'ERR_CHECKPOINT', 'kernels: other at the start');
    rewrite({ softshard: '0.0.0', threads: 99, node: '1' });
    const onWarning = vi.fn();
    await (await openFirst({ onWarning })).interrupt('enough');
    expect(onWarning.mock.calls).toEqual([[expect.stringContaining('began with softshard 0.0.0')]]);
  });
});

test('a folder of something else, a missing run and wrong options are refused', async () => {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'thesis.tex'), '');
  await failure(openFirst(), 'ERR_FILE', path, 'thesis.tex', 'new or empty folder');
  expect(readdirSync(path)).toEqual(['thesis.tex']);
  rmSync(join(path, 'thesis.tex'));
  await failure(openFirst({ start: 'resume' }), 'ERR_FILE', 'no run to resume');
  await failure(openFirst({ keepCheckpoints: 0 }), 'ERR_OPTION', 'options.keepCheckpoints is 0');
  await failure(openFirst({ checkpointEvery: -1 }), 'ERR_OPTION', 'options.checkpointEvery is -1');
  await failure(openFirst({ folder: 1 } as object), 'ERR_OPTION', "has no option 'folder'");
  const file = folder.file('file', '');
  await failure(openRun(join(file, 'run'), { engine }), 'ERR_FILE', 'file');
  await failure(openRun(file, { engine }), 'ERR_FILE', 'file');
  await failure(openFirst({ data: { rows: 'missing.npy' } }), 'ERR_FILE', 'missing.npy');
  const run = await openFirst();
  await failure(openFirst(), 'ERR_BUSY', 'this process');
  await run.interrupt('enough');
});

test('temporary files of those that died are removed at the next start', async () => {
  await cutOff(await openFirst(), 2);
  const stale = 'checkpoint-000099.safetensors.softshard-0123abcd-77-01234567.tmp';
  writeFileSync(join(path, 'checkpoints', stale), 'part');
  writeFileSync(join(path, stale), 'part');
  const run = await openFirst();
  expect([...readdirSync(path), ...checkpoints()].filter((name) => name.endsWith('.tmp'))).toEqual([]);
  await run.interrupt('enough');
});

/** Calls back when a run has got so many lines of metrics. */
function onLine(run: RunDirectory, call: (lines: number) => void): void {
  const { log } = run;
  let lines = 0;
  run.log = (...line: Parameters<typeof log>) => {
    log.apply(run, line);
    call(++lines);
  };
}

test('a full disk loses nothing: the checkpoint before stays, training goes on, and later ones are written', async () => {
  const handle = await open(folder.file('any', ''), 'r');
  const prototype = Object.getPrototypeOf(handle) as { sync(): Promise<void> };
  await handle.close();
  const original = prototype.sync;
  const onWarning = vi.fn();
  const run = await openFirst({ onWarning });
  let isFull = false;
  onLine(run, (lines) => {
    isFull = lines >= 2 && lines < 4;
  });
  vi.spyOn(prototype, 'sync').mockImplementation(function (this: unknown) {
    if (isFull) return Promise.reject(new Error('ENOSPC: no space left on device'));
    return original.call(this);
  });
  await train(run);
  vi.restoreAllMocks();
  expect(run.failedCheckpoints).toMatchObject({ cause: undefined });
  expect(run.failedCheckpoints.count).toBeGreaterThan(1);
  expect(onWarning.mock.calls).toEqual([
    [expect.stringMatching(/a checkpoint could not be written: .*ENOSPC.*the checkpoint before stays/)],
    ['checkpoints can be written again'],
  ]);
  const unbroken = join(folder.path, 'unbroken');
  await train(await openRun(unbroken, { engine, config: OPTIONS }));
  expect((await compareRuns(unbroken, path)).differences).toEqual([]);
});

test('a folder that is removed meanwhile comes back whole', async () => {
  const onWarning = vi.fn();
  const run = await openFirst({ onWarning });
  const elsewhere = join(folder.path, 'elsewhere');
  onLine(run, (lines) => {
    // At once: what is being written goes along.
    if (lines === 3) renameSync(path, join(folder.path, 'gone'));
  });
  await train(run);
  expect(onWarning.mock.calls.flat()).toContainEqual(expect.stringContaining('has been removed'));
  renameSync(path, elsewhere);
  await train(await openFirst());
  expect((await compareRuns(elsewhere, path)).differences).toEqual([]);
  expect(readdirSync(elsewhere).sort()).toEqual(readdirSync(path).sort());
});

test('a run that another process has taken over ends, and leaves the folder to it', async () => {
  const run = await openFirst();
  const lock = join(path, 'lock.json');
  writeFileSync(
    lock,
    JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8')), id: 'other', host: 'there' }),
  );
  await failure(train(run), 'ERR_BUSY', 'taken over by process', 'there');
  await run.fail(new Error('taken over'));
  expect(json('status.json').state).toBe('running');
  expect(readdirSync(path)).toContain('lock.json');
});
