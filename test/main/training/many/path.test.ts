// Heads that are solved along a path of penalties.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { builds } from '../../../kernels/workbench.js';
import { clusters } from '../workbench.js';

const problem = clusters(600, 30, 6, 3);
const shape = { features: 30, classes: 6 };
const Cs = Array.from({ length: 12 }, (_, index) => 10 ** (-4 + index / 2));

describe.each(builds)('fitMany along a path (%s)', (numerics) => {
  const engineWith = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (own: Engine, options: readonly { C: number }[], path: boolean, more: object = {}) =>
    fitMany(own, problem.inputs, problem.targets, options, { ...shape, path, ...more });
  const passesOf = ({ heads }: Awaited<ReturnType<typeof run>>) =>
    heads.reduce((sum, { fits }) => sum + (fits[0]?.passes ?? Number.NaN), 0);
  const bits = ({ heads }: Awaited<ReturnType<typeof run>>) =>
    heads.map(({ classifier }) => bitsOf(classifier?.weights ?? 0, classifier?.bias ?? 0));

  test('certifies each head, in two thirds of the passes of heads alone', async () => {
    const heads = Cs.map((C) => ({ C }));
    const path = await run(engine, heads, true);
    const alone = await run(engine, heads, false);
    for (const [index, { fits }] of path.heads.entries()) {
      expect(fits[0]?.stopReason).toBe('converged');
      expect(fits[0]?.gapRelative).toBeLessThanOrEqual(1e-4);
      const other = alone.heads[index]?.fits[0]?.objective ?? Number.NaN;
      expect(Math.abs((fits[0]?.objective ?? Number.NaN) / other - 1)).toBeLessThan(2e-4);
    }
    expect(passesOf(path)).toBeLessThan((2 / 3) * passesOf(alone));
  });

  test('has the same bits in any order of the heads and for 1, 2, 3 and 8 threads', async () => {
    const heads = Cs.map((C) => ({ C }));
    const wanted = bits(await run(engine, heads, true));
    const reversed = bits(await run(engine, [...heads].reverse(), true)).reverse();
    for (const [index, own] of wanted.entries())
      expectSameBits([own, reversed[index] ?? ''], `C = ${Cs[index]}`);
    for (const threads of [1, 3, 8]) {
      const other = bits(await run(await engineWith({ threads, numerics }), heads, true));
      for (const [index, own] of wanted.entries())
        expectSameBits([own, other[index] ?? ''], `C = ${Cs[index]}`);
    }
  });

  test('a weaker penalty does not change the heads before it; heads of other options have paths of their own', async () => {
    const short = bits(await run(engine, [{ C: 0.01 }, { C: 0.1 }], true));
    const long = bits(await run(engine, [{ C: 1 }, { C: 0.01 }, { C: 0.1 }], true));
    expectSameBits([short[0] ?? '', long[1] ?? '']);
    expectSameBits([short[1] ?? '', long[2] ?? '']);
    const mixed = await fitMany(
      engine,
      problem.inputs,
      problem.targets,
      [{ C: 0.01 }, { C: 0.1, weight: 'balanced' }, { C: 0.1 }, { l2: 0.01 }],
      { ...shape, path: true },
    );
    expectSameBits([short[1] ?? '', bits(mixed)[2] ?? '']);
    const alone = bits(await fitMany(engine, problem.inputs, problem.targets, [{ l2: 0.01 }], shape));
    expectSameBits([alone[0] ?? '', bits(mixed)[3] ?? '']);
  });
});
