import { expect, test } from 'vitest';
import { oldKernelsAdvice } from '#softshard/kernels/blas/old-kernels.js';

const flags = (...names: string[]) => new Set(names);

test('kernels older than the processor: the advice names both, and the best that OpenBLAS has for it', () => {
  expect(oldKernelsAdvice('Prescott', flags('avx2', 'fma', 'avx512f'))).toMatch(
    /kernels for Prescott, .*OPENBLAS_CORETYPE=SkylakeX/,
  );
  expect(oldKernelsAdvice('Sandybridge', flags('avx2', 'fma'))).toMatch(/OPENBLAS_CORETYPE=Haswell/);
  expect(oldKernelsAdvice('Opteron(SSE3)', flags('avx2', 'fma'))).toMatch(/for Opteron\(SSE3\)/);
});

test('no advice for kernels with AVX2, for processors without, and where nobody can tell', () => {
  for (const core of ['Haswell', 'Zen', 'SkylakeX', 'Cooperlake', 'Sapphirerapids', 'neoversen1', 'armv8'])
    expect(oldKernelsAdvice(core, flags('avx2', 'fma', 'avx512f'))).toBeUndefined();
  expect(oldKernelsAdvice('Prescott', flags('sse2'))).toBeUndefined();
  expect(oldKernelsAdvice('Prescott', flags())).toBeUndefined();
});
