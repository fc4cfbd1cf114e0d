// What a thread must not be ended during.

import { once } from 'node:events';
import { threadId, Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { closeLoading, forgetLoading, newLoading, whileLoading } from '#softshard/workers/loading.js';

test('who closes is told whether somebody still loads; nobody begins after that', () => {
  const setup = { loading: newLoading() };
  expect(whileLoading(setup, () => closeLoading(setup))).toBe(true);
  expect(closeLoading(setup)).toBe(false);
  expect(() => whileLoading(setup, () => 1)).toThrow('the engine ends its threads');
  expect(closeLoading(setup)).toBe(false);
});

test('who fails to load counts no more', () => {
  const setup = { loading: newLoading() };
  const load = () => {
    throw new Error('no such file');
  };
  expect(() => whileLoading(setup, load)).toThrow('no such file');
  expect(closeLoading(setup)).toBe(false);
});

test('a thread that comes when all are to end loads nothing, and nobody waits for it (R16)', async () => {
  const setup = { loading: newLoading() };
  closeLoading(setup);
  const loader = new URL(import.meta.resolve('#softshard/workers/load.cjs'));
  const thread = new Worker(loader, { workerData: { modules: setup } });
  expect(await once(thread, 'exit')).toEqual([0]);
  expect(closeLoading(setup)).toBe(false);
});

test('of a thread that has exited nothing is waited for', () => {
  const setup = { loading: newLoading() };
  const told = whileLoading(setup, () => {
    forgetLoading(setup, threadId);
    return closeLoading(setup);
  });
  expect(told).toBe(false);
});
