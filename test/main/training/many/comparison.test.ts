// What cross-validation saves on heads that are only compared.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany, type Training } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { builds } from '../../../kernels/workbench.js';
import { clusters } from '../workbench.js';

const problem = clusters(400, 60, 3, 7);
/** A third of the labels are wrong, which weak penalties learn by heart. */
const targets = problem.targets.map((target, row) => (row % 3 === 0 ? (target + 1) % 3 : target));
const shape = { features: 60, classes: 3, cv: 4 };
const heads = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000].map((C) => ({ C }));

describe.each(builds)('heads that are compared by cross-validation (%s)', (numerics) => {
  const engineWith = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (options: Partial<Training.FitManyOptions>, own = engine, chosen = heads) =>
    fitMany(own, problem.inputs, targets, chosen, { ...shape, ...options });
  type Result = Awaited<ReturnType<typeof run>>;
  const passesOf = ({ heads: own }: Result) =>
    own.flatMap(({ fits }) => fits).reduce((sum, { passes = Number.NaN }) => sum + passes, 0);
  const reasonsOf = ({ heads: own }: Result) =>
    own.map(({ fits }) => fits.map(({ stopReason }) => stopReason));

  test('the head chosen is that of a tol of 1e-4, in a third of the passes; its refit has a tol of 1e-4', async () => {
    const result = await run({ path: true });
    const tight = await run({ path: true, tol: 1e-4 });
    expect(result.best).toBe(tight.best);
    const [score, wanted] = [result, tight].map(({ heads: own, best }) => own[best ?? -1]?.score);
    const error = wanted?.lossError ?? Number.NaN;
    expect(Math.abs((score?.loss ?? Number.NaN) - (wanted?.loss ?? Number.NaN))).toBeLessThan(0.1 * error);
    expect(passesOf(result)).toBeLessThan(passesOf(tight) / 3);
    expect(result.fit).toMatchObject({ tol: 1e-4, converged: true, stopReason: 'converged' });
    for (const { fits } of result.heads) {
      for (const { tol, gapRelative, converged, stopReason } of fits) {
        expect(tol).toBe(1e-2);
        expect(converged).toBe(gapRelative! <= 1e-2);
        expect(converged).toBe(stopReason === 'converged');
      }
    }
  });

  test('heads far beyond the best are left, and without a warning; the others are solved', async () => {
    const result = await run({ path: true });
    const reasons = reasonsOf(result);
    const best = result.best ?? -1;
    expect(reasons.slice(0, best + 1).flat()).toEqual(Array(4 * (best + 1)).fill('converged'));
    expect(reasons.at(-1)).toEqual(Array(4).fill('worse'));
    expect(result.heads.at(-1)?.fits.flatMap(({ warnings }) => warnings.map(({ code }) => code))).toEqual([]);
    expect(result.heads.at(-1)?.score?.loss).toBeGreaterThan(1.02 * result.heads[best]!.score!.loss);
  });

  test.each<[string, Partial<Training.FitManyOptions>, number]>([
    ['a tol that is given', { path: true, tol: 1e-3 }, 1e-3],
    ['no path', {}, 1e-2],
    ['ranking by accuracy', { path: true, rankBy: 'accuracy' }, 1e-2],
    ['smoothed targets', { path: true, labelSmoothing: 0.1 }, 1e-2],
    ['no parts', { path: true, cv: undefined, validationSplit: 0.25 }, 1e-4],
  ])('none is left with %s', async (_, options, tol) => {
    const result = await run({ ...options, refit: false });
    expect(new Set(reasonsOf(result).flat())).toEqual(new Set(['converged']));
    expect(new Set(result.heads.flatMap(({ fits }) => fits.map((fit) => fit.tol)))).toEqual(new Set([tol]));
  });

  test('losses have the same bits for 1, 2, 3 and 8 threads, in any order, and where parts take turns', async () => {
    const bits = (result: Result, order = result.heads) =>
      order.map(({ score }) => bitsOf(Float64Array.from(score?.losses ?? []))).join('\n');
    const options = { path: true, refit: false };
    const wanted = bits(await run(options));
    const reversed = await run(options, engine, [...heads].reverse());
    expectSameBits([wanted, bits(reversed, [...reversed.heads].reverse())]);
    for (const threads of [1, 3, 8]) {
      expectSameBits([wanted, bits(await run(options, await engineWith({ threads, numerics })))]);
    }
    const small = await engineWith({ threads: 2, numerics, arenaBytes: 2 ** 20 });
    expectSameBits([wanted, bits(await run(options, small))]);
  });
});
