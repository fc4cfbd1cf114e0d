// The arena may be 4 GiB, so that an array's end is address 2 ** 32: loops over addresses must not trip there.

import { describe, expect, test } from 'vitest';
import type { Kernels } from '#softshard/kernels/kernels.js';
import { INPUTS_FLOAT32, paddedClasses, panelWidth, tileStride } from '#softshard/kernels/layout.js';
import { compileKernels, instantiateKernels } from '#softshard/kernels/load.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { expectSameBits } from '../rows/grid.js';
import { builds, randomTargets, randomValues } from '../workbench.js';

const PAGE_BYTES = 65536;
const TOP = 2 ** 32;
/** Of products. */
const SCRATCH = PAGE_BYTES as Ptr;
/** What a test places. */
const LOW = 2 ** 20;

describe.each(builds)('linear kernels at the top of 4 GiB (%s)', (numerics) => {
  const memory = new WebAssembly.Memory({
    initial: TOP / PAGE_BYTES,
    maximum: TOP / PAGE_BYTES,
    shared: true,
  });
  const kernels: Kernels = instantiateKernels(compileKernels(numerics), memory);
  const words = (ptr: Ptr, length: number) => new Uint32Array(memory.buffer, ptr, length);
  const bitsOf = (values: Float32Array | Int32Array) => new Uint32Array(values.buffer);

  /** Runs `kernel` with arrays low in memory and with each of them in turn last in memory; all must give the same bits. */
  function expectSameAtTheTop(
    arrays: readonly Uint32Array[],
    kernel: (ptrs: readonly Ptr[]) => void,
  ): readonly Uint32Array[] {
    const run = (last: number): Uint32Array[] => {
      let next = last < 0 ? LOW : TOP - 2 ** 24;
      const ptrs = arrays.map((array, i) => {
        if (i === last) return (TOP - array.byteLength) as Ptr;
        const ptr = next as Ptr;
        next += (array.byteLength + 15) & ~15;
        return ptr;
      });
      for (const [i, array] of arrays.entries()) words(ptrs[i]!, array.length).set(array);
      kernel(ptrs);
      return arrays.map((array, i) => words(ptrs[i]!, array.length).slice());
    };
    const expected = run(-1);
    for (let last = 0; last < arrays.length; last++) {
      for (const [i, bits] of run(last).entries()) {
        expectSameBits(bits, expected[i]!, `array ${i} while array ${last} ends at 4 GiB`);
      }
    }
    return expected;
  }

  test.each([3, 8, 10, 17, 113])(
    'linearForward and linearBackward of %i classes: the same bits as low in memory',
    (classes) => {
      const [features, rows] = [13, 7];
      const stride = paddedClasses(classes);
      const [, , , , logits, gradWeights] = expectSameAtTheTop(
        [
          bitsOf(randomValues(rows * features, 1, 1)),
          bitsOf(randomValues(features * stride, 1, 2)),
          bitsOf(randomValues(stride, 1, 3)),
          bitsOf(randomValues(rows * stride, 1, 4)),
          new Uint32Array(rows * stride),
          new Uint32Array(features * stride),
        ],
        ([inputs, weights, bias, gradLogits, logits, gradWeights]) => {
          const rowPtrs = 4096 as Ptr;
          kernels.gatherRows(rowPtrs, NULL_PTR, inputs!, NULL_PTR, NULL_PTR, 0, rows, features);
          kernels.linearForward(logits!, rowPtrs, weights!, bias!, rows, features, classes, SCRATCH);
          const panels = stride / panelWidth(classes);
          kernels.linearBackward(
            gradWeights!,
            rowPtrs,
            gradLogits!,
            rows,
            features,
            classes,
            0,
            panels,
            0,
            features,
            SCRATCH,
          );
        },
      );
      expect(logits!.every((bits) => bits !== 0)).toBe(true);
      expect(gradWeights!.every((bits) => bits !== 0)).toBe(true);
    },
  );

  test.each([1, 2, 5, 10, 17])(
    'a tile and its products of %i classes: the same bits as low in memory',
    (classes) => {
      const [features, rows] = [17, 9];
      const stride = tileStride(features);
      const [, , , , , , tile, , logits, gradWeights, gradBias] = expectSameAtTheTop(
        [
          bitsOf(randomValues(rows * features, 1, 1)),
          bitsOf(randomTargets(rows, classes, 2)),
          Uint32Array.from({ length: rows }, (_, i) => (i * 5) % rows),
          bitsOf(randomValues(24 * classes, 1, 3)),
          bitsOf(randomValues(classes, 1, 4)),
          bitsOf(randomValues(rows * classes, 1, 5)),
          bitsOf(randomValues(rows * stride, 1, 6)),
          new Uint32Array(rows),
          new Uint32Array(rows * classes),
          new Uint32Array(24 * classes),
          new Uint32Array(classes),
        ],
        ([inputs, targets, indices, weights, bias, z, tile, tileTargets, logits, gradWeights, gradBias]) => {
          kernels.gatherInputs(
            tile!,
            tileTargets!,
            inputs!,
            INPUTS_FLOAT32,
            NULL_PTR,
            targets!,
            indices!,
            0,
            rows,
            features,
          );
          kernels.tileForward(logits!, tile!, weights!, bias!, rows, features, classes, SCRATCH);
          kernels.tileBackward(gradWeights!, gradBias!, tile!, z!, rows, features, classes, 0);
        },
      );
      for (const written of [logits!, gradBias!]) expect(written.every((bits) => bits !== 0)).toBe(true);
      expect(tile!.filter((bits) => bits !== 0)).toHaveLength(rows * features);
      expect(gradWeights!.filter((bits) => bits !== 0)).toHaveLength(features * classes);
    },
  );

  test.each([1027, 1029, 1030, 1032])('vectors of %i elements: the same bits as low in memory', (length) => {
    const arrays = [1, 2, 3].map((seed) => bitsOf(randomValues(length, 1, seed)));
    const [x] = expectSameAtTheTop(arrays, ([x, y, z]) => {
      kernels.axpy(y!, x!, length, 0.3);
      kernels.scale(x!, length, kernels.dot(x!, z!, length));
      kernels.scale(z!, length, kernels.dot(x!, x!, length));
    });
    expect(x!.every((bits, i) => bits !== arrays[0]![i])).toBe(true);
  });

  test('treeAdd and sgdUpdate: the same bits as low in memory', () => {
    const length = 1027;
    for (const count of [2, 3, 4, 7]) {
      expectSameAtTheTop([bitsOf(randomValues(length * count, 1, count))], ([partials]) => {
        kernels.treeAdd(partials!, length * 4, count, length);
      });
    }
    const arrays = [1, 2, 3].map((seed) => bitsOf(randomValues(length, 1, seed)));
    const [parameters] = expectSameAtTheTop(arrays, ([parameters, velocity, gradient]) => {
      kernels.sgdUpdate(parameters!, velocity!, gradient!, length, 0.1, 0.9, 0.01, 1);
    });
    expect(parameters!.every((bits, i) => bits !== arrays[0]![i])).toBe(true);
  });
});
