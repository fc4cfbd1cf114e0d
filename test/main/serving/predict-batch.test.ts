// Many rows at once: what is computed together, where, and what ends it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { Cancellation } from '#softshard/main/cancellation.js';
import { Engine, Predictor } from '#softshard/main/index.js';
import { Coalescer } from '#softshard/main/serving/coalescer.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { blasSearch, hasKoffi } from '../../optional.js';

const FEATURES = 64;
const CLASSES = 8;
const model = {
  features: FEATURES,
  classes: CLASSES,
  weights: randomValues(FEATURES * CLASSES, 1, 1),
  bias: randomValues(CLASSES, 1, 2),
};
/** 8 slices of 2 ** 22 products, and a part of one. */
const LONG_ROWS = 8 * 8192 + 5;
const longRows = randomValues(LONG_ROWS * FEATURES, 1, 3);

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('calls of one turn of the event loop', () => {
  const doubled = async (rows: Float32Array) => rows.map((value) => 2 * value);
  const never = new Cancellation();

  test('are one batch, and each gets its own answers', async () => {
    const compute = vi.fn(doubled);
    const calls = new Coalescer<Float32Array>(compute, () => {});
    const turn = (from: number) =>
      Promise.all(
        [[from], [from + 1, from + 2], [from + 3]].map((rows) => calls.add(Float32Array.from(rows), never)),
      );
    expect((await turn(1)).map((each) => [...each])).toEqual([[2], [4, 6], [8]]);
    expect((await turn(5)).map((each) => [...each])).toEqual([[10], [12, 14], [16]]);
    expect(compute).toHaveBeenCalledTimes(2);
    expect(compute.mock.calls.map(([rows]) => rows.length)).toEqual([4, 4]);
  });

  test('keep their rows, whatever the caller writes to the array afterwards', async () => {
    const calls = new Coalescer<Float32Array>(doubled, () => {});
    const row = Float32Array.of(1);
    const first = calls.add(row, never);
    row[0] = 5;
    const second = calls.add(row, never);
    row[0] = 9;
    expect([...(await first), ...(await second)]).toEqual([2, 10]);
  });

  test('fail alone where their own rows are wrong, and together where the batch fails', async () => {
    const check = (_: Float32Array, rows: Float32Array) => {
      if (rows[0] === 2) throw new Error('two');
    };
    const calls = new Coalescer<Float32Array>(doubled, check);
    const settled = await Promise.allSettled(
      [1, 2, 3].map((value) => calls.add(Float32Array.of(value), never)),
    );
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const failing = new Coalescer<Float32Array>(() => Promise.reject(new Error('all')), check);
    const all = await Promise.allSettled([1, 2].map((value) => failing.add(Float32Array.of(value), never)));
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  test('are computed without those that were aborted, and not at all if all were', async () => {
    const compute = vi.fn(doubled);
    const calls = new Coalescer<Float32Array>(compute, () => {});
    const stop = new Cancellation();
    const stopped = Promise.allSettled([1, 2].map((value) => calls.add(Float32Array.of(value), stop)));
    stop.abort('enough');
    const rejected = { status: 'rejected', reason: 'enough' };
    expect(await stopped).toEqual([rejected, rejected]);
    await nextTurn();
    expect(compute).not.toHaveBeenCalled();
    expect([...(await calls.add(Float32Array.of(3), never))]).toEqual([6]);
  });
});

describe.each(builds)('a batch (%s)', (numerics) => {
  test('has the same bits alone, among others, in slices and on the threads of an engine', async () => {
    using predictor = new Predictor(model, { numerics });
    await using engine = await Engine.create({ threads: 2, numerics, blas: false });
    using threaded = new Predictor(model, { engine });
    const row = longRows.subarray(7 * FEATURES, 8 * FEATURES);
    const [alone, few, slices, threads, doubles] = await Promise.all([
      predictor.predictBatchProbabilities(row),
      predictor.predictBatchProbabilities(longRows.subarray(0, 100 * FEATURES)),
      predictor.predictBatchProbabilities(longRows),
      threaded.predictBatchProbabilities(longRows),
      threaded.predictBatchProbabilities(Float64Array.from(longRows)),
    ]);
    expect(bitsOf(slices.data)).toBe(bitsOf(threads.data));
    expect(bitsOf(doubles.data)).toBe(bitsOf(threads.data));
    expect(bitsOf(few.data)).toBe(bitsOf(threads.data.slice(0, 100 * CLASSES)));
    expect(bitsOf(alone.data)).toBe(bitsOf(threads.data.slice(7 * CLASSES, 8 * CLASSES)));
    const classes = await predictor.predictBatch(longRows);
    expect(bitsOf(await threaded.predictBatch(longRows))).toBe(bitsOf(classes));
    expect(classes[7]).toBe(predictor.predict(row));
  });

  test('without an engine lets other events have their turn', async () => {
    using predictor = new Predictor(model, { numerics });
    let turns = 0;
    let runs = true;
    const count = () => {
      turns++;
      if (runs) setImmediate(count);
    };
    setImmediate(count);
    const long = predictor.predictBatch(longRows);
    // A row in between is computed in the same memory.
    await nextTurn();
    const row = longRows.subarray(0, FEATURES);
    const single = predictor.predict(row);
    const classes = await long;
    runs = false;
    expect(turns).toBeGreaterThanOrEqual(8);
    expect(single).toBe(classes[0]);
    expect(classes.length).toBe(LONG_ROWS);
  });

  test.each(['in slices', 'on threads'])(
    'ends %s when it is aborted, and when the predictor is closed',
    async (where) => {
      await using engine = await Engine.create({ threads: 2, numerics, blas: false });
      const predictor = new Predictor(model, where === 'on threads' ? { engine } : { numerics });
      const abort = new AbortController();
      const aborted = predictor.predictBatch(longRows, { signal: abort.signal });
      const few = predictor.predictBatch(longRows.subarray(0, FEATURES), { signal: abort.signal });
      const other = predictor.predictBatch(longRows.subarray(0, FEATURES));
      abort.abort('enough');
      const rejected = { status: 'rejected', reason: 'enough' };
      expect(await Promise.allSettled([aborted, few])).toEqual([rejected, rejected]);
      expect(await other).toHaveLength(1);
      await expect(predictor.predictBatch(longRows, { signal: abort.signal })).rejects.toBe('enough');
      const calls = [longRows, longRows.subarray(0, FEATURES)].map((rows) =>
        failure(() => predictor.predictBatch(rows)),
      );
      predictor.close();
      predictor.close();
      for (const { code, message } of await Promise.all(calls)) {
        expect(code).toBe('ERR_CLOSED');
        expect(message).toBe('the predictor was closed while this call was under way');
      }
      for (const call of [
        () => predictor.predictBatch(longRows),
        async () => predictor.predict(longRows.subarray(0, FEATURES)),
        async () => predictor.predictProbabilities(longRows.subarray(0, FEATURES)),
      ]) {
        const { code, message } = await failure(call);
        expect(code).toBe('ERR_CLOSED');
        expect(message).toMatch(/^the predictor is closed: make a new one/);
      }
    },
  );

  test('goes on without its engine once that is closed', async () => {
    const engine = await Engine.create({ threads: 2, numerics, blas: false });
    using predictor = new Predictor(model, { engine });
    const before = bitsOf(await predictor.predictBatch(longRows));
    await engine.close();
    expect(bitsOf(await predictor.predictBatch(longRows))).toBe(before);
  });

  test.skipIf(!('library' in blasSearch) || !hasKoffi)(
    'never uses the BLAS of its engine: a row has the same bits alone and on the threads',
    async () => {
      await using engine = await Engine.create({ threads: 2, numerics, blas: true });
      const wide = {
        features: 64,
        classes: 100,
        weights: randomValues(6400, 1, 4),
        bias: randomValues(100, 1, 5),
      };
      using predictor = new Predictor(wide, { engine });
      const { data } = await predictor.predictBatchProbabilities(longRows);
      const row = (index: number) => longRows.subarray(index * 64, (index + 1) * 64);
      for (const index of [0, 1, 1000, LONG_ROWS - 1]) {
        const alone = predictor.predictProbabilities(row(index));
        expect(bitsOf(alone)).toBe(bitsOf(data.slice(index * 100, (index + 1) * 100)));
      }
    },
  );

  test('of no rows has no answers', async () => {
    using predictor = new Predictor(model, { numerics });
    expect(await predictor.predictBatch([])).toHaveLength(0);
    expect((await predictor.predictBatchProbabilities(new Float32Array(0))).dims).toEqual([0, CLASSES]);
  });

  test('names the row of a long batch whose logits are not finite, or gives it -1', async () => {
    const rows = longRows.slice();
    rows[(LONG_ROWS - 2) * FEATURES + 9] = Number.NaN;
    using predictor = new Predictor(model, { numerics });
    const error = await failure(() => predictor.predictBatch(rows));
    expect(error.message).toMatch(`rows[${LONG_ROWS - 2}, 9] is NaN`);
    expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', row: LONG_ROWS - 2, feature: 9 });
    using ignoring = new Predictor(model, { numerics, onInvalidInput: 'ignore' });
    const classes = await ignoring.predictBatch(rows);
    expect(classes.indexOf(-1)).toBe(LONG_ROWS - 2);
  });
});

test('a process that predicts from a file alone starts no thread, and ends by itself', () => {
  const script = `
    import { mkdtempSync, rmSync } from 'node:fs';
    import { join } from 'node:path';
    import { tmpdir } from 'node:os';
    import { Engine, Predictor } from '#softshard/main/index.js';
    import { writeModelFile } from '#softshard/main/models/model-file.js';
    let threads = 0;
    process.on('worker', () => threads++);
    const folder = mkdtempSync(join(tmpdir(), 'softshard-alone-'));
    const path = join(folder, 'model.safetensors');
    const weights = Float32Array.of(1, -1, 0, 2);
    await writeModelFile(path, { features: 2, classes: 2, weights, bias: new Float32Array(2), softshardVersion: '' });
    const predictor = await Predictor.load(path);
    const batch = await predictor.predictBatch(new Float32Array(2 ** 22));
    console.log(predictor.predict([1, 0]), batch.length, threads);
    await (await Engine.create({ threads: 1 })).close();
    console.log(threads);
    rmSync(folder, { recursive: true });`;
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    encoding: 'utf8',
  });
  expect(run.stderr).toBe('');
  expect(run.stdout).toBe(`0 ${2 ** 21} 0\n1\n`);
});
