import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WorkerPool } from '#softshard/main/dispatch/pool.js';
import { Engine, SoftmaxClassifier, SoftshardError, type Tensor } from '#softshard/main/index.js';
import type { GangJob } from '#softshard/workers/protocol.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 2 });
});
afterAll(() => engine.close());

/** How many tasks workers got, and the result. */
async function workersOf<Result>(call: () => Promise<Result>): Promise<[tasks: number, result: Result]> {
  const run = vi.spyOn(Piscina.prototype, 'run');
  try {
    const result = await call();
    return [run.mock.calls.length, result];
  } finally {
    run.mockRestore();
  }
}

const COLUMNS = 64;
const valuesOf = (rows: number): Float32Array => randomValues(rows * COLUMNS, 10, 1);
const rowsOf = (rows: number): Tensor<'float32'> => ({
  type: 'float32',
  dims: [rows, COLUMNS],
  data: valuesOf(rows),
});
const targetsOf = (rows: number): Int32Array => randomTargets(rows, COLUMNS, 2);
const columns = { columns: COLUMNS };

async function predict(rows: number): Promise<Int32Array> {
  const classifier = new SoftmaxClassifier(engine, { features: COLUMNS, classes: 16 });
  return classifier.predict(rowsOf(rows));
}

/** Operation, the most rows that the calling thread takes, the call. */
const OPERATIONS: readonly (readonly [string, number, (rows: number) => Promise<unknown>])[] = [
  ['softmax', 2048, (rows) => engine.softmax(valuesOf(rows), columns)],
  ['logSoftmax', 2048, (rows) => engine.logSoftmax(valuesOf(rows), columns)],
  ['logSumExp', 2048, (rows) => engine.logSumExp(valuesOf(rows), columns)],
  ['crossEntropy', 2048, (rows) => engine.crossEntropy(valuesOf(rows), targetsOf(rows), columns)],
  ['softmax of 2 columns', 16_384, (rows) => engine.softmax(new Float32Array(rows * 2), { columns: 2 })],
  ['softmax in float64', 256, (rows) => engine.softmax(Float64Array.from(valuesOf(rows)), columns)],
  [
    'crossEntropy with label smoothing',
    256,
    (rows) => engine.crossEntropy(valuesOf(rows), targetsOf(rows), { ...columns, labelSmoothing: 0.1 }),
  ],
  ['nllLoss', 256, (rows) => engine.nllLoss(rowsOf(rows), targetsOf(rows))],
  ['metrics', 256, (rows) => engine.metrics({ classes: COLUMNS }).add(rowsOf(rows), targetsOf(rows))],
  ['predict', 1024, predict],
];

describe('a tiny job', () => {
  test.each(OPERATIONS)(
    '%s: %i rows are done by the calling thread, one more by workers',
    async (_, most, call) => {
      expect((await workersOf(() => call(most)))[0]).toBe(0);
      expect((await workersOf(() => call(most + 1)))[0]).toBeGreaterThan(0);
    },
  );

  test('that traps rejects with the cause, as one of workers does; the next call works', async () => {
    const original = WorkerPool.prototype.run;
    // An address where there is no memory.
    const run = vi.spyOn(WorkerPool.prototype, 'run').mockImplementation(function (
      this: WorkerPool,
      job,
      options,
    ) {
      return original.call(this, { ...job, input: 3 * 2 ** 30 } as GangJob, options);
    });
    const error = await failure(() => engine.softmax(valuesOf(1), columns));
    run.mockRestore();
    expect(error).toBeInstanceOf(SoftshardError);
    expect(error).toMatchObject({ code: 'ERR_WORKER', cause: { name: 'RuntimeError' } });
    expect(error.message).toContain('out of bounds');
    expect((await workersOf(() => engine.softmax(valuesOf(1), columns)))[0]).toBe(0);
  });

  test('has the bits that workers give', async () => {
    const few = valuesOf(2048);
    const many = valuesOf(2049);
    const targets = targetsOf(2049);
    const options = { ...columns, reduction: 'sum' } as const;
    const gradient = (logits: Float32Array) => () =>
      engine.crossEntropyGradient(logits, targets.subarray(0, logits.length / COLUMNS), options);
    const [none, { gradLogits: here }] = await workersOf(gradient(few));
    const [some, { gradLogits: there }] = await workersOf(gradient(many));
    expect([none, some]).toEqual([0, 2]);
    expect(bitsOf(here.data)).toBe(bitsOf(there.data.subarray(0, few.length)));
  });
});
