// Ranks that share the rows of full-batch solvers: the bits of one process, on each of them.
import { describe, expect, test } from 'vitest';
import {
  Engine,
  fitMany,
  inProcessTransports,
  SoftmaxClassifier,
  type Training,
  type Transport,
} from '#softshard/main/index.js';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { rowShare } from '#softshard/main/training/solver/row-share.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { randomValues } from '../../../kernels/workbench.js';

const [rows, features] = [35_001, 1000];

/** Classes differ in their first features; the rest is noise. */
function bytesOf(targets: Int32Array): Uint8Array {
  const bytes = new Uint8Array(rows * features);
  const pattern = randomValues(65_537, 100, 5);
  for (let i = 0; i < bytes.length; i++) bytes[i] = pattern[i % 65_537]! + 128;
  for (let row = 0; row < rows; row++) bytes[row * features + targets[row]!]! ^= 128;
  return bytes;
}

const featureScaling = { shift: 128, scale: 1 / 64 };

async function onRanks<Result>(
  transports: readonly (Transport | undefined)[],
  work: (engine: Engine) => Promise<Result>,
): Promise<Result[]> {
  return Promise.all(
    transports.map(async (distributed, rank) => {
      await using engine = await Engine.create({
        threads: 1 + (rank % 2),
        arenaBytes: 2 ** 28,
        ...(distributed && { distributed }),
      });
      return await work(engine);
    }),
  );
}

/** On one process alone, then on several ranks. */
async function expectSameOnRanks(
  work: (engine: Engine) => Promise<string>,
  counts: readonly number[] = [3],
): Promise<void> {
  const texts = await onRanks([undefined], work);
  for (const ranks of counts) texts.push(...(await onRanks(inProcessTransports(ranks), work)));
  expect(texts).toHaveLength(counts.reduce((sum, ranks) => sum + ranks, 1));
  expectSameBits(texts);
}

describe('full-batch solvers on several ranks', () => {
  const classes = 3;
  const targetsOf = (count: number) =>
    Int32Array.from({ length: rows }, (_, row) => (row * 7 + (row >> 5)) % count);
  const targets = targetsOf(classes);
  const bytes = bytesOf(targets);

  const trained = async (
    engine: Engine,
    options: Training.FitOptions,
    [inputs, labels, classes]: readonly [Uint8Array, Int32Array, number] = [bytes, targets, 3],
  ): Promise<string> => {
    const scaling = options.C === undefined ? {} : { featureScaling };
    const classifier = new SoftmaxClassifier(engine, { features, classes, ...scaling });
    const reports: number[] = [];
    const onProgress = ({ iteration, passes, objective, gap = -1 }: Training.SolverReport) => {
      reports.push(iteration, passes, objective, gap);
    };
    const result = await classifier.fit(inputs, labels, { ...options, onProgress });
    const { objective = -1, gap = -1, accuracy = -1, loss } = result;
    expect(reports.length).toBeGreaterThan(0);
    return bitsOf(
      classifier.weights,
      classifier.bias,
      Float64Array.of(objective, gap, accuracy, loss, ...reports),
    );
  };

  test('the rows are cut into four branches, which ranks share', () => {
    const plan = planFullBatch({ rows, features, classes });
    expect(plan).toMatchObject({ branches: 4, stepsABranch: 1, stepsAnEpoch: 4 });
    const shares = [0, 1, 2].map((rank) => rowShare(plan, rows, { rank, ranks: 3 }));
    expect(shares.map(({ branches }) => [branches.begin, branches.end])).toEqual([
      [0, 1],
      [1, 2],
      [2, 4],
    ]);
    expect(shares.map((share) => share.rows.end)).toEqual([9216, 18_432, rows]);
  });

  test.each([
    ['lbfgs', { solver: 'lbfgs', C: 1e-3, maxPasses: 5 }, [1, 2, 3, 4]],
    ['newton-cg', { solver: 'newton-cg', C: 1e-4, maxPasses: 6 }, [2, 3]],
    ['an L1 penalty', { C: 1e-3, l1: 1e-3, maxPasses: 5 }, [3]],
    ['rows that weigh differently', { C: 1e-3, maxPasses: 4, labelSmoothing: 0.1 }, [2]],
  ] as const)('%s', async (_, options, counts) => {
    await expectSameOnRanks((engine) => trained(engine, options), counts);
  });

  test('many classes, each tile of their gradient summed by one worker', async () => {
    expect(planFullBatch({ rows, features, classes: 70 })).toMatchObject({
      by: 'parameter-sharded',
      branches: 4,
    });
    const labels = targetsOf(70);
    const own = [bytesOf(labels), labels, 70] as const;
    await expectSameOnRanks((engine) => trained(engine, { C: 1e-3, maxPasses: 2 }, own));
  });

  test('the choice of scaling and C', async () => {
    await expectSameOnRanks((engine) => trained(engine, { maxPasses: 3, tol: 0.1 }));
  });

  test('cross-validation of several heads, of which ranks have memory for different numbers at a time', async () => {
    const heads = [1e-5, 1e-4, 1e-3, 1e-2].map((C) => ({ C }));
    await expectSameOnRanks(async (engine) => {
      const options = { features, classes, featureScaling, cv: 3, maxPasses: 6 };
      const many = await fitMany(engine, bytes, targets, heads, options);
      const figures = many.heads.flatMap(({ score }) => [
        ...(score?.losses ?? []),
        ...(score?.accuracies ?? []),
      ]);
      expect(figures).toHaveLength(heads.length * 6);
      return bitsOf(Float64Array.from(figures), many.classifier?.weights ?? new Float32Array());
    });
  });
});
