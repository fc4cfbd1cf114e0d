// Arrays of another realm, as vm contexts, Jest, vitest's vmThreads and notebooks make them: other classes of the same names.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  ClassificationMetrics,
  createNpyWriter,
  Engine,
  hostMemory,
  mergeLosses,
  openNpy,
  partSize,
  readNpyMatrix,
  SoftmaxClassifier,
  scaleFeatures,
  standardScaling,
  writeCsv,
  writeNpy,
} from '#softshard/main/index.js';
import { failure } from '../../failure.js';

const NAMES = [
  'Uint8Array',
  'Uint8ClampedArray',
  'Uint16Array',
  'Uint32Array',
  'Int8Array',
  'Int16Array',
  'Int32Array',
  'BigInt64Array',
  'BigUint64Array',
  'Float32Array',
  'Float64Array',
] as const;

type Classes = Pick<typeof globalThis, (typeof NAMES)[number] | 'Array' | 'Object' | 'SharedArrayBuffer'>;
const theirs: Classes = runInNewContext(`({ ${NAMES.join(', ')}, Array, Object, SharedArrayBuffer })`);

/** What makes the arguments of a call, in this realm or in the other. */
type Realm = Pick<Classes, (typeof NAMES)[number] | 'Array'> & {
  options<Options extends object>(options: Options): Options;
};
/** A new object: the classes of a global object are not enumerable. */
const classesOf = (realm: Classes) =>
  Object.fromEntries([...NAMES, 'Array' as const].map((name) => [name, realm[name]])) as Omit<
    Realm,
    'options'
  >;
const own: Realm = { ...classesOf(globalThis), options: (options) => options };
const other: Realm = {
  ...classesOf(theirs),
  options: (options) => theirs.Object.assign(new theirs.Object(), options),
};

const LOGITS = [0.5, -1, 2, 3, 0.25, -0.5, 1, 1.5, -2, 0, 4, 1];
const SHARES = [0.5, 0.25, 0.25, 0, 1, 0, 0.1, 0.2, 0.7, 1, 0, 0];
const HALVES = [0x3c00, 0xbc00, 0x4000, 0x4200, 0x3400, 0xb800, 0x3c00, 0x3e00, 0xc000, 0, 0x4400, 0x3c00];

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await Engine.create({ threads: 2, arenaBytes: 8 * 1024 * 1024 });
  folder = mkdtempSync(join(tmpdir(), 'softshard-realms-'));
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Every number of a result, whatever holds it. */
function numbersOf(result: unknown): unknown {
  if (ArrayBuffer.isView(result)) return Array.from(result as Float32Array);
  if (Array.isArray(result)) return result.map(numbersOf);
  if (typeof result !== 'object' || result === null) return result;
  return Object.fromEntries(Object.entries(result).map(([name, value]) => [name, numbersOf(value)]));
}

const tensor = (r: Realm) =>
  r.options({ type: 'float32', dims: r.Array.of(4, 3), data: r.Float32Array.from(LOGITS) } as const);
const rows = { columns: 3 } as const;

const OPERATIONS: readonly [string, (r: Realm) => Promise<unknown>][] = [
  ['softmax', (r) => engine.softmax(r.Float32Array.from(LOGITS), r.options(rows))],
  ['softmax of float64', (r) => engine.softmax(r.Float64Array.from(LOGITS), rows)],
  ['softmax of a tensor', (r) => engine.softmax(tensor(r))],
  [
    'softmax of half floats',
    (r) => engine.softmax({ type: 'float16', dims: [4, 3], data: r.Uint16Array.from(HALVES) }),
  ],
  [
    'softmax into an array',
    (r) => engine.softmax(r.Float32Array.from(LOGITS), { ...rows, into: new r.Float32Array(12) }),
  ],
  ['logSoftmax into a tensor', (r) => engine.logSoftmax(tensor(r), { into: tensor(r) })],
  ['logSumExp', (r) => engine.logSumExp(r.Float32Array.from(LOGITS), rows)],
  ...NAMES.slice(0, 9).map((name): [string, (r: Realm) => Promise<unknown>] => [
    `crossEntropy with targets in a ${name}`,
    (r) => {
      const targets = name.startsWith('Big')
        ? r[name as 'BigInt64Array'].of(0n, 1n, 2n, 0n)
        : r[name as 'Int32Array'].of(0, 1, 2, 0);
      return engine.crossEntropy(r.Float32Array.from(LOGITS), targets, rows);
    },
  ]),
  ['crossEntropy with an array', (r) => engine.crossEntropy(tensor(r), r.Array.of(0, 1, 2, 0))],
  [
    'crossEntropy with targets to be ignored',
    (r) => engine.crossEntropy(tensor(r), r.Int32Array.of(0, -1, 2, 0), { ignoreIndex: -1 }),
  ],
  [
    'crossEntropy with all that an option may hold',
    (r) =>
      engine.crossEntropy(tensor(r), r.Uint8Array.of(0, 1, 2, 0), {
        weight: r.Float32Array.of(1, 2, 3),
        sampleWeight: r.Float64Array.of(1, 0.5, 0.25, 2),
        mask: r.Uint8Array.of(1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1),
        statistics: r.Array.of('argMax', 'entropy'),
        labelSmoothing: 0.1,
      }),
  ],
  [
    'crossEntropy with one-hot bigints',
    (r) => engine.crossEntropy(tensor(r), r.BigInt64Array.of(1n, 0n, 0n, 0n, 1n, 0n, 0n, 0n, 1n, 1n, 0n, 0n)),
  ],
  [
    'crossEntropyGradient of soft targets',
    (r) =>
      engine.crossEntropyGradient(tensor(r), r.Float32Array.from(SHARES), { into: new r.Float32Array(12) }),
  ],
  [
    'crossEntropyGradient with an upstream gradient',
    (r) =>
      engine.crossEntropyGradient(tensor(r), r.Int16Array.of(0, 1, 2, 0), {
        reduction: 'none',
        gradOutput: r.Array.of(1, 2, 3, 4),
      }),
  ],
  [
    'linearCrossEntropy',
    (r) =>
      engine.linearCrossEntropy(
        r.Float32Array.from(LOGITS),
        { type: 'float32', dims: [3, 2], data: r.Float32Array.of(1, 2, 3, 4, 5, 6) },
        r.Float32Array.of(0.5, -0.5),
        r.Int32Array.of(0, 1, 1, 0),
        {
          into: {
            gradInputs: { type: 'float32', dims: [4, 3], data: new r.Float32Array(12) },
            gradWeights: { type: 'float32', dims: [3, 2], data: new r.Float32Array(6) },
            gradBias: new r.Float32Array(2),
          },
        },
      ),
  ],
  [
    'linearCrossEntropy of half floats',
    (r) =>
      engine.linearCrossEntropy(
        { type: 'float16', dims: [4, 3], data: r.Uint16Array.from(HALVES) },
        { type: 'bfloat16', dims: [3, 2], data: r.Uint16Array.of(0x3f80, 0, 0, 0x3f80, 0x4000, 0) },
        undefined,
        r.Array.of(0, 1, 1, 0),
      ),
  ],
  [
    'nllLoss',
    (r) => engine.nllLoss(tensor(r), r.Uint32Array.of(0, 1, 2, 0), { weight: r.Array.of(1, 2, 3) }),
  ],
  [
    'nllLossGradient',
    (r) => engine.nllLossGradient(r.Float64Array.from(LOGITS), r.Int32Array.of(0, 1, 2, 0), rows),
  ],
  [
    'crossEntropyOfProbabilitiesGradient',
    (r) =>
      engine.crossEntropyOfProbabilitiesGradient(
        r.Float32Array.from(SHARES),
        r.Float32Array.from(SHARES),
        rows,
      ),
  ],
  [
    'meanSquaredErrorGradient',
    (r) =>
      engine.meanSquaredErrorGradient(tensor(r), r.Float64Array.from(LOGITS), {
        into: new r.Float32Array(12),
      }),
  ],
  [
    'klDivergenceGradient from probabilities',
    (r) =>
      engine.klDivergenceGradient(tensor(r), r.options({ targetProbabilities: r.Float32Array.from(SHARES) })),
  ],
  ['klDivergence from logits', (r) => engine.klDivergence(tensor(r), { targetLogits: tensor(r) })],
  [
    'distillationGradient',
    (r) =>
      engine.distillationGradient(
        tensor(r),
        r.Float32Array.from(LOGITS).reverse(),
        r.Uint8Array.of(0, 1, 2, 0),
      ),
  ],
  [
    'binaryCrossEntropyWithLogitsGradient',
    (r) =>
      engine.binaryCrossEntropyWithLogitsGradient(
        r.Float32Array.from(LOGITS),
        r.Float32Array.from(SHARES),
        rows,
      ),
  ],
  [
    'metrics',
    async (r) => {
      const metrics = engine.metrics({ classes: 3 });
      await metrics.add(r.Float32Array.from(LOGITS), r.BigUint64Array.of(0n, 1n, 2n, 0n));
      await metrics.add(tensor(r), r.Array.of(0, 1, 2, 0));
      return ClassificationMetrics.fromJSON(r.options(metrics.toJSON())).report();
    },
  ],
  [
    'mergeLosses and partSize',
    async (r) => [
      mergeLosses(r.Array.of(r.options({ loss: 1, lossSum: 1, weightSum: 2 }))),
      partSize(r.Array.of(8, 3), 4),
    ],
  ],
  [
    'engine.tensor and hostMemory',
    async (r) => [engine, hostMemory].map((memory) => memory.tensor('int32', r.Array.of(2, 3)).data.length),
  ],
];

const INPUTS = Array.from({ length: 40 }, (_, i) => Math.sin(i));
const CLASSES = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0];

async function trained(r: Realm, bytes: boolean) {
  const inputs = bytes
    ? r.Uint8Array.from(INPUTS, (x) => 100 + 100 * x)
    : { type: 'float32' as const, dims: r.Array.of(10, 4), data: r.Float32Array.from(INPUTS) };
  const classifier = new SoftmaxClassifier(engine, {
    features: 4,
    classes: 3,
    classNames: r.Array.of('a', 'b', 'c'),
    featureScaling: { shift: r.Float64Array.of(1, 2, 3, 4), scale: r.Array.of(0.1, 0.2, 0.1, 0.2) },
  });
  classifier.weights.set(r.Float32Array.from({ length: 12 }, (_, i) => i / 100));
  await classifier.fit(inputs, r.Int32Array.from(CLASSES), {
    epochs: 2,
    batchSize: 4,
    weight: r.Array.of(1, 2, 3),
    sampleWeight: r.Float32Array.from(CLASSES, (c) => c + 1),
    validation: { inputs, targets: r.BigInt64Array.from(CLASSES, BigInt) },
  });
  await classifier.fit(
    inputs,
    r.Float32Array.from({ length: 30 }, () => 1 / 3),
    { epochs: 1, batchSize: 4 },
  );
  return { classifier, inputs };
}

const WORK: readonly [string, (r: Realm) => Promise<unknown>][] = [
  ...[false, true].map((bytes): [string, (r: Realm) => Promise<unknown>] => [
    `a classifier of ${bytes ? 'bytes' : 'float32'}`,
    async (r) => {
      const { classifier, inputs } = await trained(r, bytes);
      const path = join(folder, 'm.safetensors');
      await classifier.save(path, { trainingOptions: r.options({ seeds: r.Array.of(1, 2) }) });
      const { dims, data } = await classifier.predictProbabilities(inputs, { into: new r.Float32Array(30) });
      return [
        readFileSync(path).toString('latin1'),
        await classifier.predict(inputs),
        await classifier.evaluate(inputs, r.Uint8Array.from(CLASSES), {
          mask: new r.Uint8Array(30).fill(1),
          weight: r.Float64Array.of(1, 2, 3),
        }),
        dims,
        data,
      ];
    },
  ]),
  [
    'scaling',
    async (r) => {
      const inputs = {
        type: 'float32',
        dims: r.Array.of(10, 4),
        data: r.Float32Array.from(INPUTS),
      } as const;
      const bytes = {
        type: 'uint8',
        dims: [10, 4],
        data: r.Uint8Array.from(INPUTS, (x) => 9 + 9 * x),
      } as const;
      const scaling = standardScaling(inputs);
      scaleFeatures(inputs, scaling);
      return [inputs.data, scaling, standardScaling(bytes)];
    },
  ],
  ...(['Float32Array', 'Float64Array', 'Int32Array'] as const).map(
    (name): [string, (r: Realm) => Promise<unknown>] => [
      `writeNpy of a ${name}`,
      async (r) => {
        const path = join(folder, 'a.npy');
        await writeNpy(path, r.options({ dims: r.Array.of(2, 2), data: r[name].of(1, 2, 3, 4) }));
        return readFileSync(path).toString('latin1');
      },
    ],
  ),
  [
    'a writer and a reader of parts',
    async (r) => {
      const path = join(folder, 'b.npy');
      const writer = await createNpyWriter(path, { dims: r.Array.of(2, 2), type: 'float64' });
      await writer.append(r.Float64Array.of(1, 2));
      await writer.append(r.Float64Array.of(3, 4));
      await writer.commit();
      const file = await openNpy(path);
      const into = new r.Float64Array(2);
      try {
        return [await file.readElements(1, 3, into), into];
      } finally {
        await file.close();
      }
    },
  ],
  [
    'writeCsv',
    async (r) => {
      const path = join(folder, 'c.csv');
      await writeCsv(path, r.Array.of(r.Array.of<string | number>('a', 1)));
      return readFileSync(path, 'utf8');
    },
  ],
];

describe('arrays of another realm', () => {
  test.each([...OPERATIONS, ...WORK])('give the results of own ones: %s (F7)', async (_, call) => {
    const wanted = numbersOf(await call(own));
    expect(numbersOf(await call(other))).toEqual(wanted);
  });

  test('may lie on shared memory of that realm (F7)', async () => {
    const shared = new theirs.Float32Array(new theirs.SharedArrayBuffer(48));
    shared.set(LOGITS);
    const wanted = await engine.softmax(Float32Array.from(LOGITS), rows);
    const { data } = await engine.softmax(shared, rows);
    expect([...data]).toEqual([...wanted.data]);
  });

  test('give results of the own realm (F7)', async () => {
    const { data, dims } = await engine.softmax(tensor(other));
    expect(data).toBeInstanceOf(Float32Array);
    expect(dims).toBeInstanceOf(Array);
    expect(engine.tensor('float32', theirs.Array.of(2, 3)).dims).toBeInstanceOf(Array);
    expect(hostMemory.tensor('float32', theirs.Array.of(2, 3)).dims).toBeInstanceOf(Array);
  });

  test('are refused where own ones are, by their class (F7)', async () => {
    const error = await failure(() => engine.softmax(theirs.Int32Array.of(1, 2) as never, { columns: 2 }));
    expect(error).toMatchObject({ code: 'ERR_TYPE' });
    expect(error.message).toMatch(/logits is .*Int32Array.*pass/);
  });

  test.each([
    ['a Buffer', Buffer.from([0, 1, 2, 0])],
    ['a subclass', new (class Labels extends Uint8Array {})([0, 1, 2, 0])],
  ])('do not stand in the way of %s (F7)', async (_, targets) => {
    const wanted = await engine.crossEntropy(tensor(own), [0, 1, 2, 0]);
    expect(await engine.crossEntropy(tensor(own), targets)).toEqual(wanted);
  });

  test('of half floats are taken as their bits where Node has them (F7)', async () => {
    const Float16s: (new (buffer: ArrayBuffer) => Uint16Array) | undefined = runInNewContext(
      "typeof Float16Array === 'undefined' ? undefined : Float16Array",
    );
    if (Float16s === undefined) return;
    const bits = Uint16Array.from(HALVES);
    const halves = { type: 'float16', dims: [4, 3] } as const;
    const wanted = await engine.softmax({ ...halves, data: bits });
    expect(await engine.softmax({ ...halves, data: new Float16s(bits.buffer) })).toEqual(wanted);
  });

  test('cannot be feigned (F7)', async () => {
    const feigned = { [Symbol.toStringTag]: 'Float32Array', length: 4, byteOffset: 0 };
    Object.setPrototypeOf(feigned, Float32Array.prototype);
    const error = await failure(() => engine.softmax(feigned as never, { columns: 2 }));
    expect(error).toMatchObject({ code: 'ERR_TYPE' });
  });
});

describe('what another realm throws', () => {
  test('by zlib is a damaged file: ERR_FORMAT (F7)', async () => {
    const path = join(folder, 'damaged.npy.gz');
    await writeNpy(join(folder, 'whole.npy'), {
      dims: [4000, 3],
      data: new Float32Array(12000).map(Math.random),
    });
    const bytes = gzipSync(readFileSync(join(folder, 'whole.npy')));
    writeFileSync(path, bytes.fill(0x55, 5000, 5200));
    // As in Jest: the global Error is not the one of Node's own modules.
    vi.stubGlobal('Error', runInNewContext('Error'));
    try {
      const error = await failure(() => readNpyMatrix(hostMemory, path));
      expect(error).toMatchObject({ name: 'SoftshardError', code: 'ERR_FORMAT' });
      expect(error.message).toMatch(/gzip/);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test('in a callback is handed on as it is (F7)', async () => {
    const thrown: unknown = runInNewContext('new RangeError("theirs")');
    const classifier = new SoftmaxClassifier(engine, { features: 4, classes: 3 });
    const onEpochEnd = () => {
      throw thrown;
    };
    await expect(classifier.fit(Float32Array.from(INPUTS), CLASSES, { epochs: 1, onEpochEnd })).rejects.toBe(
      thrown,
    );
  });
});
