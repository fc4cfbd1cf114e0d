// fit and fitMany on several ranks, each with all of the data: the bits of one process, and one end for all, whichever of them is told
// to stop, fails, or is given something else.
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  decodeCheckpoint,
  Engine,
  encodeCheckpoint,
  fitMany,
  inProcessTransports,
  SoftmaxClassifier,
  SoftshardError,
  type Training,
  type Transport,
} from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { resultText } from './checkpoint/resume.js';

const [rows, features, classes] = [400, 6, 3];
const inputs = Float32Array.from({ length: rows * features }, (_, i) => Math.sin(i * i));
const targets = Int32Array.from(
  { length: rows },
  (_, row) => Math.abs(Math.round(3 * inputs[row * features]! + (row % 2))) % classes,
);

/** By the number of ranks. */
const engines = new Map<number, readonly Engine[]>();
const RANKS = [1, 2, 3, 4];

beforeAll(async () => {
  for (const ranks of RANKS) {
    const create = (distributed: Transport | undefined, rank: number) =>
      Engine.create({
        threads: 1 + (rank % 2),
        arenaBytes: 2 ** 24,
        ...(distributed && { distributed }),
      });
    const transports = ranks === 1 ? [undefined] : inProcessTransports(ranks);
    engines.set(ranks, await Promise.all(transports.map(create)));
  }
});

afterAll(async () => {
  for (const all of engines.values()) await Promise.all(all.map((engine) => engine.close()));
});

type Work<Result> = (engine: Engine) => Promise<Result>;

const onRanks = <Result>(ranks: number, work: Work<Result>): Promise<Result[]> =>
  Promise.all(engines.get(ranks)!.map(work));

/** What became of each rank. */
const endsOf = (ranks: number, work: Work<unknown>): Promise<PromiseSettledResult<unknown>[]> =>
  Promise.allSettled(engines.get(ranks)!.map(work));

async function expectSameOnRanks(work: Work<string>, counts = [2, 3, 4]): Promise<void> {
  const [wanted] = await onRanks(1, work);
  for (const ranks of counts) {
    for (const [rank, text] of (await onRanks(ranks, work)).entries()) {
      expect(text, `rank ${rank} of ${ranks}`).toBe(wanted);
    }
  }
}

const newClassifier = (engine: Engine) => new SoftmaxClassifier(engine, { features, classes });

async function fitted(engine: Engine, options: Training.FitOptions): Promise<string> {
  const classifier = newClassifier(engine);
  const result = await classifier.fit(inputs, targets, options);
  return resultText(result, classifier.weights, classifier.bias);
}

async function fittedMany(
  engine: Engine,
  heads: readonly Training.HeadOptions[],
  options: Training.FitManyOptions,
): Promise<string> {
  const result = await fitMany(engine, inputs, targets, heads, { features, classes, ...options });
  return resultText(result, result.classifier?.weights, result.classifier?.bias);
}

describe('the bits of one process', () => {
  test.each<[string, Training.FitOptions]>([
    ['C and scaling chosen', {}],
    ['C chosen by one standard error, rows held out', { oneStandardError: true, validationSplit: 0.2 }],
    ['newton-cg', { C: 10, solver: 'newton-cg' }],
    ['an L1 penalty', { l1: 0.01 }],
    ['calibrated by folds', { C: 1, calibrate: true }],
    ['SGD', { epochs: 5, batchSize: 32, momentum: 0.9, onEpochEnd: () => {} }],
    [
      'AdamW, stopped early',
      { solver: 'adamw', epochs: 40, batchSize: 50, validationSplit: 0.25, earlyStopping: { patience: 1 } },
    ],
    ['SGD, calibrated by held-out rows', { epochs: 3, validationSplit: 0.2, calibrate: true }],
  ])('fit: %s', async (_, options) => {
    await expectSameOnRanks((engine) => fitted(engine, options));
  });

  test.each<[string, readonly Training.HeadOptions[], Training.FitManyOptions]>([
    ['cross-validation along a path', [{ C: 0.1 }, { C: 1 }, { C: 10 }], { cv: 3 }],
    [
      'solvers beside each other, rows held out',
      [{ C: 1 }, { C: 100, solver: 'newton-cg' }, { l1: 0.01 }],
      { validationSplit: 0.2 },
    ],
    [
      'steps, of which some share rows',
      [
        { epochs: 4, learningRate: 0.1 },
        { epochs: 4, learningRate: 0.3 },
        { epochs: 4, batchSize: 16 },
      ],
      { cv: 2 },
    ],
    [
      'halving',
      [0.1, 0.2, 0.3, 0.5].map((learningRate) => ({ epochs: 9, learningRate })),
      { halving: 3, validationSplit: 0.2 },
    ],
    ['a head that diverges', [{ epochs: 3, learningRate: 1e30 }, { epochs: 3 }], { validationSplit: 0.2 }],
  ])('fitMany: %s', async (_, heads, options) => {
    await expectSameOnRanks((engine) => fittedMany(engine, heads, options), [2, 3]);
  });

  test('partialFit', async () => {
    await expectSameOnRanks(
      async (engine) => {
        const classifier = newClassifier(engine);
        for (let i = 0; i < 3; i++) await classifier.partialFit(inputs, targets, { momentum: 0.5 });
        return bitsOf(classifier.weights, classifier.bias);
      },
      [2],
    );
  });
});

describe('checkpoints', () => {
  test.each<[string, Training.FitOptions]>([
    ['the choice and L-BFGS', {}],
    ['newton-cg', { C: 1000, solver: 'newton-cg', tol: 1e-8 }],
    ['steps', { epochs: 6, batchSize: 32, validationSplit: 0.2 }],
  ])('%s: rank 0 alone is given them, and any number of ranks goes on', async (_, options) => {
    const [wanted] = await onRanks(1, (engine) => fitted(engine, options));
    const bytes: Uint8Array[] = [];
    await onRanks(3, (engine) =>
      fitted(engine, {
        ...options,
        checkpoint: {
          everySteps: 3,
          onCheckpoint: (checkpoint) => {
            expect(engine.rank).toBe(0);
            bytes.push(encodeCheckpoint(checkpoint));
          },
        },
      }),
    );
    expect(bytes.length).toBeGreaterThan(1);
    for (const [index, ranks] of [1, 2, 4].entries()) {
      const at = bytes[Math.floor((index * (bytes.length - 1)) / 2)]!;
      const ends = await onRanks(ranks, (engine) =>
        fitted(engine, { ...options, resumeFrom: decodeCheckpoint(at) }),
      );
      for (const end of ends) expect(end, `${ranks} ranks`).toBe(wanted);
    }
  });

  test('of many heads go on as well, on another number of ranks', async () => {
    const heads = [{ C: 0.1 }, { C: 1 }, { C: 10, solver: 'newton-cg' as const }, { epochs: 5 }];
    const options = { validationSplit: 0.2, path: false };
    const [wanted] = await onRanks(1, (engine) => fittedMany(engine, heads, options));
    const bytes: Uint8Array[] = [];
    const checkpoint = {
      everySteps: 2,
      onCheckpoint: (each: Training.Checkpoint) => void bytes.push(encodeCheckpoint(each)),
    };
    await onRanks(2, (engine) => fittedMany(engine, heads, { ...options, checkpoint }));
    for (const ranks of [3, 1]) {
      const resumeFrom = decodeCheckpoint(bytes[Math.floor(bytes.length / ranks) - 1]!);
      const ends = await onRanks(ranks, (engine) => fittedMany(engine, heads, { ...options, resumeFrom }));
      for (const end of ends) expect(end, `${ranks} ranks`).toBe(wanted);
    }
  });
});

/** Steps, or iterations, enough to be stopped on the way. */
const LONG = [
  ['steps', { epochs: 100_000, batchSize: 16 }],
  ['L-BFGS', { C: 1e6, tol: 1e-15, maxPasses: 1e6 }],
] as const satisfies readonly [string, Training.FitOptions][];

describe('one end for all', () => {
  test.each(LONG)('%s: a rank that is told to stop stops all at the same place', async (_, options) => {
    const reason = new Error('enough');
    const weights: string[] = [];
    let begun = 0;
    const ends = await endsOf(3, async (engine) => {
      const stop = new AbortController();
      const classifier = newClassifier(engine);
      const onProgress = () => {
        if (++begun > 20 && engine.rank === 1) stop.abort(reason);
      };
      const told = 'epochs' in options ? { onStep: onProgress } : { onProgress };
      const fit = classifier.fit(inputs, targets, { ...options, ...told, signal: stop.signal });
      await fit.finally(() => weights.push(bitsOf(classifier.weights, classifier.bias)));
    });
    expect(ends.map((end) => end.status)).toEqual(['rejected', 'rejected', 'rejected']);
    const reasons = ends.map((end) => end.status === 'rejected' && end.reason);
    expect(reasons[1]).toBe(reason);
    for (const other of [reasons[0], reasons[2]]) {
      expect(other).toMatchObject({ code: 'ERR_DISTRIBUTED', message: 'rank 1: enough', rank: 1 });
    }
    expect(new Set(weights).size).toBe(1);
    // Nobody was told of a failure: ranks can go on together.
    await onRanks(3, (engine) => fitted(engine, { C: 1 }));
  });

  test.each(LONG)('%s: what there is by then is kept by rank 0, and goes on', async (_, options) => {
    const few = 'epochs' in options ? { ...options, epochs: 300 } : { ...options, maxPasses: 60 };
    const [wanted] = await onRanks(1, (engine) => fitted(engine, few));
    let kept: Uint8Array | undefined;
    let count = 0;
    const ends = await endsOf(2, (engine) => {
      const stop = new AbortController();
      const onProgress = () => {
        if (++count > 12 && engine.rank === 1) stop.abort();
      };
      return newClassifier(engine).fit(inputs, targets, {
        ...few,
        ...('epochs' in options ? { onEpochEnd: onProgress } : { onProgress }),
        signal: stop.signal,
        checkpoint: {
          onCheckpoint(checkpoint, why) {
            expect([engine.rank, why]).toEqual([0, 'stopped']);
            kept = encodeCheckpoint(checkpoint);
          },
        },
      });
    });
    expect(ends.map((end) => end.status)).toEqual(['rejected', 'rejected']);
    const resumeFrom = decodeCheckpoint(kept!);
    for (const text of await onRanks(3, (engine) => fitted(engine, { ...few, resumeFrom }))) {
      expect(text).toBe(wanted);
    }
  });

  test('models of a sweep that is stopped are left together', async () => {
    const heads = [1, 10, 100].map((C) => ({ C, tol: 1e-15, maxPasses: 1e6 }));
    const ends = await endsOf(2, async (engine) => {
      const controller = new AbortController();
      const stops = { signal: controller.signal, onHeadProgress: () => controller.abort() };
      await fitMany(engine, inputs, targets, heads, { features, classes, ...(engine.rank === 1 && stops) });
    });
    expect(ends.map((end) => end.status)).toEqual(['rejected', 'rejected']);
    expect(await onRanks(2, (engine) => fitted(engine, { C: 1 }))).toHaveLength(2);
  });

  test.each<[string, (rank: number) => Training.FitOptions]>([
    ['full-batch', (rank) => ({ C: 1, onProgress: () => failOn(rank) })],
    ['steps', (rank) => ({ epochs: 50, onEpochEnd: () => failOn(rank) })],
    [
      'a checkpoint',
      (rank) => ({ C: 1, tol: 1e-15, checkpoint: { everySteps: 2, onCheckpoint: () => failOn(rank + 2) } }),
    ],
  ])('%s: a callback that throws on one rank ends all', async (_, optionsOf) => {
    const ends = await endsOf(3, (engine) => fitted(engine, optionsOf(engine.rank)));
    const messages = ends.map((end) => end.status === 'rejected' && (end.reason as Error).message);
    const failed = messages.indexOf('no more');
    expect(failed).toBeGreaterThanOrEqual(0);
    for (const [rank, message] of messages.entries()) {
      expect(message).toBe(rank === failed ? 'no more' : `rank ${failed}: no more`);
    }
  });

  const failOn = (rank: number) => {
    if (rank === 2) throw new Error('no more');
  };

  test.each([1, 2, 3, 5, 8, 13, 21])(
    'many heads: what one rank throws at report %i ends all, wherever the heads of the others are',
    async (report) => {
      const heads = [0.1, 1, 10, 100].map((C) => ({ C, tol: 1e-9 }));
      let left = report;
      const onHeadProgress = () => {
        if (--left === 0) throw new Error('no more');
      };
      const ends = await endsOf(3, (engine) =>
        fittedMany(engine, heads, { cv: 3, ...(engine.rank === 1 && { onHeadProgress }) }),
      );
      expect(left).toBeLessThanOrEqual(0);
      const messages = ends.map((end) => end.status === 'rejected' && (end.reason as Error).message);
      expect(messages).toEqual(['rank 1: no more', 'no more', 'rank 1: no more']);
      // They are where the others are.
      expect(new Set(await onRanks(3, (engine) => fitted(engine, { C: 1 }))).size).toBe(1);
    },
  );

  test('evaluate: what is wrong with the rows of one rank rejects on all', async () => {
    const evaluate = async (engine: Engine) => {
      const classifier = newClassifier(engine);
      const own = engine.rank === 1 ? targets.with(7, 9) : targets;
      await classifier.evaluate(inputs, own);
    };
    const [other, own] = await endsOf(2, evaluate);
    expect(own).toMatchObject({ reason: { code: 'ERR_TARGET_RANGE', row: 7 } });
    expect(other).toMatchObject({ reason: { code: 'ERR_TARGET_RANGE', rank: 1 } });
  });

  test('a rank that is given something else is named', async () => {
    const otherTargets = targets.slice();
    otherTargets[7] = (targets[7]! + 1) % classes;
    const cases: [RegExp, (engine: Engine) => Promise<unknown>][] = [
      [
        /^fit: batchSize is 64 on rank 1, and 32 on rank 0: all ranks must pass the same/,
        (engine) => fitted(engine, { epochs: 2, batchSize: engine.rank === 1 ? 64 : 32 }),
      ],
      [
        /^fit: targets is \w+ on rank 1, and \w+ on rank 0/,
        (engine) => newClassifier(engine).fit(inputs, engine.rank === 1 ? otherTargets : targets, { C: 1 }),
      ],
      [
        /^fit: weights is .* on rank 1, and .* on rank 0/,
        (engine) => {
          const classifier = newClassifier(engine);
          if (engine.rank === 1) classifier.weights[3] = 1;
          return classifier.fit(inputs, targets, { C: 1, warmStart: true });
        },
      ],
      [
        /^fitMany: cv is 3 on rank 1, and 2 on rank 0/,
        (engine) => fittedMany(engine, [{ C: 1 }], { cv: engine.rank === 1 ? 3 : 2 }),
      ],
    ];
    for (const [message, work] of cases) {
      for (const end of await endsOf(3, work)) {
        const reason: unknown = end.status === 'rejected' && end.reason;
        expect(reason).toMatchObject({
          code: 'ERR_DISTRIBUTED',
          message: expect.stringMatching(message) as string,
        });
      }
    }
  });

  test('a rank that computes something else is found on the way, and named', async () => {
    const ends = await endsOf(3, (engine) => {
      const isOther = engine.rank === 2;
      const gather = (numbers: Uint32Array, into: Float32Array) => {
        for (const [i, row] of numbers.entries()) {
          into.set(inputs.subarray(row * features, (row + 1) * features), i * features);
        }
        if (isOther) into[0]! += 1e-3;
      };
      const source = { rows, features, type: 'float32' as const, gather };
      return newClassifier(engine).fit(source, targets, { epochs: 50, batchSize: 16 });
    });
    const message =
      /^the objective or loss of training: fit is [\d.]+ on rank 2, and [\d.]+ on rank 0: they compute different bits/;
    for (const end of ends) {
      expect(end).toMatchObject({
        reason: { code: 'ERR_DISTRIBUTED', message: expect.stringMatching(message) as string },
      });
    }
  });

  test('wrong options of one rank reject on all', async () => {
    const [own, other] = await endsOf(2, (engine) => fitted(engine, { C: engine.rank === 0 ? -1 : 1 }));
    expect(own).toMatchObject({ reason: { code: 'ERR_OPTION', argument: 'options.C' } });
    expect(other).toMatchObject({ reason: { code: 'ERR_OPTION', rank: 0 } });
  });

  test('a second training at a time is refused, and the first goes on', async () => {
    const [wanted] = await onRanks(1, (engine) => fitted(engine, { C: 1 }));
    const all = await onRanks(2, async (engine) => {
      const first = fitted(engine, { C: 1 });
      await expect(fitted(engine, { C: 2 })).rejects.toThrowError(SoftshardError);
      await expect(fitted(engine, { C: 2 })).rejects.toMatchObject({ code: 'ERR_BUSY' });
      return first;
    });
    expect(all).toEqual([wanted, wanted]);
  });

  test.each<[string, readonly Training.HeadOptions[], Training.FitManyOptions]>([
    ['folds', [0.1, 1, 10, 100].map((C) => ({ C })), { cv: 4 }],
    [
      'steps',
      Array.from({ length: 12 }, (_, i) => ({ epochs: 2, learningRate: 0.01 * i + 0.01 })),
      { cv: 2 },
    ],
  ])(
    'where one rank has memory for fewer heads at a time, the bits are the same: %s',
    async (_, heads, options) => {
      const [many, wide] = [4000, 50];
      const large = Float32Array.from({ length: many * wide }, (_, i) => Math.sin(i * i));
      const labels = Int32Array.from({ length: many }, (_, row) =>
        Math.floor(4.99 * Math.abs(large[row * wide]!)),
      );
      const work = async (distributed: Transport | undefined): Promise<string> => {
        const arenaBytes = distributed?.rank === 1 ? 5 * 2 ** 20 : 2 ** 26;
        await using engine = await Engine.create({
          threads: 1,
          arenaBytes,
          ...(distributed && { distributed }),
        });
        const shape = { features: wide, classes: 5 };
        const before = engine.memoryUsage().usedBytes;
        const result = await fitMany(engine, large, labels, heads, { ...shape, ...options });
        expect(engine.memoryUsage().usedBytes).toBe(before);
        return resultText(result, result.classifier?.weights);
      };
      const wanted = await work(undefined);
      expect(await Promise.all(inProcessTransports(2).map(work))).toEqual([wanted, wanted]);
    },
  );

  test('ranks of different speed end alike', async () => {
    const [wanted] = await onRanks(1, (engine) =>
      fitted(engine, { epochs: 12, batchSize: 16, validationSplit: 0.2 }),
    );
    const texts = await onRanks(3, (engine) =>
      fitted(engine, {
        epochs: 12,
        batchSize: 16,
        validationSplit: 0.2,
        onEpochEnd: async () => {
          await setTimeout(4 * engine.rank);
        },
      }),
    );
    expect(texts).toEqual([wanted, wanted, wanted]);
  });
});
