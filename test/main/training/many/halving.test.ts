// Successive halving: who goes on, and that going on changes nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany, type Training } from '#softshard/main/index.js';
import { rungsOf } from '#softshard/main/training/many/halving.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { builds, randomValues } from '../../../kernels/workbench.js';
import { clusters } from '../workbench.js';

const clean = clusters(240, 9, 4, 3);
const noise = randomValues(clean.inputs.length, 3, 9);
const problem = { ...clean, inputs: clean.inputs.map((value, i) => value + noise[i]!) };

const SHARED = { features: 9, classes: 4, epochs: 9, batchSize: 48, splitSeed: 2 };
/** Of several seeds, optimizers and schedules, which are groups of their own; one diverges. */
const HEADS: readonly Training.HeadOptions[] = [
  { learningRate: 1e-5 },
  { learningRate: 0.1, momentum: 0.9, schedule: 'cosine', warmup: 5 },
  { learningRate: 1e38, weightDecay: 1000 },
  { solver: 'adamw', learningRate: 0.03, schedule: 'one-cycle' },
  { solver: 'adamw', learningRate: 1e-5, seed: 1 },
  { learningRate: 0.1, seed: 1, shuffle: false },
  { learningRate: 1e-4, momentum: 0.5, seed: 1 },
  { learningRate: 1e-4, labelSmoothing: 0.1 },
  { learningRate: 0.2, weightDecay: 0.01, weight: 'balanced', clipNorm: 1 },
  { learningRate: 0.05, momentum: 0.9, nesterov: true },
];

test('rungs have eta times as many epochs for 1 / eta of the heads, as far as there are heads and epochs', () => {
  const textOf = (heads: number, epochs: number, eta: number) =>
    rungsOf(heads, epochs, eta)
      .map(({ epoch, keep }) => `${epoch}: ${keep}`)
      .join(', ');
  expect(textOf(27, 27, 3)).toBe('1: 9, 3: 3, 9: 1, 27: 1');
  expect(textOf(10, 9, 3)).toBe('1: 3, 3: 1, 9: 1');
  expect(textOf(100, 10, 3)).toBe('1: 33, 3: 11, 10: 11');
  expect(textOf(9, 81, 3)).toBe('9: 3, 27: 1, 81: 1');
  expect(textOf(5, 100, 2)).toBe('25: 2, 50: 1, 100: 1');
  expect(textOf(2, 100, 3)).toBe('100: 2');
  expect(textOf(50, 1, 3)).toBe('1: 50');
});

describe.each(builds)('successive halving (%s)', (numerics) => {
  const engineWith = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (options: Partial<Training.FitManyOptions>, own = engine, heads = HEADS) =>
    fitMany(own, problem.inputs, problem.targets, heads, { ...SHARED, ...options });
  type Result = Awaited<ReturnType<typeof run>>;
  const bits = ({ heads }: Result) =>
    heads
      .map(({ classifier, score, droppedAfter }) =>
        [
          bitsOf(classifier?.weights ?? 0, classifier?.bias ?? 0),
          bitsOf(Float64Array.from(score?.losses ?? [])),
          droppedAfter,
        ].join('\n'),
      )
      .join('\n');

  test.each<[string, Partial<Training.FitManyOptions>]>([
    ['a split', { validationSplit: 0.25 }],
    ['parts', { cv: 3 }],
  ])('heads have the losses, and survivors the bits, of training without it: %s', async (_, options) => {
    const plain = await run({ ...options, refit: false });
    const halved = await run({ ...options, refit: false, halving: 3 });
    const lossesAfter = (epoch: number) =>
      plain.heads.map(({ fits }) =>
        fits.length === 0
          ? Number.NaN
          : fits.reduce((sum, { epochs }) => sum + epochs[epoch - 1]!.validationLoss!, 0) / fits.length,
      );
    const bestAfter = (epoch: number, among: readonly number[], count: number) => {
      const losses = lossesAfter(epoch);
      const order = among.filter((head) => !Number.isNaN(losses[head]));
      return order.sort((a, b) => losses[a]! - losses[b]!).slice(0, count);
    };
    const second = bestAfter(1, [...HEADS.keys()], 3);
    const [last] = bestAfter(3, second, 1);
    expect(halved.best).toBe(last);
    for (const { head, fits, error, droppedAfter, score, classifier } of halved.heads) {
      if (head === 2) {
        expect(error).toMatchObject({ code: 'ERR_DIVERGED' });
        expect([droppedAfter, score]).toEqual([undefined, undefined]);
        continue;
      }
      const epochs = head === last ? 9 : second.includes(head) ? 3 : 1;
      expect(droppedAfter).toBe(epochs === 9 ? undefined : epochs);
      for (const [part, fit] of fits.entries()) {
        const wanted = plain.heads[head]!.fits[part]!;
        const losses = ({ epochs: reports }: Training.FitResult) =>
          reports.map(({ epoch, loss, validationLoss, learningRate }) => [
            epoch,
            loss,
            validationLoss,
            learningRate,
          ]);
        expect(losses(fit)).toEqual(losses(wanted).slice(0, epochs));
        expect(fit.steps).toBe((wanted.steps / 9) * epochs);
      }
      expect(score?.loss).toBe(lossesAfter(epochs)[head]);
      const other = plain.heads[head]?.classifier;
      if (head !== last || other === undefined) continue;
      expectSameBits([
        bitsOf(other.weights, other.bias),
        bitsOf(classifier?.weights ?? 0, classifier?.bias ?? 0),
      ]);
    }
  });

  test('the same bits for 1, 2, 3 and 8 threads, and in an arena where heads take turns', async () => {
    const options = { validationSplit: 0.25, halving: 2, refit: false };
    const wanted = bits(await run(options));
    for (const own of [{ threads: 1 }, { threads: 3 }, { threads: 8 }, { threads: 2, arenaBytes: 2 ** 20 }]) {
      expectSameBits([wanted, bits(await run(options, await engineWith({ numerics, ...own })))]);
    }
  });

  test('of equals those given first go on; each head is reported once, when it ends; the refit has all epochs', async () => {
    const same = Array.from({ length: 6 }, () => ({ learningRate: 0.1 }));
    const ends: string[] = [];
    const onHeadEnd = ({ head, droppedAfter }: Training.HeadReport) => ends.push(`${head}: ${droppedAfter}`);
    const { best, fit } = await run({ validationSplit: 0.25, halving: 2, onHeadEnd }, engine, same);
    expect(ends).toEqual(['3: 2', '4: 2', '5: 2', '1: 4', '2: 4', '0: undefined']);
    expect(best).toBe(0);
    expect(fit?.epochs.length).toBe(9);
  });

  test('aborting in the first rung rejects with the reason, and a callback that throws ends all', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = run({ cv: 3, halving: 2, signal: controller.signal });
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    const onHeadEnd = () => {
      throw reason;
    };
    await expect(run({ cv: 3, halving: 2, onHeadEnd })).rejects.toBe(reason);
  });

  test.each<[Partial<Training.FitManyOptions>, readonly Training.HeadOptions[], string, RegExp]>([
    [{ halving: 1, cv: 2 }, [{ learningRate: 1 }], 'options.halving', /from 2 to 1000/],
    [{ halving: 3 }, [{ learningRate: 1 }], 'options.halving', /no rows are held out/],
    [
      { halving: 3, cv: 2, epochs: undefined, batchSize: undefined },
      [{ C: 1 }],
      'heads[0]',
      /knows no epochs/,
    ],
    [{ halving: 3, cv: 2 }, [{ learningRate: 1 }, { epochs: 4 }], 'heads[1].epochs', /give all the same/],
    [
      { halving: 3, cv: 2, earlyStopping: { metric: 'loss' } },
      [{ learningRate: 1 }],
      'heads[0].earlyStopping',
      /leave one/,
    ],
    [
      { halving: 3, cv: 2, schedule: 'reduce-on-plateau' },
      [{ learningRate: 1 }],
      'heads[0].schedule',
      /leave one/,
    ],
  ])('%j is refused', async (options, heads, argument, message) => {
    await expect(run(options, engine, heads)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      argument,
      message: expect.stringMatching(message),
    });
  });
});
