// The shapes at which steps and row operations are timed for the cost model, and how each fares on several threads.
import { paddedClasses } from '#softshard/kernels/layout.js';
import { planTraining } from '#softshard/main/plans/training.js';

export interface StepShape {
  readonly batch: number;
  readonly features: number;
  readonly classes: number;
}

export const stepText = ({ batch, features, classes }: StepShape): string =>
  `${batch} × ${features} × ${classes}`;

/** One after the other varies, the others stay: their slopes say how cost grows. */
export const SWEEPS: readonly { readonly along: keyof StepShape; readonly shapes: readonly StepShape[] }[] = [
  {
    along: 'batch',
    shapes: [128, 256, 512, 1024, 2048, 4096, 8192].map((batch) => ({ batch, features: 784, classes: 10 })),
  },
  {
    along: 'classes',
    shapes: [10, 30, 100, 300, 1000].map((classes) => ({ batch: 1024, features: 768, classes })),
  },
  {
    along: 'features',
    shapes: [64, 256, 768, 2048, 4096].map((features) => ({ batch: 1024, features, classes: 10 })),
  },
];

const LARGE: readonly StepShape[] = [
  { batch: 8192, features: 768, classes: 100 },
  { batch: 8192, features: 768, classes: 1000 },
];

/** Next to no kernels: what is left is the fixed cost and the meetings. */
const TINY: StepShape = { batch: 32, features: 16, classes: 4 };

/** All of them, each once. */
export const STEP_SHAPES: readonly StepShape[] = [
  ...new Map(
    [...SWEEPS.flatMap(({ shapes }) => shapes), ...LARGE, TINY].map((shape) => [stepText(shape), shape]),
  ).values(),
];

/** What the prediction is made for. */
export const PREDICTED: readonly StepShape[] = [
  { batch: 128, features: 784, classes: 10 },
  { batch: 1024, features: 784, classes: 10 },
  { batch: 8192, features: 784, classes: 10 },
  { batch: 1024, features: 768, classes: 100 },
  { batch: 8192, features: 768, classes: 1000 },
];

export const TERMS = ['inputs', 'products', 'logits', 'partials', 'parameters', 'fixed', 'barrier'] as const;
export type Term = (typeof TERMS)[number];
/** Of each term so many units are on a step's path: of the thread that has most to do. */
export type Units = Readonly<Record<Term, number>>;

/**
 * The units of a step on so many threads, from the plan alone. A step lasts as long as the thread with the most shards,
 * and where threads claim one shard after the other half a shard longer: one ends somewhere within the last of another.
 */
export function unitsOf({ batch, features, classes }: StepShape, threads: number): Units {
  const plan = planTraining({ rows: batch, batchSize: batch, features, classes });
  const { shards, shardRows } = plan.fullStep;
  const byPartials = plan.by === 'data-parallel';
  // By partials features are in the lanes of vectors, by tiles classes are, in whole panels.
  const width = byPartials ? classes : paddedClasses(classes);
  const parameters = (features + 1) * classes;
  const members = Math.min(threads, shards);
  const most = Math.ceil(shards / members);
  const waiting = members > 1 && most > 1 ? shardRows / 2 : 0;
  const rows = Math.min(batch, most * shardRows) + waiting;
  const slices = Math.ceil(parameters / plan.sliceLength);
  const sliceShare = Math.ceil(slices / members) / slices;
  const chunks = Math.ceil(batch / plan.chunkRows);
  return {
    inputs: rows * features,
    products: 2 * rows * features * width,
    logits: rows * width,
    partials: byPartials ? parameters * shards * sliceShare : 0,
    parameters: parameters * (byPartials ? sliceShare : chunks / members),
    fixed: 1,
    barrier: Math.log2(members) * 2 * (byPartials ? 1 : chunks),
  };
}
