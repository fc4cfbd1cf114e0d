// Rows that are fetched on demand, from a file or by a formula: the bits of an array of the same rows.
import { closeSync, openSync, readSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { RowsInArena } from '#softshard/main/training/rows/rows-in-arena.js';
import { bitsOf } from '../../../bits.js';
import { failure } from '../../../failure.js';
import { clusters, type Problem } from '../workbench.js';

const MIB = 1024 * 1024;

/** Rows of float32 in a file. */
function rowsOfFile(file: number, { rows, features }: Problem): Training.FeatureSource<'float32'> {
  const rowBytes = features * 4;
  return {
    rows,
    features,
    type: 'float32',
    async gather(rowNumbers, into) {
      const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      for (const [i, row] of rowNumbers.entries()) {
        readSync(file, bytes, i * rowBytes, rowBytes, row * rowBytes);
      }
      await new Promise(setImmediate);
    },
  };
}

const byteAt = (row: number, feature: number): number =>
  (row * 31 + feature * 17 + ((row * feature) % 7)) % 251;

/** Bytes that no memory holds, from a class whose gather is not async. */
class RowsByFormula implements Training.FeatureSource<'uint8'> {
  readonly type = 'uint8';
  readonly rows: number;
  readonly features: number;

  constructor({ rows, features }: Problem) {
    this.rows = rows;
    this.features = features;
  }

  gather(rowNumbers: Uint32Array, into: Uint8Array): void {
    const { features } = this;
    for (const [i, row] of rowNumbers.entries()) {
      for (let feature = 0; feature < features; feature++)
        into[i * features + feature] = byteAt(row, feature);
    }
  }
}

const bytesOf = ({ rows, features }: Problem): Uint8Array =>
  Uint8Array.from({ length: rows * features }, (_, i) => byteAt(Math.floor(i / features), i % features));

/** A fetch that is settled by hand. */
class Fetch {
  readonly begun: Promise<void>;
  #begin = () => {};
  #into: Float32Array = new Float32Array();
  #resolve = () => {};
  #reject: (error: Error) => void = () => {};

  constructor() {
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  begin(into: Float32Array): Promise<void> {
    this.#into = into;
    this.#begin();
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  write(): void {
    this.#into.fill(Number.NaN);
    this.#resolve();
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}

interface Case {
  readonly problem: Problem;
  readonly isFile: boolean;
  readonly options: Training.FitOptions;
  readonly featureScaling?: Training.FeatureScaling;
  /** For one thread; less than the rows take. */
  readonly arenaBytes: number;
}

const DESCENT = { epochs: 2, learningRate: 0.05, momentum: 0.9, seed: 3, validationSplit: 0.1 };
/** 7.6 MB of float32. */
const byPartials = clusters(6_001, 317, 11, 5);
/** 9.9 MB of float32. */
const byTiles = clusters(4_001, 611, 499, 6);
const ofBytes: Training.FeatureScaling = { shift: 128, scale: 1 / 64 };

const CASES: Record<string, Case> = {
  'a file, by partials': {
    problem: byPartials,
    isFile: true,
    options: { ...DESCENT, batchSize: 500 },
    arenaBytes: 5 * MIB,
  },
  'a formula, by partials': {
    problem: clusters(24_001, 317, 11, 5),
    isFile: false,
    options: { ...DESCENT, batchSize: 500 },
    featureScaling: ofBytes,
    arenaBytes: 5 * MIB,
  },
  'a file, by tiles': {
    problem: byTiles,
    isFile: true,
    options: { ...DESCENT, epochs: 1, batchSize: 300 },
    arenaBytes: 9 * MIB,
  },
  'a formula, by tiles': {
    problem: byTiles,
    isFile: false,
    options: { ...DESCENT, epochs: 1, batchSize: 300 },
    featureScaling: ofBytes,
    arenaBytes: 9 * MIB,
  },
};

const isPartials = ({ problem }: Case): boolean => problem.classes === 11;

/** The bits of all that training, evaluation and prediction give. */
async function results(engine: Engine, inputs: Training.FeatureRows, chosen: Case): Promise<string> {
  const { problem, options, featureScaling } = chosen;
  const { features, classes, targets } = problem;
  const classifier = new SoftmaxClassifier(engine, { features, classes, featureScaling });
  const validated = await classifier.fit(inputs, targets, options);
  const { validationSplit: _, ...unsplit } = options;
  const apart = isPartials(chosen)
    ? await classifier.fit(inputs, targets, { ...unsplit, epochs: 1, validation: { inputs, targets } })
    : undefined;
  const reports = [...validated.epochs, ...(apart?.epochs ?? [])].flatMap(
    ({ loss, validationLoss = 0, validationAccuracy = 0 }) => [loss, validationLoss, validationAccuracy],
  );
  const { loss, accuracy } = await classifier.evaluate(inputs, targets, { labelSmoothing: 0.1 });
  return bitsOf(
    classifier.weights,
    classifier.bias,
    Float64Array.from([...reports, loss, accuracy]),
    await classifier.predict(inputs),
    (await classifier.predictProbabilities(inputs)).data,
  );
}

describe('rows that are fetched', () => {
  let folder: string;
  const files = new Map<Problem, number>();
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'softshard-rows-'));
    for (const [index, problem] of [byPartials, byTiles].entries()) {
      const path = join(folder, `${index}.bin`);
      await writeFile(path, problem.inputs);
      files.set(problem, openSync(path, 'r'));
    }
  });
  afterAll(async () => {
    for (const file of files.values()) closeSync(file);
    await rm(folder, { recursive: true });
  });

  test.each([
    ['data-parallel', byPartials, 500],
    ['parameter-sharded', byTiles, 300],
  ] as const)('%s training is how the problems are trained', (by, problem, batchSize) => {
    expect(planTraining({ ...problem, batchSize }).by).toBe(by);
  });

  test.each(Object.keys(CASES))(
    'from %s: for 1, 2, 3 and 8 threads the bits of an array, in a large arena and in a small one',
    async (name) => {
      const chosen = CASES[name]!;
      const { problem, isFile, arenaBytes } = chosen;
      const array = isFile ? problem.inputs : bytesOf(problem);
      const source = isFile ? rowsOfFile(files.get(problem)!, problem) : new RowsByFormula(problem);
      await using large = await Engine.create({ threads: 2, blas: false });
      const wanted = await results(large, array, chosen);
      expect(await results(large, source, chosen)).toBe(wanted);
      for (const threads of [1, 2, 3, 8]) {
        // Beside scratch memory of the workers.
        await using small = await Engine.create({
          threads,
          arenaBytes: arenaBytes + (threads - 1) * (isPartials(chosen) ? 0.25 : 0.5) * MIB,
          blas: false,
        });
        const { usedBytes } = small.memoryUsage();
        const place = vi.spyOn(RowsInArena, 'place');
        expect(await results(small, source, chosen), `${threads} threads`).toBe(wanted);
        expect(place).toHaveReturnedWith(undefined);
        place.mockRestore();
        expect(small.memoryUsage().usedBytes).toBe(usedBytes);
      }
    },
  );
});

describe('a source of rows', () => {
  const problem = clusters(200, 5, 3, 9);
  const { rows, features, classes, targets } = problem;
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2 });
  });
  afterAll(() => engine.close());

  const sourceOf = (
    change: Partial<Training.FeatureSource<'float32'>> = {},
  ): Training.FeatureSource<'float32'> => ({
    rows,
    features,
    type: 'float32',
    async gather(rowNumbers, into) {
      for (const [i, row] of rowNumbers.entries()) {
        into.set(problem.inputs.subarray(row * features, (row + 1) * features), i * features);
      }
    },
    ...change,
  });
  const newClassifier = (of = engine) => new SoftmaxClassifier(of, { features, classes });

  type Call = (source: Training.FeatureSource, signal?: AbortSignal) => Promise<unknown>;
  const CALLS = ['fit', 'evaluate', 'predict', 'predictProbabilities'] as const;
  const callsOf = (classifier: SoftmaxClassifier): Record<(typeof CALLS)[number], Call> => ({
    fit: (source, signal) => classifier.fit(source, targets, { signal }),
    evaluate: (source, signal) => classifier.evaluate(source, targets, { signal }),
    predict: (source, signal) => classifier.predict(source, { signal }),
    predictProbabilities: (source, signal) => classifier.predictProbabilities(source, { signal }),
  });

  /** A source that lets the first `fetches` go by; the next one pends until it is settled by hand. */
  function pendingSource(fetches = 0) {
    const pending = new Fetch();
    let count = 0;
    const source = sourceOf({
      gather(rowNumbers, into) {
        if (count++ < fetches) return sourceOf().gather(rowNumbers, into);
        return pending.begin(into);
      },
    });
    return { source, pending };
  }

  test.each([
    ['rows that are no count', { rows: 1.5 }, 'ERR_OPTION', /inputs\.rows is 1\.5/],
    ['other features', { features: 6 }, 'ERR_SHAPE', /inputs\.features is 6, the classifier has 5/],
    [
      'a type that inputs cannot have',
      { type: 'int32' as 'float32' },
      'ERR_TYPE',
      /inputs\.type is 'int32': it must be one of 'float32', 'uint8'/,
    ],
    [
      'no features',
      { features: undefined as never },
      'ERR_SHAPE',
      /inputs\.features is undefined, the class/,
    ],
    ['no type', { type: undefined as never }, 'ERR_TYPE', /inputs\.type is undefined: it must be one of/],
    ['no function', { gather: 7 as never }, 'ERR_OPTION', /inputs\.gather is 7/],
    [
      'an undefined gather',
      { gather: undefined as never },
      'ERR_OPTION',
      /inputs\.gather is undefined: it must be a function \(rowNumbers, into\)/,
    ],
  ])('is refused: %s', async (_, change, code, message) => {
    const error = await failure(() => newClassifier().predict(sourceOf(change)));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('without gather is refused: the error says what it must be, of validation too', async () => {
    const { gather: _, ...without } = sourceOf();
    const inputs = without as Training.FeatureSource;
    const error = await failure(() => newClassifier().fit(inputs, targets));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'inputs.gather' });
    const validation = { inputs, targets };
    const ofValidation = await failure(() => newClassifier().fit(sourceOf(), targets, { validation }));
    expect(ofValidation.argument).toBe('options.validation.inputs.gather');
  });

  test('that fails: each call rejects with its error and gives its memory back', async () => {
    const thrown = new Error('the disk is gone');
    const { usedBytes } = engine.memoryUsage();
    const classifier = newClassifier();
    const rejecting = () => Promise.reject(thrown);
    const throwing = () => {
      throw thrown;
    };
    for (const gather of [rejecting, throwing]) {
      for (const call of Object.values(callsOf(classifier))) {
        expect(await failure(() => call(sourceOf({ gather })))).toBe(thrown);
        expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
      }
    }
    expect((await classifier.fit(sourceOf(), targets, { solver: 'sgd' })).steps).toBeGreaterThan(0);
  });

  test('with a feature that is not finite: ERR_NOT_FINITE names row and feature', async () => {
    const source = sourceOf({
      async gather(rowNumbers, into) {
        await sourceOf().gather(rowNumbers, into);
        const i = rowNumbers.indexOf(150);
        if (i >= 0) into[i * features + 2] = Number.NaN;
      },
    });
    const classifier = newClassifier();
    const expected = { code: 'ERR_NOT_FINITE', argument: 'inputs', row: 150, feature: 2 };
    expect(await failure(() => classifier.predict(source))).toMatchObject(expected);
    expect(await failure(() => classifier.predictProbabilities(source))).toMatchObject(expected);
    expect(await failure(() => classifier.evaluate(source, targets))).toMatchObject(expected);
    expect(await failure(() => classifier.fit(source, targets))).toMatchObject(expected);
  });

  test('that is aborted while it fetches: the call rejects with the reason', async () => {
    const classifier = newClassifier();
    for (const call of Object.values(callsOf(classifier))) {
      const controller = new AbortController();
      const { signal } = controller;
      const gathers = [
        async () => controller.abort(),
        () => controller.abort(),
        async () => {
          controller.abort();
          throw new Error('the file was closed by the abort');
        },
      ];
      for (const gather of gathers) {
        expect(await failure(() => call(sourceOf({ gather }), signal))).toBe(signal.reason);
      }
    }
  });

  describe.each(CALLS)('that never arrives: %s', (name) => {
    test.each([
      ['writes', (pending: Fetch) => pending.write()],
      ['fails', (pending: Fetch) => pending.fail(new Error('too late'))],
    ])(
      'rejects at once when aborted, gives its memory back, and what %s late does no harm',
      async (_, settle) => {
        const { usedBytes } = engine.memoryUsage();
        const classifier = newClassifier();
        const { source, pending } = pendingSource();
        const controller = new AbortController();
        const call = callsOf(classifier)[name](source, controller.signal);
        await pending.begun;
        const begin = performance.now();
        controller.abort(new Error('enough'));
        expect(await failure(() => call)).toBe(controller.signal.reason);
        expect(performance.now() - begin).toBeLessThan(1000);
        expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
        const again = callsOf(classifier)[name](sourceOf());
        settle(pending);
        await again;
        await classifier.fit(sourceOf(), targets);
        expect(classifier.weights.every(Number.isFinite)).toBe(true);
      },
    );

    test('rejects with ERR_CLOSED when the engine is closed', async () => {
      const closing = await Engine.create({ threads: 2 });
      const { source, pending } = pendingSource();
      const call = callsOf(newClassifier(closing))[name](source);
      const error = failure(() => call);
      await pending.begun;
      await closing.close();
      expect((await error).code).toBe('ERR_CLOSED');
      pending.write();
    });
  });

  test('that never arrives for validation, or to find what is not finite: rejects when aborted', async () => {
    const classifier = newClassifier();
    const { source: inputs, pending } = pendingSource();
    const controller = new AbortController();
    const { signal } = controller;
    const validation = { inputs, targets };
    const fit = failure(() => classifier.fit(sourceOf(), targets, { validation, signal }));
    await pending.begun;
    // Others are fetched of the same kind: the rows of a window once, then those with a NaN anew.
    const spoilt = pendingSource(1);
    const original = spoilt.source.gather;
    const nan = sourceOf({
      async gather(rowNumbers, into) {
        await original(rowNumbers, into);
        into[0] = Number.NaN;
      },
    });
    const predict = failure(() => classifier.predict(nan, { signal }));
    await spoilt.pending.begun;
    controller.abort();
    expect(await fit).toBe(signal.reason);
    expect(await predict).toBe(signal.reason);
  });

  test('that never arrives in the middle of an epoch: fit keeps the steps it took when aborted', async () => {
    const { rows, features, classes, targets, inputs } = byPartials;
    await using small = await Engine.create({ threads: 1, arenaBytes: 5 * MIB, blas: false });
    const classifier = new SoftmaxClassifier(small, { features, classes });
    const pending = new Fetch();
    let fetched = 0;
    const source: Training.FeatureSource<'float32'> = {
      rows,
      features,
      type: 'float32',
      async gather(rowNumbers, into) {
        fetched += rowNumbers.length;
        if (fetched > rows / 2) await pending.begin(into);
        for (const [i, row] of rowNumbers.entries()) {
          into.set(inputs.subarray(row * features, (row + 1) * features), i * features);
        }
      },
    };
    const controller = new AbortController();
    const { signal } = controller;
    const fit = failure(() => classifier.fit(source, targets, { batchSize: 500, signal }));
    await pending.begun;
    controller.abort();
    expect(await fit).toBe(signal.reason);
    expect(classifier.weights.some((weight) => weight !== 0)).toBe(true);
  });

  test('that writes only some of its rows: the others are 0', async () => {
    const classifier = newClassifier();
    await classifier.fit(sourceOf(), targets, { epochs: 1 });
    const some = sourceOf({ gather: (_rowNumbers, into) => void into.fill(1, 0, features) });
    const array = new Float32Array(rows * features).fill(1, 0, features);
    expect(await classifier.predict(some)).toEqual(await classifier.predict(array));
  });

  test('that writes late, or gives its memory away, spoils nothing of others', async () => {
    const given: Float32Array[] = [];
    const late = sourceOf({
      async gather(rowNumbers, into) {
        await sourceOf().gather(rowNumbers, into);
        given.push(into);
      },
    });
    const classifier = newClassifier();
    const before = bitsOf(await classifier.predict(late));
    for (const into of given) into.fill(Number.NaN);
    expect(bitsOf(await classifier.predict(sourceOf()))).toBe(before);
    const away = sourceOf({
      async gather(_rowNumbers, into) {
        structuredClone(into, { transfer: [into.buffer as ArrayBuffer] });
      },
    });
    const error = await failure(() => classifier.predict(away));
    expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs' });
    expect(error.message).toMatch(/^inputs\.gather transferred the array/);
  });
});
