// Engines with a BLAS: which one they use, and that its products are right and have the same bits for any threads. The
// training and linear tests run with SOFTSHARD_BLAS=1 compare their values with the formulas.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { defaultBlas, Engine, type EngineOptions, SoftmaxClassifier } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';
import { blasSearch, hasKoffi } from '../../optional.js';
import { softshardProcess } from '../cli/workbench.js';

const library = 'library' in blasSearch ? blasSearch.library : null;
const title = 'library' in blasSearch ? blasSearch.library.name : `skipped: ${blasSearch.missing}`;

async function withEngine<Result>(
  options: EngineOptions,
  work: (engine: Engine) => Result | Promise<Result>,
): Promise<Result> {
  const engine = await Engine.create(options);
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('choosing', () => {
  test.skipIf(!hasKoffi)(
    'a library that is not there: a warning with a code names it, and the engine works without',
    async () => {
      const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
      await withEngine({ threads: 1, blas: '/nowhere/libblas.so' }, async (engine) => {
        expect(engine.blas).toBeUndefined();
        expect(emitWarning).toHaveBeenCalledExactlyOnceWith(
          expect.stringMatching(/'\/nowhere\/libblas.so' cannot be had.*Failed to load/),
          expect.objectContaining({ code: 'WARN_BLAS' }),
        );
        const classifier = new SoftmaxClassifier(engine, { features: 3, classes: 100 });
        await classifier.fit(randomValues(60, 1, 1), randomTargets(20, 100, 2), { epochs: 1 });
      });
    },
  );

  test.each<[string | undefined, boolean | string]>([
    [undefined, false],
    ['', false],
    ['0', false],
    ['false', false],
    ['1', true],
    ['true', true],
    ['/nowhere/libblas.so', '/nowhere/libblas.so'],
  ])('SOFTSHARD_BLAS=%s is blas: %j by default', (value, asked) => {
    vi.stubEnv('SOFTSHARD_BLAS', value);
    expect(defaultBlas()).toBe(asked);
  });

  test('SOFTSHARD_BLAS stands in for the option, which comes first', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    vi.stubEnv('SOFTSHARD_BLAS', '/nowhere/libblas.so');
    await withEngine({ threads: 1, blas: false }, (engine) => expect(engine.blas).toBeUndefined());
    expect(emitWarning).not.toHaveBeenCalled();
    await withEngine({ threads: 1 }, (engine) => expect(engine.blas).toBeUndefined());
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(
      expect.stringContaining('SOFTSHARD_BLAS=/nowhere/libblas.so cannot be had'),
      expect.anything(),
    );
    vi.stubEnv('SOFTSHARD_BLAS', '0');
    await withEngine({ threads: 1 }, (engine) => expect(engine.blas).toBeUndefined());
    expect(emitWarning).toHaveBeenCalledTimes(1);
  });

  test.each([1, '', null])('options.blas %j is ERR_OPTION', async (blas) => {
    const error = await failure(() => Engine.create({ blas: blas as never }));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.blas' });
  });

  test.skipIf(!hasKoffi)('softshard info tells which BLAS there is, or why there is none', async () => {
    const { stdout } = await softshardProcess(['info', '--json', '--blas', '/nowhere/libblas.so']);
    const { blas, blasMissing } = JSON.parse(stdout);
    expect(blas).toBeNull();
    expect(blasMissing).toContain('/nowhere/libblas.so: Failed to load');
    const usual = JSON.parse((await softshardProcess(['info', '--json'])).stdout);
    expect(usual.blas).toEqual(library);
    expect((await softshardProcess(['info'])).stdout).toMatch(/^BLAS +(none: )?\S+/m);
  });

  test.skipIf(!hasKoffi)(
    'softshard info looks for the one that SOFTSHARD_BLAS names, unless --blas names another',
    async () => {
      const infoOf = async (SOFTSHARD_BLAS: string, ...more: string[]) =>
        JSON.parse((await softshardProcess(['info', '--json', ...more], { env: { SOFTSHARD_BLAS } })).stdout);
      const { blas, blasMissing, defaultBlas } = await infoOf('/nowhere/libblas.so');
      expect({ blas, defaultBlas }).toEqual({ blas: null, defaultBlas: '/nowhere/libblas.so' });
      expect(blasMissing).toContain('/nowhere/libblas.so: Failed to load');
      const other = await infoOf('/nowhere/libblas.so', '--blas', '/elsewhere/libblas.so');
      expect(other.blasMissing).toContain('/elsewhere/libblas.so: Failed to load');
      for (const [value, asked] of [
        ['1', true],
        ['0', false],
      ] as const) {
        expect(await infoOf(value)).toMatchObject({ blas: library, defaultBlas: asked });
      }
    },
  );

  test('commands warn of --blas by its own name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'softshard-blas-'));
    const data = join(folder, 'data.csv');
    writeFileSync(data, '1,a\n2,b\n');
    const model = join(folder, 'model');
    const train = [
      'train',
      '--data',
      data,
      '--label-column',
      '1',
      '--epochs',
      '1',
      '--output',
      model,
      '--quiet',
    ];
    const { code, stderr } = await softshardProcess([...train, '--blas', '/nowhere/libblas.so']);
    rmSync(folder, { recursive: true });
    expect(stderr).toMatch(/\[WARN_BLAS\] SoftshardWarning: --blas '\/nowhere\/libblas\.so' cannot be had/);
    expect(code).toBe(0);
  });
});

describe.skipIf(library === null)(`an engine with ${title}`, () => {
  /** 1100 rows of 70 features in 130 classes: shards, chunks and tiles with a rest of each. */
  const [rows, features, classes] = [1100, 70, 130];
  const inputs = randomValues(rows * features, 1, 3);
  const bytes = Uint8Array.from(inputs, (value) => Math.abs(value * 200) % 256);
  const targets = randomTargets(rows, classes, 4);
  const weights = {
    type: 'float32',
    dims: [features, classes],
    data: randomValues(features * classes, 1, 5),
  } as const;
  const bias = randomValues(classes, 1, 6);

  const ignored = targets.map((target, row) => (row % 7 === 3 ? -100 : target));
  /** Ignored rows must not be looked at: 0 · NaN would be seen in every weight. */
  const withNaN = inputs.map((value, i) => (ignored[Math.floor(i / features)] === -100 ? Number.NaN : value));
  const lossOptions = { labelSmoothing: 0.1, zLoss: 1e-3, softcap: 20 };
  const softTargets = {
    type: 'float32',
    dims: [rows, classes],
    data: randomValues(rows * classes, 1, 7).map((value) => Math.abs(value) / classes),
  } as const;
  const mask = {
    type: 'uint8',
    dims: [rows, classes],
    data: Uint8Array.from(softTargets.data, (_, i) => (i % 11 === 5 ? 0 : 1)),
  } as const;

  async function everything(engine: Engine): Promise<Record<string, readonly Float32Array[]>> {
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const options = { epochs: 2, batchSize: 500, momentum: 0.9, weightDecay: 0.01, validationSplit: 0.2 };
    const { epochs } = await classifier.fit(inputs, targets, options);
    const trained = [classifier.weights.slice(), classifier.bias.slice()];
    const losses = epochs.flatMap(({ loss, validationLoss }) => [loss, validationLoss!]);
    const probabilities = (await classifier.predictProbabilities(inputs)).data;
    const { loss, topKAccuracy } = await classifier.evaluate(inputs, targets);
    const featureScaling = { shift: 0, scale: 1 / 255 };
    const ofBytes = new SoftmaxClassifier(engine, { features, classes, featureScaling });
    await ofBytes.fit(bytes, targets, options);
    const weighted = new SoftmaxClassifier(engine, { features, classes });
    await weighted.fit(withNaN, ignored, { ...options, ...lossOptions });
    const evaluation = await weighted.evaluate(inputs, ignored, lossOptions);
    const layer = await engine.linearCrossEntropy(inputs, weights, bias, targets);
    const general = await engine.linearCrossEntropy(inputs, weights, undefined, targets, {
      labelSmoothing: 0.1,
      zLoss: 1e-3,
    });
    const ignoring = await engine.linearCrossEntropy(withNaN, weights, bias, ignored);
    const soft = await engine.linearCrossEntropy(inputs, weights, bias, softTargets, {
      mask,
      statistics: ['logSumExp', 'entropy'],
    });
    return {
      trained,
      losses: [Float32Array.from(losses)],
      probabilities: [probabilities],
      evaluated: [Float32Array.of(loss, topKAccuracy)],
      trainedWithOptions: [weighted.weights, weighted.bias],
      evaluatedWithOptions: [Float32Array.of(evaluation.loss)],
      ignoring: [ignoring.gradInputs!.data, ignoring.gradWeights!.data, ignoring.gradBias!.data],
      soft: [soft.gradInputs!.data, soft.gradWeights!.data, soft.gradBias!.data],
      statistics: [
        Float32Array.from(soft.statistics!.logSumExp!),
        Float32Array.from(soft.statistics!.entropy!),
      ],
      trainedOnBytes: [ofBytes.weights, ofBytes.bias],
      layer: [layer.gradInputs!.data, layer.gradWeights!.data, layer.gradBias!.data],
      general: [general.gradInputs!.data, general.gradWeights!.data],
    };
  }
  const bitsOfAll = (results: Record<string, readonly Float32Array[]>) =>
    Object.entries(results).map(([name, arrays]) => `${name} ${bitsOf(...arrays)}`);

  test('has the same bits for 1, 2, 3 and 8 threads', async () => {
    const wanted = bitsOfAll(await withEngine({ threads: 1, blas: true }, everything));
    for (const threads of [2, 3, 8]) {
      const got = bitsOfAll(await withEngine({ threads, blas: true }, everything));
      expect(got, `${threads} threads`).toEqual(wanted);
    }
  });

  test('trains on rows that do not fit into the arena with the bits of a large arena', async () => {
    const shape = { rows: 20_000, features: 200, classes: 100 };
    const values = randomValues(shape.rows * shape.features, 1, 8);
    const wide = randomTargets(shape.rows, shape.classes, 9);
    const ignoring = wide.map((target, row) => (row % 7 === 3 ? -100 : target));
    const train = async (engine: Engine) => {
      const digests: string[] = [];
      for (const [rows, labels] of [
        [values, wide],
        [Uint8Array.from(values, (value) => Math.abs(value * 200)), ignoring],
      ] as const) {
        const classifier = new SoftmaxClassifier(engine, {
          features: shape.features,
          classes: shape.classes,
        });
        const options = { epochs: 1, batchSize: 400, learningRate: 1e-3, validationSplit: 0.1 };
        const { epochs } = await classifier.fit(rows, labels, options);
        digests.push(bitsOf(classifier.weights, epochs[0]!.loss, epochs[0]!.validationLoss!));
      }
      return digests;
    };
    const wanted = await withEngine({ threads: 2, blas: true }, train);
    const arenaBytes = 3.75 * 1024 * 1024;
    for (const threads of [1, 3]) {
      expect(await withEngine({ threads, blas: true, arenaBytes }, train)).toEqual(wanted);
    }
  });

  test('is in use: the bits differ from those of the kernels, the values by less than 1e-5', async () => {
    const [ours, theirs] = [
      await withEngine({ threads: 2, blas: false }, everything),
      await withEngine({ threads: 2, blas: true }, everything),
    ];
    for (const [name, arrays] of Object.entries(ours)) {
      for (const [index, values] of arrays.entries()) {
        const others = theirs[name]![index]!;
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (let i = 0; i < values.length; i++) {
          if (Math.abs(values[i]! - others[i]!) <= 1e-5 * largest) continue;
          expect.fail(`${name}[${index}][${i}]: kernels ${values[i]}, BLAS ${others[i]}`);
        }
      }
      if (/^(losses|evaluated|evaluatedWithOptions)$/.test(name)) continue;
      expect(bitsOf(...theirs[name]!), name).not.toBe(bitsOf(...arrays));
    }
  });

  test('may be closed at any time, also before a worker has loaded the BLAS or while it does', async () => {
    for (let delayMs = 0; delayMs < 12; delayMs++) {
      await withEngine({ threads: 3, blas: true }, async (engine) => {
        const few = new SoftmaxClassifier(engine, { features, classes });
        await few.predictProbabilities(inputs.subarray(0, features));
        const running = few.fit(inputs, targets, { epochs: 1000 }).catch((error) => error);
        await setTimeout(8 * delayMs);
        await engine.close();
        expect(await running).toMatchObject({ code: 'ERR_CLOSED' });
      });
    }
  });

  test('takes few classes to the kernels: the same bits', async () => {
    const few = { features, classes: 12 };
    const train = async (engine: Engine) => {
      const classifier = new SoftmaxClassifier(engine, few);
      await classifier.fit(
        inputs,
        targets.map((target) => target % 12),
        { epochs: 1 },
      );
      return bitsOf(classifier.weights);
    };
    const kernels = await withEngine({ threads: 2, blas: false }, train);
    expect(await withEngine({ threads: 2, blas: true }, train)).toBe(kernels);
  });
});
