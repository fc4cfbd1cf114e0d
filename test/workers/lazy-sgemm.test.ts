// When a worker thread may load the BLAS: the main thread ends no thread that does, and none begins once it ends them.
import { expect, test } from 'vitest';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import { Arena } from '#softshard/main/memory/arena.js';
import { blasSetup, lazySgemm } from '#softshard/workers/lazy-sgemm.js';
import { closeLoading } from '#softshard/workers/loading.js';

const { memory } = new Arena(2 ** 20);
const a = { ptr: NULL_PTR, stride: 1 };
const shape = { rows: 1, columns: 1, depth: 1 };

test('nothing is loaded before the first product, which fails as the library does, and counts as loading no more', () => {
  const setup = blasSetup('/nowhere/libblas.so');
  const sgemm = lazySgemm(setup, memory);
  expect(() => sgemm(a, a, a, shape, false)).toThrow(/load|koffi/);
  expect(closeLoading(setup)).toBe(false);
});

test('once it is closed no thread begins to load', () => {
  const setup = blasSetup('/nowhere/libblas.so');
  expect(closeLoading(setup)).toBe(false);
  expect(() => lazySgemm(setup, memory)(a, a, a, shape, false)).toThrow('the engine ends its threads');
});

test('closing tells whether a thread is still loading', () => {
  const setup = blasSetup('/nowhere/libblas.so');
  let told: boolean | undefined;
  const sgemm = lazySgemm(
    {
      loading: setup.loading,
      get path() {
        told = closeLoading(setup);
        return setup.path;
      },
    },
    memory,
  );
  expect(() => sgemm(a, a, a, shape, false)).toThrow();
  expect(told).toBe(true);
  expect(closeLoading(setup)).toBe(false);
});
