// Rows in every form give the bits of the float32 tensor that has the same numbers.
import { Readable } from 'node:stream';
import { runInNewContext } from 'node:vm';
import * as arrow from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';

const ROWS = 120;
const rows = Array.from({ length: ROWS }, (_, row) => [
  Math.sin(row * 1.7) * 3,
  Math.cos(row * row),
  row % 7,
]);
const labels = rows.map(([a = 0]) => (a > 1 ? 'high' : a > -1 ? 'middle' : 'low'));
const floats = Float32Array.from(rows.flat());
const doubles = Float64Array.from(rows.flat());
const OPTIONS = { C: 1, scale: 'none' } as const;

let engine: Engine;
let wanted: string;
let used: number;
beforeAll(async () => {
  engine = await Engine.create({ threads: 2, arenaBytes: 2 ** 24 });
  used = engine.memoryUsage().usedBytes;
  wanted = await trained({ type: 'float32', dims: [ROWS, 3], data: floats });
});
afterAll(() => engine.close());

async function trained(
  inputs: Training.AnyRows,
  targets: Training.AnyTargets = labels,
  options: Training.FitOptions = {},
): Promise<string> {
  const classifier = new SoftmaxClassifier(engine);
  await classifier.fit(inputs, targets, { ...OPTIONS, ...options });
  return `${bitsOf(classifier.weights)} ${classifier.classNames}`;
}

const list = (type: arrow.DataType, data: ArrayBufferView) => {
  const child = arrow.makeData({ type, data } as never);
  const ofThree = new arrow.FixedSizeList(3, new arrow.Field('item', type));
  return arrow.makeVector(arrow.makeData({ type: ofThree, length: ROWS, nullCount: 0, child } as never));
};
const vector = list(new arrow.Float32(), floats);
const dictionary = arrow.vectorFromArray(labels, new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()));
const tensorOf = (row: readonly number[]) => ({
  type: 'float64',
  dims: [1, 3],
  data: Float64Array.from(row),
});

describe('inputs', () => {
  const FORMS: Readonly<Record<string, () => Training.AnyRows>> = {
    'arrays of numbers': () => rows,
    'a Float32Array for each row': () => rows.map((row) => Float32Array.from(row)),
    'rows of several kinds': () => rows.map((row, i) => (i % 2 === 0 ? row : Float64Array.from(row))),
    'a float64 tensor': () => ({ type: 'float64', dims: [ROWS, 3], data: doubles }),
    'a tensor for each row': () => rows.map(tensorOf),
    'an array of another realm': () => runInNewContext('rows.map((row) => Float64Array.from(row))', { rows }),
    'an Arrow vector of lists': () => vector,
    'an Arrow vector of float64': () => list(new arrow.Float64(), doubles),
    'an Arrow vector in pieces': () => vector.slice(0, 50).concat(vector.slice(50)),
    'an Arrow vector of lists of any length': () =>
      arrow.vectorFromArray(rows, new arrow.List(new arrow.Field('item', new arrow.Float64()))),
    'a generator': () => rows.values(),
    'a set': () => new Set(rows),
    'a Node stream': () => Readable.from(rows),
    'a Web stream': () => webStream(rows),
    'a reader alone': () => ({ getReader: () => webStream(rows).getReader() }),
    'batches that are arrays': () => [rows.slice(0, 50), rows.slice(50)],
  };

  test.each(Object.entries(FORMS))('%s', async (_, make) => {
    expect(await trained(make())).toBe(wanted);
    expect(engine.memoryUsage().usedBytes).toBe(used);
  });

  test('of bare typed arrays have the option columns', async () => {
    expect(await trained(doubles, labels, { columns: 3 })).toBe(wanted);
    const error = await failure(() => new SoftmaxClassifier(engine).fit(doubles, labels));
    expect(error).toMatchObject({ code: 'ERR_SHAPE', message: expect.stringContaining('option columns') });
  });

  test('of half types, bools and integers have their numbers', async () => {
    const numbers = [1, 0, 1, 1];
    const same = await trained([numbers.slice(0, 2), numbers.slice(2)], ['a', 'b']);
    const dims = [2, 2];
    const tensors: Training.AnyRows[] = [
      { type: 'float16', dims, data: Uint16Array.from(numbers, (value) => value * 0x3c00) },
      { type: 'bfloat16', dims, data: Uint16Array.from(numbers, (value) => value * 0x3f80) },
      { type: 'int64', dims, data: BigInt64Array.from(numbers, BigInt) },
      { type: 'bool', dims, data: Uint8Array.from(numbers) },
      { type: 'uint8', dims, data: Uint8Array.from(numbers) },
      { type: 'int8', dims, data: Int8Array.from(numbers) },
    ];
    for (const tensor of tensors) expect(await trained(tensor, ['a', 'b'])).toBe(same);
  });

  test('are taken by every method, and their memory is given back', async () => {
    const classifier = new SoftmaxClassifier(engine);
    await classifier.fit(rows, labels, { ...OPTIONS, validation: { inputs: vector, targets: dictionary } });
    const tensor = { type: 'float32', dims: [ROWS, 3], data: floats } as const;
    const predicted = await classifier.predict(tensor);
    expect(await classifier.predict(rows)).toEqual(predicted);
    expect((await classifier.predictProbabilities(Readable.from(rows))).data).toEqual(
      (await classifier.predictProbabilities(tensor)).data,
    );
    expect(await classifier.predictLabels(vector)).toEqual(
      Array.from(predicted, (index) => classifier.classNames?.[index]),
    );
    expect(await classifier.evaluate(rows, dictionary)).toEqual(await classifier.evaluate(tensor, labels));
    const many = await fitMany(engine, rows, labels, [OPTIONS]);
    expect(bitsOf(many.heads[0]!.classifier!.weights)).toBe(bitsOf(classifier.weights));
    expect(many.heads[0]!.classifier!.classNames).toEqual(classifier.classNames);
    expect(engine.memoryUsage().usedBytes).toBe(used);
  });

  test.each<[string, () => Training.AnyRows, string, RegExp, number]>([
    ['shorter', () => [[1, 2], [3]], 'ERR_SHAPE', /inputs\[1\] has 1 numbers, the rows before it have 2/, 1],
    ['empty', () => [[], []], 'ERR_SHAPE', /inputs\[0\] has 0 numbers/, 0],
    ['null', () => [[1, 2], [3, null] as never], 'ERR_TYPE', /inputs\[1, 1\] is null.*impute/, 1],
    ['text', () => [[1, 2], ['3', 4] as never], 'ERR_TYPE', /inputs\[1, 0\] is '3'.*Number\(…\)/, 1],
    [
      'beyond float32',
      () => [
        [1, 2],
        [1e300, 4],
      ],
      'ERR_NOT_FINITE',
      /inputs\[1, 0\] is 1e\+300, beyond float32/,
      1,
    ],
    [
      'NaN',
      () => [
        [1, 2],
        [3, Number.NaN],
      ],
      'ERR_NOT_FINITE',
      /inputs\[1, 1\] is NaN/,
      1,
    ],
    [
      'missing',
      () => [[1, 2], undefined, [3, 4]] as never,
      'ERR_TYPE',
      /inputs\[1\] is undefined\. Rows are/,
      1,
    ],
    [
      'a promise',
      () => [[1, 2], Promise.resolve([3, 4])],
      'ERR_TYPE',
      /inputs\[1\] is a promise: await it/,
      1,
    ],
  ])('with a row that is %s are refused', async (_, make, code, message, row) => {
    const error = await failure(() => new SoftmaxClassifier(engine).fit(make(), ['a', 'b']));
    expect(error).toMatchObject({ code, row, message: expect.stringMatching(message) });
    expect(engine.memoryUsage().usedBytes).toBe(used);
  });

  test('of another length than the model is of are refused at their first row', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 3, classes: 2 });
    let asked = 0;
    const source = (function* () {
      for (;;) yield [asked++, 2];
    })();
    const error = await failure(() => classifier.predict(source));
    expect(error).toMatchObject({
      code: 'ERR_SHAPE',
      row: 0,
      message: expect.stringContaining('3 features'),
    });
    expect(asked).toBe(1);
  });
});

const webStream = <Item>(items: readonly Item[]): ReadableStream<Item> =>
  new ReadableStream({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
