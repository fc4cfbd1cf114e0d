// Values of other libraries are refused with what to call for their elements.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1, arenaBytes: 2 ** 21 });
});
afterAll(() => engine.close());

const call = () => [];
const VALUES: readonly [string, () => unknown, RegExp][] = [
  ['a tensor of TensorFlow.js', () => ({ shape: [1, 2], dataSync: call }), /call tensor\.dataSync\(\)/],
  ['a tensor with tolist', () => ({ shape: [1, 2], tolist: call }), /call tensor\.tolist\(\)/],
  ['a Danfo.js frame', () => ({ values: [[1]], columns: ['a'], print: call }), /danfo\.toJSON/],
  ['a Polars frame', () => ({ toRecords: call, getColumn: call }), /call frame\.toRecords\(\)/],
  ['a Polars series', () => ({ toArray: call, toFrame: call }), /call series\.toArray\(\)/],
  [
    'an Arquero table',
    () => ({ objects: call, numRows: call, columnNames: call, [Symbol.iterator]: call }),
    /call table\.objects\(\)/,
  ],
  ['a promise', async () => [[1, 2]], /a promise: await it/],
  ['a response', () => new Response(), /await value\.arrayBuffer\(\)/],
  ['a buffer', () => new ArrayBuffer(8), /new Float32Array\(buffer\)/],
  ['a path', () => 'rows.csv', /readFeatures\(engine, path\)/],
  ['a URL', () => new URL('file:///rows.csv'), /fileURLToPath\(url\)/],
];

describe.each(VALUES)('%s', (_, make, advice) => {
  test('is refused with what to call', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const calls: readonly [string, () => Promise<unknown>][] = [
      ['inputs', () => classifier.predict(make() as never)],
      ['inputs', () => new SoftmaxClassifier(engine).fit(make() as never, ['a'])],
      ['targets', () => classifier.fit(Float32Array.of(1, 2), make() as never, { C: 1 })],
      ['logits', () => engine.softmax(make() as never)],
      ['targets', () => engine.crossEntropy(Float32Array.of(1, 2), make() as never, { columns: 2 })],
    ];
    for (const [argument, run] of calls) {
      expect(await failure(run)).toMatchObject({
        code: 'ERR_TYPE',
        argument,
        message: expect.stringMatching(advice),
      });
    }
  });
});

test('a Buffer with the content of a file is no rows of bytes, one with pixels is', async () => {
  const classifier = new SoftmaxClassifier(engine, { features: 8, classes: 2 });
  const npy = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
  expect(await failure(() => classifier.predict(npy))).toMatchObject({
    code: 'ERR_TYPE',
    message: expect.stringMatching(/content of a file, a \.npy file: .*readFeatures/),
  });
  expect(await classifier.predict(Buffer.alloc(8, 255))).toHaveLength(1);
});

test('an array with a shape says how to pass its dims', async () => {
  const array = { shape: [1, 2], data: Float32Array.of(1, 2) };
  const error = await failure(() => new SoftmaxClassifier(engine).fit(array as never, ['a']));
  expect(error).toMatchObject({ code: 'ERR_TYPE', message: expect.stringContaining('dims: array.shape') });
});

test('a tensor on a GPU says how to fetch its data', async () => {
  const tensor = {
    type: 'float32',
    dims: [1, 2],
    location: 'gpu-buffer',
    get data(): Float32Array {
      throw new Error('not on the CPU');
    },
  };
  const error = await failure(() => new SoftmaxClassifier(engine).fit(tensor, ['a']));
  expect(error).toMatchObject({
    code: 'ERR_TYPE',
    message: expect.stringContaining('await tensor.getData()'),
  });
});
