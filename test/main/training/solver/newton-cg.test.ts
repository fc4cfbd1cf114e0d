// Truncated Newton finds what L-BFGS finds.
import { describe, expect, test } from 'vitest';
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { failure } from '../../../failure.js';
import { builds } from '../../../kernels/workbench.js';
import { byPartials, byTiles, CASES, type Case } from '../loss-cases.js';
import { clusters, type Problem } from '../workbench.js';
import { minimumOf, objectiveAt } from './minimum.js';

const plain = (problem: Problem): Case => ({ problem, options: {}, loss: {} });

describe.each(builds)('newton-cg (%s)', (numerics) => {
  const engineFor = sharedEngines();

  async function train({ problem, options }: Case, more: Training.FitOptions, threads = 2) {
    const { features, classes, inputs, targets } = problem;
    const engine = await engineFor({ threads, numerics });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const all = { ...options, solver: 'newton-cg', scale: 'none', ...more } as const;
    return { classifier, result: await classifier.fit(inputs, targets, all) };
  }

  test.each(['no options', 'weight, sampleWeight and ignored rows', 'labelSmoothing', 'temperature'])(
    '%s: the minimum is between objective - gap and objective',
    async (name) => {
      for (const [rows, features, classes] of [
        [203, 5, 2],
        [61, 6, 10],
      ] as const) {
        const example = (CASES[name] ?? plain)(clusters(rows, features, classes, rows));
        for (const C of [0.03, 30]) {
          const penalty = (classes === 2 ? 2 : 1) / C;
          const minimum = minimumOf(example.problem, example.loss, penalty);
          const { classifier, result } = await train(example, { C, tol: 1e-4 });
          const { weights, bias } = classifier;
          const { objective } = objectiveAt(example.problem, example.loss, penalty, weights, bias);
          expect(result).toMatchObject({ solver: 'newton-cg', converged: true, stopReason: 'converged' });
          expect(result.gapRelative).toBeLessThanOrEqual(1e-4);
          expect(Math.abs(result.objective! / objective - 1)).toBeLessThan(1e-6);
          expect(result.objective! - result.gap!).toBeLessThan(minimum.objective * (1 + 1e-6));
          expect(objective).toBeGreaterThan(minimum.objective * (1 - 1e-9));
        }
      }
    },
  );

  test('the bits are the same for 1, 2, 3 and 8 threads', async () => {
    for (const [problem, options] of [
      [byPartials, { C: 1, tol: 1e-4 }],
      [byTiles, { C: 0.01, maxPasses: 4 }],
    ] as const) {
      const texts: string[] = [];
      for (const threads of [1, 2, 3, 8]) {
        const { classifier, result } = await train(plain(problem), options, threads);
        const { objective = -1, gap = -1, passes = -1 } = result;
        texts.push(bitsOf(classifier.weights, classifier.bias, objective, gap, passes));
      }
      expectSameBits(texts);
    }
  });

  test('maxPasses, the float32 floor and an abort end it', async () => {
    const example = plain(clusters(203, 5, 3, 203));
    const few = await train(example, { C: 1, tol: 1e-9, maxPasses: 5 });
    expect(few.result).toMatchObject({ converged: false, stopReason: 'maxPasses' });
    expect(few.result.passes).toBeLessThanOrEqual(8.5);
    const all = await train(example, { C: 1, tol: 0 });
    expect(all.result).toMatchObject({ converged: false, stopReason: 'floor' });
    expect(all.result.gapRelative).toBeLessThan(1e-5);
    const controller = new AbortController();
    const onProgress = ({ iteration }: Training.SolverReport) => {
      if (iteration === 2) controller.abort();
    };
    const error = await failure(() =>
      train(example, { C: 1, tol: 0, signal: controller.signal, onProgress }),
    );
    expect(error).toBe(controller.signal.reason);
  });
});
