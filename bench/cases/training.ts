// Steps of training a classifier through fit, its rows in the arena and shuffled.

import {
  prepareSteps,
  stepWorkload,
  type TrainingShape,
} from '#softshard/main/scaling/workloads/training.js';
import type { BenchCase } from './case.js';

/** rows: a multiple of batchSize. */
const SHAPES: readonly (TrainingShape & { readonly quick?: boolean })[] = [
  { features: 784, classes: 10, batchSize: 128, rows: 16384, epochs: 1 },
  { features: 784, classes: 10, batchSize: 1024, rows: 16384, epochs: 1, quick: true },
  { features: 784, classes: 10, batchSize: 8192, rows: 16384, epochs: 2 },
  { features: 768, classes: 100, batchSize: 1024, rows: 8192, epochs: 1 },
  { features: 768, classes: 1000, batchSize: 8192, rows: 8192, epochs: 1 },
];

export const trainingCases: readonly BenchCase[] = SHAPES.map((shape) => {
  const { features, classes, batchSize, rows, quick = false } = shape;
  return {
    name: 'training step',
    shape: `${features} × ${classes}, batch ${batchSize}`,
    quick,
    bytes: rows * (features + 1) * 4,
    work: stepWorkload(shape).work(batchSize).flops / 1e9,
    rateUnit: 'GFLOP/s',
    prepare: (engine) => prepareSteps(engine, shape),
  };
});
