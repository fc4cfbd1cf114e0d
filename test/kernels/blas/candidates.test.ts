import { expect, test } from 'vitest';
import { ACCELERATE, blasCandidates } from '#softshard/kernels/blas/candidates.js';

test('each platform has the names of its libraries, by the system first and then in folders', () => {
  const linux = blasCandidates('linux', { CONDA_PREFIX: '/conda', MKLROOT: '/mkl', VIRTUAL_ENV: '/venv' });
  expect(linux[0]).toBe('libopenblas.so.0');
  expect(linux).toContain('libmkl_rt.so.2');
  expect(linux).toContain('/conda/lib/libopenblas.so.0');
  expect(linux).toContain('/mkl/lib/libmkl_rt.so.2');
  expect(linux).toContain('/venv/lib/libmkl_rt.so.3');
  expect(linux.findIndex((path) => path.includes('/'))).toBeGreaterThan(linux.indexOf('libblis.so.4'));
  const mac = blasCandidates('darwin', {});
  expect(mac[0]).toBe(ACCELERATE);
  expect(mac).toContain('/opt/homebrew/opt/openblas/lib/libopenblas.0.dylib');
  expect(blasCandidates('win32', {})).toContain('libopenblas.dll');
  expect([...linux, ...mac].filter((path) => path.includes('undefined'))).toEqual([]);
});
