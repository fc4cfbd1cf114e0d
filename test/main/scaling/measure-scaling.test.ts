import { expect, test } from 'vitest';
import { resourcesOf } from '#softshard/main/dispatch/resources.js';
import { Engine, measureScaling } from '#softshard/main/index.js';
import { measureRoofs } from '#softshard/main/scaling/roofs.js';
import { effortFor, timeContests } from '#softshard/main/scaling/workload-scaling.js';
import { OPERATIONS, type Workload } from '#softshard/main/scaling/workloads/workload.js';

const TINY = { rows: 300, columns: 20, features: 12, classes: 20 };

test('every operation is checked, has the same bits on 1, 2 and 3 threads, and figures that fit together', async () => {
  const told: number[] = [];
  const result = await measureScaling({
    shape: TINY,
    operations: OPERATIONS,
    threads: [3, 1, 2],
    seconds: 0.5,
    quick: true,
    tryOptions: false,
    onProgress: ({ fraction }) => told.push(fraction),
  });
  expect(result.threads).toEqual([1, 2, 3]);
  expect(result.workloads.map(({ operation }) => operation)).toEqual(OPERATIONS);
  expect(result.roofs.map(({ threads }) => threads)).toEqual([1, 2, 3]);
  for (const { bitsEqual, strong, weak, verdict } of result.workloads) {
    expect(bitsEqual).toBe(true);
    expect(strong.map(({ threads, ranks }) => [threads, ranks])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(weak.map(({ rows }) => rows)).toEqual([100, 200, 300]);
    expect(weak.at(-1)).toMatchObject({ medianMs: strong.at(-1)!.medianMs });
    for (const point of [...strong, ...weak]) {
      expect(point.samples).toBeGreaterThanOrEqual(3);
      expect(point.q1Ms).toBeLessThanOrEqual(point.medianMs);
      expect(point.q3Ms).toBeGreaterThanOrEqual(point.medianMs);
      expect(point.efficiency).toBeCloseTo(point.speedup / point.threads, 12);
      expect(point.arithmeticShare).toBeGreaterThan(0);
    }
    expect(verdict.text).toMatch(/\.$/);
  }
  expect(told).toEqual([...told].sort((a, b) => a - b));
  expect(JSON.parse(JSON.stringify(result))).toMatchObject({ kind: 'softshard scaling', threads: [1, 2, 3] });
});

test('roofs are measured on some of the threads of an engine, which has its memory back after', async () => {
  await using engine = await Engine.create({ threads: 2 });
  const resources = resourcesOf(engine);
  const free = resources.arena.largestFreeBytes;
  const roofs = await measureRoofs(resources, [1, 2], { rounds: 1, durationMs: 5, leastBytes: 2 ** 20 });
  expect(resources.arena.largestFreeBytes).toBe(free);
  for (const { gbPerSecond, gflops } of roofs) {
    for (const rate of [...Object.values(gbPerSecond), gflops]) expect(rate).toBeGreaterThan(0.1);
  }
});

test('an abort ends the measurement with its reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const measuring = measureScaling({
    shape: TINY,
    threads: [1],
    seconds: 60,
    quick: true,
    signal: controller.signal,
    onProgress: ({ fraction }) => fraction > 0 && controller.abort(reason),
  });
  await expect(measuring).rejects.toBe(reason);
});

const workload = (check: () => Promise<void>, results: (threads: number) => Uint8Array): Workload => ({
  operation: 'softmax',
  rows: 1,
  columns: 1,
  features: undefined,
  classes: undefined,
  work: () => ({ flops: 1, bytes: 1, pattern: 'copy' }),
  bytes: () => 1,
  prepare: ({ threads }) => ({
    check,
    run: async () => 1,
    results: () => [results(threads)],
    free() {},
  }),
});
const budget = { msForEach: () => 0, signal: undefined, abortSignal: undefined };
const contests = [1, 2].map((threads) => ({ engine: { threads } as Engine, rows: 1 }));

test('a wrong result is not timed', async () => {
  const wrong = workload(
    () => Promise.reject(new Error('wrong')),
    () => new Uint8Array(1),
  );
  await expect(timeContests(wrong, contests, budget)).rejects.toThrow('wrong');
});

test('results are compared bit by bit: of other bits the reference is asked again', async () => {
  let checks = 0;
  const count = async () => {
    checks++;
  };
  const same = await timeContests(
    workload(count, () => new Uint8Array(1)),
    contests,
    budget,
  );
  expect(new Set(same.digests).size).toBe(1);
  expect(checks).toBe(1);
  const other = await timeContests(
    workload(count, (threads) => Uint8Array.of(threads)),
    contests,
    budget,
  );
  expect(new Set(other.digests).size).toBe(2);
  expect(checks).toBe(3);
});

test('a budget is dealt to rounds, at least three, at most five', () => {
  expect(effortFor(1000, 1)).toMatchObject({ rounds: 5 });
  expect(effortFor(1000, 250)).toMatchObject({ rounds: 4 });
  expect(effortFor(1000, 5000)).toMatchObject({ rounds: 3 });
});
