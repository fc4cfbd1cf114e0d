import { describe, expect, test } from 'vitest';
import { BLOCK_FEATURES, BLOCK_ROWS, DEPTH_BLOCK, SUM_ROWS } from '#softshard/kernels/layout.js';
import { leastLinearLossBytes, planLinearLoss } from '#softshard/main/plans/linear-loss.js';

describe('planLinearLoss', () => {
  const FLOAT32 = { halfInputs: false, halfWeights: false, halfBias: false };
  const HALF = { halfInputs: true, halfWeights: true, halfBias: true };
  const SHAPES = [
    { rows: 8192, features: 768, classes: 131072, general: false, blas: false, hides: false, ...FLOAT32 },
    { rows: 8192, features: 768, classes: 131072, general: true, blas: false, hides: true, ...FLOAT32 },
    { rows: 1_000_000, features: 64, classes: 10, general: false, blas: false, hides: true, ...FLOAT32 },
    { rows: 5, features: 4096, classes: 1000, general: true, blas: false, hides: true, ...FLOAT32 },
    { rows: 0, features: 3, classes: 1, general: false, blas: false, hides: false, ...FLOAT32 },
    { rows: 8192, features: 4096, classes: 131072, general: true, blas: false, hides: true, ...HALF },
    { rows: 500, features: 7, classes: 10, general: false, blas: false, hides: true, ...HALF },
  ];

  test('the workspace is within its bound for any threads; chunks are multiples of SUM_ROWS and cover the rows', () => {
    for (const shape of SHAPES) {
      const least = leastLinearLossBytes(shape);
      expect(planLinearLoss(shape, least - 1, 1)).toBeUndefined();
      for (const bytes of [least, least + 1_000_000, 64 * 2 ** 20, 2 ** 30]) {
        if (bytes < least) continue;
        for (const threads of [1, 2, 8, 64, 1024]) {
          const plan = planLinearLoss(shape, bytes, threads)!;
          const what = JSON.stringify({ shape, bytes, threads, plan });
          expect(plan.workspace.bytes, what).toBeLessThanOrEqual(bytes);
          expect(plan.members >= 1 && plan.members <= threads, what).toBe(true);
          expect(plan.chunkRows % SUM_ROWS, what).toBe(0);
          expect(plan.chunkRows >= SUM_ROWS, what).toBe(true);
          expect(plan.chunks, what).toBe(Math.ceil(shape.rows / plan.chunkRows));
          expect(plan.inputsRows <= BLOCK_ROWS && plan.inputsFeatures <= BLOCK_FEATURES, what).toBe(true);
          expect(plan.weightsFeatures <= DEPTH_BLOCK, what).toBe(true);
        }
      }
    }
  });

  test('with a BLAS nothing but the number of workers depends on the threads', () => {
    for (const shape of SHAPES.map((each) => ({ ...each, blas: true }))) {
      const least = leastLinearLossBytes(shape);
      expect(planLinearLoss(shape, least - 1, 1)).toBeUndefined();
      for (const bytes of [least, least + 1_000_000, 64 * 2 ** 20, 2 ** 30]) {
        if (bytes < least) continue;
        const { members: _, workspace: __, ...wanted } = planLinearLoss(shape, bytes, 1)!;
        for (const threads of [1, 2, 8, 64, 1024]) {
          const { members, workspace, ...plan } = planLinearLoss(shape, bytes, threads)!;
          const what = JSON.stringify({ shape, bytes, threads, plan });
          expect(plan, what).toEqual(wanted);
          expect(workspace.bytes, what).toBeLessThanOrEqual(bytes);
          expect(members >= 1 && members <= threads, what).toBe(true);
          expect(plan.chunkRows % SUM_ROWS, what).toBe(0);
          expect(plan.weightsFeatures, what).toBeGreaterThan(0);
        }
      }
    }
  });

  test('64 MiB for 131,072 classes: 96 rows or more a chunk with two workers, and the logits in one piece', () => {
    const plan = planLinearLoss(SHAPES[0]!, 64 * 2 ** 20, 2)!;
    expect(plan.members).toBe(2);
    expect(plan.chunkRows).toBeGreaterThanOrEqual(96);
    expect(plan.workspace.logitsBytes).toBe(plan.chunkRows * 131072 * 4);
  });
});
