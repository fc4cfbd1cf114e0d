// Times training steps and row operations of many shapes on each thread count, for the cost model.
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillRandom, fillTargets } from '../cases/values.js';
import { median } from '../statistics.js';
import { type Constants, fitConstants } from './fit.js';
import { STEP_SHAPES, type StepShape, stepText, unitsOf } from './shapes.js';

export interface TimedStep extends StepShape {
  readonly threads: number;
  readonly us: number;
}

/** crossEntropyGradient in place. */
interface TimedRows {
  readonly rows: number;
  readonly classes: number;
  readonly threads: number;
  readonly us: number;
}

export interface Model {
  readonly steps: readonly TimedStep[];
  readonly rowOperations: readonly TimedRows[];
  readonly constants: Constants;
}

/** Inputs beyond the caches, as those of a data set are. */
const INPUT_BYTES = 96e6;
/** A fit of one timing takes about this many multiply-adds, a tenth of a second or two. */
const FIT_PRODUCTS = 2.5e9;

export const ROW_SWEEPS = {
  rows: [256, 1024, 4096, 16384, 65536].map((rows) => ({ rows, classes: 1000 })),
  classes: [10, 100, 1000, 10000, 100000].map((classes) => ({ rows: 1024, classes })),
} as const;

export async function measureModel(threads: readonly number[], quick: boolean): Promise<Model> {
  const engines = await Promise.all(threads.map((count) => Engine.create({ threads: count })));
  const rounds = quick ? 1 : 5;
  try {
    const steps: TimedStep[] = [];
    for (const shape of quick ? STEP_SHAPES.slice(0, 5) : STEP_SHAPES) {
      process.stderr.write(`  step ${stepText(shape)}\n`);
      steps.push(...(await timeSteps(engines, shape, rounds)));
    }
    const rowOperations: TimedRows[] = [];
    const distinct = new Map(
      Object.values(ROW_SWEEPS)
        .flat()
        .map((shape) => [JSON.stringify(shape), shape]),
    );
    for (const shape of distinct.values()) rowOperations.push(...(await timeRows(engines, shape, rounds)));
    const measured = steps.map((step) => ({ units: unitsOf(step, step.threads), us: step.us }));
    return { steps, rowOperations, constants: fitConstants(measured) };
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
}

/** Medians of rounds in which the engines take turns; the first round warms up. */
async function timeInTurns(
  engines: readonly Engine[],
  rounds: number,
  time: (engine: Engine, index: number) => Promise<number>,
): Promise<{ threads: number; us: number }[]> {
  const samples = engines.map(() => [] as number[]);
  for (let round = -1; round < rounds; round++) {
    for (const [index, engine] of engines.entries()) {
      const ms = await time(engine, index);
      if (round >= 0) samples[index]!.push(ms * 1000);
    }
  }
  return engines.map(({ threads }, index) => ({ threads, us: median(samples[index]!) }));
}

async function timeSteps(engines: readonly Engine[], shape: StepShape, rounds: number): Promise<TimedStep[]> {
  const { batch, features, classes } = shape;
  const wanted = Math.min(INPUT_BYTES / (4 * features), FIT_PRODUCTS / (2 * features * classes));
  const rows = Math.max(1, Math.floor(wanted / batch)) * batch;
  const targets = new Int32Array(rows);
  fillTargets(targets, classes);
  const prepared = engines.map((engine) => {
    const inputs = engine.matrix(rows, features);
    fillRandom(inputs.data);
    return { inputs, classifier: new SoftmaxClassifier(engine, { features, classes }) };
  });
  const options = { epochs: 1, batchSize: batch, learningRate: 1e-4, momentum: 0.9 };
  const timed = await timeInTurns(engines, rounds, async (_, index) => {
    const { classifier, inputs } = prepared[index]!;
    classifier.weights.fill(0);
    classifier.bias.fill(0);
    const { epochs, steps } = await classifier.fit(inputs, targets, options);
    return epochs[0]!.durationMs / steps;
  });
  for (const { inputs } of prepared) inputs.free();
  return timed.map((one) => ({ ...shape, ...one }));
}

async function timeRows(
  engines: readonly Engine[],
  { rows, classes }: { readonly rows: number; readonly classes: number },
  rounds: number,
): Promise<TimedRows[]> {
  const targets = new Int32Array(rows);
  fillTargets(targets, classes);
  const matrices = engines.map((engine) => engine.matrix(rows, classes));
  for (const { data } of matrices) fillRandom(data);
  const calls = Math.max(1, Math.round(2e7 / (rows * classes)));
  const timed = await timeInTurns(engines, rounds, async (engine, index) => {
    const logits = matrices[index]!;
    const begin = performance.now();
    for (let call = 0; call < calls; call++) {
      await engine.crossEntropyGradient(logits, targets, { into: logits });
    }
    return (performance.now() - begin) / calls;
  });
  for (const matrix of matrices) matrix.free();
  return timed.map((one) => ({ rows, classes, ...one }));
}
