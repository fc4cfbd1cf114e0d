import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, supportsNumerics } from '#softshard/main/index.js';
import { failure } from '../failure.js';
import { builds } from '../kernels/workbench.js';

describe('wrong arguments', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1, arenaBytes: 4 * 1024 * 1024 });
  });
  afterAll(() => engine.close());

  const wrong = (value: unknown) => value as never;
  test.each<[string, string, RegExp, (engine: Engine) => Promise<unknown>]>([
    ['no columns', 'ERR_SHAPE', /option columns/, (e) => e.softmax(Float32Array.of(1))],
    [
      'rows in arrays',
      'ERR_TYPE',
      /Float32Array\.from\(rows\.flat\(\)\) converts/,
      (e) => e.softmax(wrong([[1, 2]])),
    ],
    [
      'rows in typed arrays',
      'ERR_TYPE',
      /Float32Array\.from\(rows\.flatMap\(\(row\) => \[\.\.\.row\]\)\) converts/,
      (e) => e.softmax(wrong([Float32Array.of(1, 2)])),
    ],
    ['numbers', 'ERR_TYPE', /Float32Array\.from\(…\) converts/, (e) => e.softmax(wrong([1, 2]))],
    [
      'columns that do not divide',
      'ERR_SHAPE',
      /5 elements.*2 columns/,
      (e) => e.softmax(new Float32Array(5), { columns: 2 }),
    ],
    [
      'columns 0',
      'ERR_OPTION',
      /options\.columns is 0/,
      (e) => e.softmax(new Float32Array(4), { columns: 0 }),
    ],
    [
      'columns against dims',
      'ERR_SHAPE',
      /leave columns out/,
      (e) => e.softmax({ type: 'float32', dims: [1, 4], data: new Float32Array(4) }, { columns: 2 }),
    ],
    [
      'dims that do not fit',
      'ERR_SHAPE',
      /make 6 elements.*has 5/,
      (e) => e.softmax({ type: 'float32', dims: [2, 3], data: new Float32Array(5) }),
    ],
    [
      'no columns in dims',
      'ERR_SHAPE',
      /dims\[1\], the columns, must be at least 1/,
      (e) => e.softmax({ type: 'float32', dims: [2, 0], data: new Float32Array(0) }),
    ],
    [
      'Float64Array',
      'ERR_TYPE',
      /Float32Array/,
      (e) => e.softmax(wrong({ dims: [1], data: new Float64Array(1) })),
    ],
    ['a plain array', 'ERR_TYPE', /logits is \[ 1, 2 \]/, (e) => e.softmax(wrong([1, 2]))],
    ['undefined', 'ERR_TYPE', /logits is undefined/, (e) => e.softmax(wrong(undefined))],
    [
      'an unknown option',
      'ERR_OPTION',
      /no option 'axsi'/,
      (e) => e.softmax(Float32Array.of(1), wrong({ axsi: 1 })),
    ],
    ['options that are none', 'ERR_OPTION', /not an object/, (e) => e.softmax(Float32Array.of(1), wrong(3))],
    [
      'a reduction that is none',
      'ERR_OPTION',
      /'none', 'mean', 'sum'/,
      (e) => e.crossEntropy(Float32Array.of(1), [0], wrong({ columns: 1, reduction: 'avg' })),
    ],
    [
      'a signal that is none',
      'ERR_OPTION',
      /AbortSignal/,
      (e) => e.softmax(Float32Array.of(1), wrong({ columns: 1, signal: {} })),
    ],
    [
      'text as long as the logits for targets',
      'ERR_TYPE',
      /targets is a text/,
      (e) => e.crossEntropy(new Float32Array(4), wrong('cats'), { columns: 2 }),
    ],
    [
      'too few targets',
      'ERR_SHAPE',
      /1 entries for 2 rows/,
      (e) => e.crossEntropy(new Float32Array(4), [0], { columns: 2 }),
    ],
    [
      'float targets that are not one for each class',
      'ERR_SHAPE',
      /class indices/,
      (e) => e.crossEntropy(new Float32Array(4), wrong(new Float32Array(2)), { columns: 2 }),
    ],
    [
      'into of another shape',
      'ERR_SHAPE',
      /options\.into has 2 elements.*dims \[2, 2\]/,
      (e) => e.softmax(new Float32Array(4), { columns: 2, into: new Float32Array(2) }),
    ],
    [
      'a batch whose window does not fit',
      'ERR_ARENA_FULL',
      /asked for/,
      (e) => e.softmax(new Float32Array(2_000_000), { columns: 2_000_000 }),
    ],
  ])('%s: %s', async (_, code, message, call) => {
    const error = await failure(() => call(engine));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('into that overlaps its input but is not the same: ERR_SHAPE', async () => {
    const buffer = new Float32Array(12);
    const error = await failure(() =>
      engine.softmax(buffer.subarray(0, 8), { columns: 4, into: buffer.subarray(4) }),
    );
    expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'options.into' });
  });

  test('a matrix that was freed: ERR_FREED; freeing twice does nothing', async () => {
    const matrix = engine.matrix(2, 3);
    matrix.free();
    matrix.free();
    expect(() => matrix.data).toThrow(/\[2 × 3\] has been freed/);
    expect(await failure(() => engine.softmax(matrix))).toMatchObject({ code: 'ERR_FREED' });
  });

  test('matrices, vectors and engines of impossible size: the argument, the value and the range', async () => {
    expect(() => engine.matrix(-1, 2)).toThrow(/rows is -1: it must be a whole number of at least 0/);
    expect(() => engine.matrix(1, 0)).toThrow(/columns is 0/);
    expect(() => engine.vector(wrong('float8'), 1)).toThrow(/type is 'float8'.*'float32'/);
    expect(() => engine.tensor('float32', wrong(3))).toThrow(/dims is 3: it must be an array/);
    expect(() => engine.matrix(1 << 20, 4)).toThrow(/limit 4194304/);
    for (const options of [
      { threads: 0 },
      { threads: 1.5 },
      { arenaBytes: 5 },
      { numerics: 'exact' },
      { thread: 2 },
    ]) {
      expect(await failure(() => Engine.create(wrong(options)))).toMatchObject({ code: 'ERR_OPTION' });
    }
  });

  test('a matrix of another engine is taken as an array from outside', async () => {
    await using other = await Engine.create({ threads: 1, arenaBytes: 4 * 1024 * 1024 });
    using matrix = other.matrix(1, 2);
    const result = await engine.softmax(matrix);
    expect([...result.data]).toEqual([0.5, 0.5]);
  });

  test("the numerics 'fast' where relaxed SIMD is missing: ERR_NUMERICS with the remedy", async () => {
    if (builds.includes('fast')) {
      await using fast = await Engine.create({ threads: 1 });
      expect(fast.numerics).toBe('fast');
      return;
    }
    expect((await failure(() => Engine.create({ numerics: 'fast' }))).message).toMatch(/portable/);
  });
});

test.each([undefined, 'protable'])('supportsNumerics refuses %j', async (name) => {
  const error = await failure(async () => supportsNumerics(name as never));
  expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'numerics', value: name });
  expect(error.message).toBe(`numerics is ${name}: it must be one of portable, fast`);
});

test('an engine is not made by new (R5)', async () => {
  const error = await failure(async () => Reflect.construct(Engine, []));
  expect(error).toMatchObject({ code: 'ERR_TYPE' });
  expect(error.message).toMatch(/await Engine\.create/);
});
