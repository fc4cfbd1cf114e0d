// How fast softshard aims to be, and against what: one row for each promise. Ratios are of times in one run, theirs over ours.
// The measure is 0.9 of what the machine can do (a kernel in C), and never below 1.0 of the current release of anyone.
import type { By } from './peers/turns.js';

/** What the time of ours is set against. */
export type Against =
  /** Its fastest setting on as many threads, or on any number. */
  | { readonly kind: 'peer'; readonly by: By; readonly threads: 'same' | 'best' }
  /** Its own speedup from one thread to as many. */
  | { readonly kind: 'scaling'; readonly by: By }
  /** Nothing: npm run bench measures a quantity of this name. */
  | { readonly kind: 'measured'; readonly name: MeasuredName };

/** What `npm run bench` measures for this table, in addition to its rows. */
export type MeasuredName =
  | 'row-wise 65536 × 10'
  | 'row-wise 65536 × 67'
  | 'step overhead'
  | 'one-off operation'
  | 'start-up'
  | 'linear workspace';

type Unit = '×' | 'µs' | 'ms' | 'MiB';

export interface Target {
  readonly work: string;
  readonly shape: string;
  readonly threads: number;
  readonly against: Against;
  /** Which of ours; default: softshard with its defaults, and with wide SIMD where `wide` is given. */
  readonly by?: By;
  /** What is promised with default options: at least this many times as fast, or at most this much of another unit. */
  readonly goal: number;
  /** With wide SIMD. */
  readonly wide?: number;
  readonly unit: Unit;
}

export const GRADIENT = 'cross-entropy + gradient';
export const KERNEL = 'cross-entropy + gradient, the kernel alone';
export const SOFTMAX = 'softmax';
export const LOG_SOFTMAX = 'log-softmax';
export const EPOCH = 'epoch of Fashion-MNIST, shuffled';
export const LOGISTIC = 'LogisticRegression on Fashion-MNIST, to the same objective';
/** scikit-learn's objective after as many iterations as it does by default. */
export const DEFAULT_SHAPE = '100 iterations of L-BFGS';
/** Ours when it is certified to be at most 1e-4 of it above the optimum. */
export const CERTIFIED_SHAPE = 'to a certified 1e-4';
export const LOGISTIC_MANY = 'LogisticRegression on 12811 × 384 × 1000, to the same objective';
export const FIRST_MODEL = 'first model, no options';
export const PENALTY_PATH = 'LogisticRegression with 32 values of C on Fashion-MNIST';
export const CROSS_VALIDATION = '5-fold cross-validation of 10 values of C';
export const STEP = 'training step';
export const LINEAR = 'linearCrossEntropy + gradients';
export const LINEAR_SHAPE = '4096 × 768 × 32768';
export const STEP_SHAPE = '8192 × 768 × 1000';

export interface Shape {
  readonly rows: number;
  readonly columns: number;
}

export const shapeText = ({ rows, columns }: Shape): string => `${rows} × ${columns}`;

/** In cache, an image classifier's, and vocabularies of language models. */
const WIDE_ROWS: readonly Shape[] = [
  { rows: 64, columns: 1024 },
  { rows: 65536, columns: 1000 },
  { rows: 4096, columns: 32768 },
  { rows: 1024, columns: 131072 },
];
export const ROW_SHAPES: readonly Shape[] = [{ rows: 65536, columns: 10 }, ...WIDE_ROWS];

const peer = (by: By, threads: 'same' | 'best'): Against => ({ kind: 'peer', by, threads });
const measured = (name: MeasuredName): Against => ({ kind: 'measured', name });

const THREADS = [1, 2] as const;
const BATCHES = [128, 1024, 8192] as const;

/** Of what a kernel in C does, and of its speedup by a second thread. */
const OF_LIMIT = 0.9;
/** Of the time of the current release of a peer. */
const OF_PEER = 1;

export const TARGETS: readonly Target[] = [
  ...WIDE_ROWS.map((shape): Target => {
    // A call of 64 × 1024 takes longer to send to a worker than to compute.
    const work = shape.rows === 64 ? KERNEL : GRADIENT;
    const against = peer('C limit', 'same');
    return { work, shape: shapeText(shape), threads: 1, against, goal: OF_LIMIT, wide: OF_LIMIT, unit: '×' };
  }),
  ...perShapeAndThreads(GRADIENT),
  ...perShapeAndThreads(SOFTMAX),
  ...perShapeAndThreads(LOG_SOFTMAX),
  ...ROW_SHAPES.map((shape): Target => {
    const against: Against = { kind: 'scaling', by: 'C limit' };
    return { work: GRADIENT, shape: shapeText(shape), threads: 2, against, goal: OF_LIMIT, unit: '×' };
  }),
  ...([10, 67] as const).map((columns): Target => {
    const shape = `65536 × ${columns}` as const;
    // Of 67 columns no gain is promised, but nothing lost.
    const goal = columns === 10 ? 2 : 0.95;
    const against = measured(`row-wise ${shape}`);
    return { work: 'softmax, the kernel alone', shape, threads: 1, against, goal, unit: '×' };
  }),
  ...[
    ...BATCHES.map((batch) => ({ work: EPOCH, shape: `batch ${batch}` })),
    { work: STEP, shape: STEP_SHAPE },
    { work: LINEAR, shape: LINEAR_SHAPE },
  ].map((promise): Target => {
    const against = peer('PyTorch', 'best');
    return { ...promise, threads: 2, against, goal: OF_PEER, wide: OF_PEER, unit: '×' };
  }),
  ...[
    { work: LOGISTIC, shape: DEFAULT_SHAPE, goal: 8 },
    { work: LOGISTIC, shape: CERTIFIED_SHAPE, goal: 5 },
    { work: LOGISTIC_MANY, shape: CERTIFIED_SHAPE, goal: 1.5 },
    { work: LOGISTIC_MANY, shape: CERTIFIED_SHAPE, goal: 3, by: 'softshard BLAS' as const },
    { work: PENALTY_PATH, shape: '32 values', goal: 10 },
    { work: CROSS_VALIDATION, shape: 'brown-minilm', goal: 5 },
    { work: CROSS_VALIDATION, shape: 'fashion-mnist', goal: 5 },
  ].map((promise): Target => {
    const against = peer('scikit-learn', 'best');
    return { threads: 2, against, unit: '×', ...promise };
  }),
  ...[
    { work: STEP, shape: STEP_SHAPE },
    { work: LINEAR, shape: LINEAR_SHAPE },
  ].map((promise): Target => {
    const against = peer('PyTorch', 'best');
    return { ...promise, threads: 2, against, by: 'softshard BLAS', goal: OF_PEER, unit: '×' };
  }),
  {
    work: LINEAR,
    shape: LINEAR_SHAPE,
    threads: 2,
    against: measured('linear workspace'),
    goal: 64,
    unit: 'MiB',
  },
  {
    work: 'training step beyond its kernels',
    shape: 'any',
    threads: 2,
    against: measured('step overhead'),
    goal: 5,
    unit: 'µs',
  },
  {
    work: 'one-off operation, engine warm',
    shape: '64 × 1024',
    threads: 2,
    against: measured('one-off operation'),
    goal: 150,
    unit: 'µs',
  },
  {
    work: 'engine start to first result',
    shape: '64 × 1024',
    threads: 2,
    against: measured('start-up'),
    goal: 150,
    unit: 'ms',
  },
];

function perShapeAndThreads(work: string): Target[] {
  return ROW_SHAPES.flatMap((shape) =>
    THREADS.map((threads): Target => {
      const against = peer('PyTorch', 'same');
      return { work, shape: shapeText(shape), threads, against, goal: OF_PEER, wide: OF_PEER, unit: '×' };
    }),
  );
}
