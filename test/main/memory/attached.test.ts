// Arrays whose memory was transferred, or resized away from under them, are no empty ones.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createNpyWriter,
  Engine,
  SoftmaxClassifier,
  scaleFeatures,
  standardScaling,
  writeNpy,
} from '#softshard/main/index.js';
import { failure } from '../../failure.js';

type ArrayClass = new (buffer: ArrayBuffer, byteOffset?: number, length?: number) => ArrayBufferView;

/** An array of 24 bytes that has none of them any more. */
const LOST: readonly [string, <Class extends ArrayClass>(type: Class) => InstanceType<Class>][] = [
  [
    'transferred',
    (type) => {
      const array = new type(new ArrayBuffer(24));
      structuredClone(array, { transfer: [array.buffer as ArrayBuffer] });
      return array as InstanceType<typeof type>;
    },
  ],
  [
    'resized away',
    (type) => {
      // TypeScript's library for ES2023 does not know these buffers.
      const buffer: ArrayBuffer = Reflect.construct(ArrayBuffer, [48, { maxByteLength: 48 }]);
      const array = new type(buffer, 24);
      Reflect.apply(Reflect.get(buffer, 'resize'), buffer, [16]);
      return array as InstanceType<typeof type>;
    },
  ],
];

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1 });
  folder = await mkdtemp(join(tmpdir(), 'softshard-attached-'));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

describe.each(LOST)('an array that was %s', (_, lost) => {
  const rows = new Float32Array(6);
  const tensor = { type: 'float32', dims: [2, 3], data: rows } as const;
  const none = { type: 'float32', dims: [0, 3] } as const;
  const columns = 3;
  const classifier = () => new SoftmaxClassifier(engine, { features: 3, classes: 2 });
  const calls: readonly [argument: string, () => Promise<unknown>][] = [
    ['logits', () => engine.softmax(lost(Float32Array), { columns })],
    ['logits', () => engine.softmax({ ...none, data: lost(Float32Array) })],
    ['logits', () => engine.logSumExp({ ...none, type: 'float64', data: lost(Float64Array) })],
    ['logits', () => engine.softmax({ ...none, type: 'bfloat16', data: lost(Uint16Array) })],
    ['logits', () => engine.crossEntropy(lost(Float32Array), [], { columns })],
    ['logits', () => engine.metrics({ classes: 3 }).add(lost(Float32Array), [])],
    ['options.into', () => engine.softmax(new Float32Array(0), { columns, into: lost(Float32Array) })],
    ['targets', () => engine.crossEntropy(new Float32Array(0), lost(Int32Array), { columns })],
    ['targets', () => engine.crossEntropy(rows, lost(Float32Array), { columns })],
    ['targets', () => engine.nllLoss(rows, lost(BigInt64Array), { columns })],
    ['targets', () => engine.meanSquaredError(rows, lost(Float64Array), { columns })],
    ['options.mask', () => engine.crossEntropy(rows, [0, 1], { columns, mask: lost(Uint8Array) })],
    ['options.weight', () => engine.crossEntropy(rows, [0, 1], { columns, weight: lost(Float32Array) })],
    [
      'options.sampleWeight',
      () => engine.crossEntropy(rows, [0, 1], { columns, sampleWeight: lost(Float64Array) }),
    ],
    ['inputs', () => engine.linearCrossEntropy(lost(Float32Array), tensor, undefined, [])],
    [
      'weights',
      () => engine.linearCrossEntropy(tensor, { ...none, data: lost(Float32Array) }, undefined, []),
    ],
    [
      'bias',
      () => engine.linearCrossEntropy(tensor, { ...tensor, dims: [3, 2] }, lost(Float32Array), [0, 1]),
    ],
    ['inputs', () => classifier().predict(lost(Float32Array))],
    ['inputs', () => classifier().predict(lost(Uint8Array))],
    ['targets', () => classifier().evaluate(tensor, lost(Uint8Array))],
    ['targets', () => classifier().fit(tensor, lost(Uint32Array))],
    [
      'options.validation.inputs',
      () => classifier().fit(tensor, [0, 1], { validation: { inputs: lost(Float32Array), targets: [] } }),
    ],
    ['inputs', async () => standardScaling({ ...none, data: lost(Float32Array) })],
    ['featureScaling.shift', async () => scaleFeatures(tensor, { shift: lost(Float32Array), scale: 1 })],
    ['content.data', () => writeNpy(join(folder, 'a.npy'), { dims: [0], data: lost(Float32Array) })],
  ];

  test.each(calls)('is refused as %s (F20)', async (argument, call) => {
    const error = await failure(call);
    expect(error).toMatchObject({ code: 'ERR_TYPE', argument });
    expect(error.message).toContain('detached');
  });

  test('is refused by a writer (F20)', async () => {
    const writer = await createNpyWriter(join(folder, 'b.npy'), { dims: [0], type: 'float32' });
    expect(await failure(() => writer.append(lost(Float32Array)))).toMatchObject({ code: 'ERR_TYPE' });
    await writer.abort();
  });
});

test('an array that is empty is none that is detached', async () => {
  const empty = new Float32Array(8).subarray(8);
  expect((await engine.softmax(empty, { columns: 3 })).dims).toEqual([0, 3]);
  expect((await engine.crossEntropy(empty, new Int32Array(0), { columns: 3 })).lossSum).toBe(0);
});

test.each(LOST)('a DataView that was %s is refused as any other is', async (_, lost) => {
  const view = lost(DataView) as never;
  for (const logits of [view, { type: 'float32', dims: [0, 3], data: view } as const]) {
    const error = await failure(() => engine.softmax(logits, { columns: 3 }));
    expect(error).toMatchObject({ code: 'ERR_TYPE' });
  }
});

test('an empty DataView is not called detached', async () => {
  const data = new DataView(new ArrayBuffer(0)) as never;
  const error = await failure(() => engine.softmax({ type: 'float32', dims: [0, 3], data }));
  expect(error.message).toMatch(/^logits\.data is DataView .*must be a Float32Array/);
});
