// The operations on rows, from logits in the arena to results in the arena, as users call them.
import type { Engine, Losses, Matrix, Tensor, Vector } from '#softshard/main/index.js';
import type { BenchCase, PreparedCase, Traffic } from './case.js';
import { checkGradient, checkLosses, checkRowMap, checkRowValues, copyRows } from './kernel-checks.js';
import { fillRandom, fillTargets } from './values.js';

interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly quick?: boolean;
}

/** Cached and from memory; few classes, ragged ones, an image classifier's, and vocabularies of language models. */
const SHAPES: readonly Shape[] = [
  { rows: 64, columns: 1024, quick: true },
  { rows: 65536, columns: 3 },
  { rows: 65536, columns: 10, quick: true },
  { rows: 65536, columns: 67 },
  { rows: 65536, columns: 1000 },
  { rows: 4096, columns: 32768 },
  { rows: 1024, columns: 131072 },
];

/** The memory of one case in one engine. */
interface Operands {
  readonly logits: Matrix;
  readonly targets: Vector<'int32'>;
  /** The logits themselves for in-place work. */
  readonly output: Matrix;
}

interface Operation {
  readonly name: string;
  /** 'other': writes a second matrix; 'logits': in place; 'none': its result is small. */
  readonly writes: 'other' | 'logits' | 'none';
  run(engine: Engine, operands: Operands): Promise<unknown>;
  /** Runs it and compares. */
  check(engine: Engine, operands: Operands): Promise<void>;
}

const rowMap = (kind: 'softmax' | 'logSoftmax'): Operation => {
  const run = (engine: Engine, { logits, output }: Operands): Promise<Tensor<'float32'>> =>
    engine[kind](logits, { into: output });
  return {
    name: kind,
    writes: 'other',
    run,
    async check(engine, operands) {
      const before = copyRows(operands.logits);
      await run(engine, operands);
      checkRowMap(kind, before, operands.output);
    },
  };
};

const gradient = (name: string, writes: 'other' | 'logits'): Operation => {
  const run = (engine: Engine, { logits, targets, output }: Operands): Promise<Losses.CrossEntropyResult> =>
    engine.crossEntropyGradient(logits, targets, { into: output });
  return {
    name,
    writes,
    run,
    async check(engine, operands) {
      const { logits, targets, output } = operands;
      const before = copyRows(logits);
      const { loss: expectedLoss } = await engine.crossEntropy(logits, targets);
      const { loss } = await run(engine, operands);
      if (loss !== expectedLoss) throw new Error(`loss: crossEntropy gave ${expectedLoss}, ${name} ${loss}`);
      checkGradient(before, targets.data, output);
    },
  };
};

const OPERATIONS: readonly Operation[] = [
  rowMap('softmax'),
  rowMap('logSoftmax'),
  {
    name: 'logSumExp',
    writes: 'none',
    run: (engine, { logits }) => engine.logSumExp(logits),
    async check(engine, { logits }) {
      const { data } = await engine.logSumExp(logits);
      checkRowValues('logSumExp', copyRows(logits), data);
    },
  },
  {
    name: 'crossEntropy',
    writes: 'none',
    run: (engine, { logits, targets }) => engine.crossEntropy(logits, targets),
    async check(engine, { logits, targets }) {
      const { loss } = await engine.crossEntropy(logits, targets);
      const { losses } = await engine.crossEntropy(logits, targets, { reduction: 'none' });
      checkLosses(copyRows(logits), targets.data, losses!, loss);
    },
  },
  gradient('crossEntropyGradient', 'other'),
  gradient('crossEntropyGradient in place', 'logits'),
];

/** Larger than the caches of most machines. */
const BEYOND_CACHES = 100e6;

/** 'other' is read and written, in place is too, and what gives little only reads. */
const PATTERNS = { other: 'copy', logits: 'scale', none: 'read' } as const;

export const kernelCases: readonly BenchCase[] = SHAPES.flatMap((shape) =>
  OPERATIONS.map((operation) => kernelCase(shape, operation)),
);

function kernelCase({ rows, columns, quick = false }: Shape, operation: Operation): BenchCase {
  const matrices = operation.writes === 'other' ? 2 : 1;
  const matrixBytes = rows * columns * 4;
  const traffic: Traffic = {
    pattern: PATTERNS[operation.writes],
    bytes: operation.writes === 'none' ? matrixBytes : 2 * matrixBytes,
  };
  return {
    name: operation.name,
    shape: `${rows} × ${columns}`,
    quick,
    bytes: matrices * matrixBytes,
    work: (rows * columns) / 1e9,
    rateUnit: 'Ge/s',
    ...(matrixBytes > BEYOND_CACHES && { traffic }),
    prepare: (engine) => prepare(engine, rows, columns, operation),
  };
}

/**
 * In place, every call after the first gets the result of the one before: the kernels have no branches on values, so
 * that changes no time, and copying fresh logits before each call would leave them in some cores' caches.
 */
function prepare(engine: Engine, rows: number, columns: number, operation: Operation): PreparedCase {
  const logits = engine.matrix(rows, columns);
  const output = operation.writes === 'other' ? engine.matrix(rows, columns) : logits;
  const targets = engine.vector('int32', rows);
  const operands = { logits, output, targets };
  fillRandom(logits.data);
  fillTargets(targets.data, columns);
  return {
    check: () => operation.check(engine, operands),
    async run() {
      await operation.run(engine, operands);
      return undefined;
    },
    free() {
      for (const array of [targets, output, logits]) array.free();
    },
  };
}
