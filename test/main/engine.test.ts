import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine } from '#softshard/main/index.js';
import { bitsOf } from '../bits.js';
import { failure } from '../failure.js';
import { builds, randomTargets, randomValues } from '../kernels/workbench.js';

const ROWS = 301;
const COLUMNS = 67;
const logits = randomValues(ROWS * COLUMNS, 12, 1);
const targets = randomTargets(ROWS, COLUMNS, 2);
const row = (values: Float32Array, index: number) => values.subarray(index * COLUMNS, (index + 1) * COLUMNS);

const expected = {
  softmax: perRow((z) => [...reference.softmax(z)]),
  logSoftmax: perRow((z) => [...reference.logSoftmax(z)]),
  logSumExp: perRow((z) => [reference.logSumExp(z)]),
  losses: Array.from({ length: ROWS }, (_, i) => -reference.logSoftmax(row(logits, i))[targets[i]!]!),
};

function perRow(map: (z: Float32Array) => number[]): number[] {
  return Array.from({ length: ROWS }, (_, i) => map(row(logits, i))).flat();
}

/** Fails with index, expected and got. */
function expectClose(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  tolerance: (wanted: number) => number,
): void {
  expect(got.length).toBe(wanted.length);
  for (let i = 0; i < got.length; i++) {
    if (Math.abs(got[i]! - wanted[i]!) <= tolerance(wanted[i]!)) continue;
    expect.fail(`at ${i}: expected ${wanted[i]}, got ${got[i]}`);
  }
}

const relative = (wanted: number) => 4e-6 * Math.abs(wanted) + 1e-30;
const absolute = (wanted: number) => 4e-6 * Math.max(1, Math.abs(wanted));

describe.each(builds)('Engine (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const matrixOf = (values: Float32Array, rows = ROWS) => {
    const matrix = engine.matrix(rows, values.length / rows);
    matrix.data.set(values);
    return matrix;
  };

  test('softmax is within 4e-6 relative of the reference, for each place that input and output can be', async () => {
    const host = logits.slice();
    const plain = await engine.softmax(host, { columns: COLUMNS });
    expect(plain.dims).toEqual([ROWS, COLUMNS]);
    expectClose(plain.data, expected.softmax, relative);
    expect(host).toEqual(logits);

    const into = new Float32Array(host.length);
    expect(
      (await engine.softmax({ type: 'float32', dims: [ROWS, COLUMNS], data: host }, { into })).data,
    ).toBe(into);
    expect(into).toEqual(plain.data);

    using matrix = matrixOf(logits);
    using fresh = await engine.softmax(matrix);
    expect(fresh.data).toEqual(plain.data);
    expect(matrix.data).toEqual(logits);

    using output = engine.matrix(ROWS, COLUMNS);
    expect(await engine.softmax(host, { columns: COLUMNS, into: output })).toBe(output);
    expect(output.data).toEqual(plain.data);

    into.fill(0);
    await engine.softmax(matrix, { into });
    expect(into).toEqual(plain.data);

    expect(await engine.softmax(matrix, { into: matrix })).toBe(matrix);
    expect(matrix.data).toEqual(plain.data);

    await engine.softmax(host, { columns: COLUMNS, into: host });
    expect(host).toEqual(plain.data);
  });

  test('logSoftmax and logSumExp are within 4e-6 of the reference', async () => {
    const log = await engine.logSoftmax(logits, { columns: COLUMNS });
    expectClose(log.data, expected.logSoftmax, absolute);
    const sums = await engine.logSumExp(logits, { columns: COLUMNS });
    expect(sums.dims).toEqual([ROWS]);
    expectClose(sums.data, expected.logSumExp, absolute);
  });

  test('the last dimension of a tensor of any rank holds the columns, the result has its dims', async () => {
    const dims = [7, 43, COLUMNS];
    const result = await engine.softmax({ type: 'float32', dims, data: logits });
    expect(result.dims).toEqual(dims);
    expectClose(result.data, expected.softmax, relative);
    expect((await engine.logSumExp({ type: 'float32', dims, data: logits })).dims).toEqual([7, 43]);
  });

  test('crossEntropy gives sum, mean and the losses of rows within 4e-6 of the reference', async () => {
    const lossSum = expected.losses.reduce((sum, loss) => sum + loss, 0);
    const mean = await engine.crossEntropy(logits, targets, { columns: COLUMNS });
    expect(mean.weightSum).toBe(ROWS);
    expect(mean.losses).toBeUndefined();
    expect(Math.abs(mean.lossSum - lossSum)).toBeLessThan(4e-6 * lossSum);
    expect(mean.loss).toBe(mean.lossSum / ROWS);
    const sum = await engine.crossEntropy(logits, targets, { columns: COLUMNS, reduction: 'sum' });
    expect(sum.loss).toBe(mean.lossSum);
    const none = await engine.crossEntropy(logits, targets, { columns: COLUMNS, reduction: 'none' });
    expectClose(none.losses!, expected.losses, absolute);
    expect(none.lossSum).toBe(mean.lossSum);
  });

  test('crossEntropyGradient is within 4e-6 of scale · (softmax - one-hot), in place as well', async () => {
    for (const [reduction, scale] of [
      ['mean', 1 / ROWS],
      ['sum', 1],
      ['none', 1],
    ] as const) {
      const wanted = expected.softmax.map(
        (p, i) => scale * (p - (targets[Math.floor(i / COLUMNS)] === i % COLUMNS ? 1 : 0)),
      );
      const result = await engine.crossEntropyGradient(logits, targets, { columns: COLUMNS, reduction });
      expectClose(result.gradLogits.data, wanted, (value) => 4e-6 * Math.abs(value) + 2e-7 * scale);
      using matrix = matrixOf(logits);
      const inPlace = await engine.crossEntropyGradient(matrix, targets, { reduction, into: matrix });
      expect(inPlace.gradLogits).toBe(matrix);
      expect(matrix.data).toEqual(result.gradLogits.data);
      expect(inPlace.lossSum).toBe(result.lossSum);
    }
  });

  test('targets of every integer type give the same bits', async () => {
    const { lossSum } = await engine.crossEntropy(logits, targets, { columns: COLUMNS });
    using resident = engine.vector('int32', ROWS);
    resident.data.set(targets);
    using bytes = engine.vector('uint8', ROWS);
    bytes.data.set(targets);
    const forms = [
      Uint8Array.from(targets),
      Uint16Array.from(targets),
      Uint32Array.from(targets),
      Int8Array.from(targets),
      Int16Array.from(targets),
      BigInt64Array.from(targets, BigInt),
      BigUint64Array.from(targets, BigInt),
      Array.from(targets),
      resident,
      bytes,
    ];
    for (const form of forms) {
      expect((await engine.crossEntropy(logits, form, { columns: COLUMNS })).lossSum).toBe(lossSum);
    }
  });

  test('a wrong target names row and value before the output is touched, in any form', async () => {
    using resident = engine.vector('int32', ROWS);
    for (const [wrong, shownAs] of [
      [-1, '-1'],
      [COLUMNS, `${COLUMNS}`],
      [2 ** 31 - 1, '2147483647'],
    ] as const) {
      resident.data.set(targets);
      resident.data[200] = wrong;
      const forms = [
        resident,
        Int32Array.from(resident.data),
        Array.from(resident.data),
        BigInt64Array.from(resident.data, BigInt),
      ];
      for (const form of forms) {
        const into = logits.slice();
        const error = await failure(() =>
          engine.crossEntropyGradient(logits, form, { columns: COLUMNS, into }),
        );
        expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', argument: 'targets', row: 200 });
        expect(error.message).toContain(`targets[200] is ${shownAs}`);
        expect(error.message).toContain(`0 to ${COLUMNS - 1}`);
        expect(into).toEqual(logits);
      }
    }
    const fractional = Array.from(targets);
    fractional[3] = 0.5;
    expect(await failure(() => engine.crossEntropy(logits, fractional, { columns: COLUMNS }))).toMatchObject({
      row: 3,
      value: 0.5,
    });
  });

  test('arrays that are resized or detached during a call: ERR_SHAPE names them', async () => {
    const elements = 4_000_000;
    // ES2024, which the types of this project do not know yet.
    const ResizableBuffer = ArrayBuffer as unknown as {
      new (
        length: number,
        options: { maxByteLength: number },
      ): ArrayBuffer & { resize(length: number): void };
    };
    const resizable = (length: number) => new ResizableBuffer(length, { maxByteLength: length });
    const gone = (buffer: ReturnType<typeof resizable>, how: string) =>
      how === 'resized' ? buffer.resize(16) : void structuredClone(buffer, { transfer: [buffer] });
    for (const how of ['resized', 'detached']) {
      const sources = [0, 1, 2].map(() => new Float32Array(resizable(elements * 4)));
      const wideTargets = new Int32Array(resizable((elements / 10) * 4));
      const calls = [
        engine.softmax(sources[0]!, { columns: 10 }),
        engine.softmax(sources[1]!, { columns: 10, into: sources[2]! }),
        engine.crossEntropy(new Float32Array(elements), wideTargets, { columns: 10 }),
      ].map((call) => failure(() => call));
      for (const array of [sources[0]!, sources[2]!, wideTargets]) {
        gone(array.buffer as ReturnType<typeof resizable>, how);
      }
      for (const [i, argument] of ['logits', 'options.into', 'targets'].entries()) {
        const error = await calls[i]!;
        expect(error).toMatchObject({ code: 'ERR_SHAPE', argument });
        expect(error.message).toContain('resized or detached');
      }
    }
  });

  test('an output on top of the targets is refused before it is touched', async () => {
    const shared = logits.slice();
    const inside = new Int32Array(shared.buffer, 400, ROWS).fill(0);
    const before = shared.slice();
    const call = () => engine.crossEntropyGradient(shared, inside, { columns: COLUMNS, into: shared });
    const error = await failure(call);
    expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'options.into' });
    expect(error.message).toContain('overlaps targets');
    expect(bitsOf(shared)).toBe(bitsOf(before));
  });

  test('what is freed is named in the error', async () => {
    const matrix = engine.matrix(2, 2);
    const vector = engine.vector('int32', 2);
    matrix.free();
    vector.free();
    const flat = Float32Array.of(1, 2, 3, 4);
    for (const [argument, call] of [
      ['logits', () => engine.softmax(matrix)],
      ['options.into', () => engine.softmax(flat, { columns: 2, into: matrix })],
      ['targets', () => engine.crossEntropy(flat, vector, { columns: 2 })],
    ] as const) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_FREED', argument });
    }
  });

  test('big integers in a plain array of targets: ERR_TARGET_RANGE, as for any other non-number', async () => {
    const mixed = [0, 1n] as unknown as number[];
    const call = () => engine.crossEntropy(Float32Array.of(1, 2, 3, 4), mixed, { columns: 2 });
    expect(await failure(call)).toMatchObject({ code: 'ERR_TARGET_RANGE', row: 1, value: 1n });
  });

  test('a tensor is read once: what its owner changes later does not count', async () => {
    const dims = [2, 2];
    let reads = 0;
    const tensor = {
      type: 'float32',
      dims,
      get data() {
        return new Float32Array(reads++ === 0 ? 4 : 6);
      },
    } as const;
    const result = await engine.softmax(tensor);
    dims[0] = 5;
    expect(result.dims).toEqual([2, 2]);
    expect([...result.data]).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  test('an empty batch: sums are 0, the mean is NaN as in PyTorch', async () => {
    const empty = { type: 'float32', dims: [0, 5], data: new Float32Array(0) } as const;
    expect((await engine.softmax(empty)).dims).toEqual([0, 5]);
    expect(await engine.crossEntropy(empty, [])).toEqual({ loss: Number.NaN, lossSum: 0, weightSum: 0 });
  });

  test('calls at the same time all get their own results', async () => {
    const calls = Array.from({ length: 20 }, (_, i) =>
      engine.softmax(Float32Array.of(0, Math.log(i + 1)), { columns: 2 }),
    );
    for (const [i, { data }] of (await Promise.all(calls)).entries()) {
      expect(data[0]).toBeCloseTo(1 / (i + 2), 6);
    }
  });

  test('a matrix freed during a call: nobody else gets its memory before the call has ended', async () => {
    const { usedBytes } = engine.memoryUsage();
    const freed = engine.matrix(200_000, 10);
    const freedTargets = engine.vector('int32', 200_000);
    const calls = [
      engine.crossEntropyGradient(freed, freedTargets, { into: freed }),
      engine.softmax(freed, { into: freed }),
    ];
    freed.free();
    freedTargets.free();
    const other = engine.matrix(200_000, 10);
    other.data.fill(7);
    await Promise.all(calls);
    expect(other.data.findIndex((value) => value !== 7)).toBe(-1);
    other.free();
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('no call keeps memory that it does not give out', async () => {
    const { usedBytes } = engine.memoryUsage();
    await engine.softmax(logits, { columns: COLUMNS });
    await engine.crossEntropyGradient(logits, targets, { columns: COLUMNS, reduction: 'none' });
    (await engine.softmax(matrixOf(logits))).free();
    await failure(() => engine.crossEntropy(logits, [1], { columns: COLUMNS }));
    expect(engine.memoryUsage().usedBytes - usedBytes).toBeLessThan(ROWS * COLUMNS * 4 + 256);
  });
});

describe.each(builds)('the same bits (%s)', (numerics) => {
  // 69 shards: enough for one thread and two to try whether fetching rows ahead pays, not for three.
  const rows = 11_000;
  const columns = 101;
  const values = randomValues(rows * columns, 20, 3);
  const classes = randomTargets(rows, columns, 4);

  async function allResults(threads: number, arenaBytes: number): Promise<Record<string, string>> {
    await using engine = await Engine.create({ threads, numerics, arenaBytes });
    const options = { columns };
    const gradient = await engine.crossEntropyGradient(values, classes, { columns, reduction: 'none' });
    return {
      softmax: bitsOf((await engine.softmax(values, options)).data),
      logSoftmax: bitsOf((await engine.logSoftmax(values, options)).data),
      logSumExp: bitsOf((await engine.logSumExp(values, options)).data),
      lossSum: bitsOf((await engine.crossEntropy(values, classes, options)).lossSum),
      gradient: bitsOf(gradient.gradLogits.data, gradient.losses!, gradient.lossSum),
    };
  }

  test('for 1, 2, 3 and 8 threads, in every operation', async () => {
    const one = await allResults(1, 64 * 1024 * 1024);
    for (const threads of [2, 3, 8]) expect(await allResults(threads, 64 * 1024 * 1024)).toEqual(one);
  });

  test('when the batch is larger than the arena and passes in windows', async () => {
    const whole = await allResults(2, 64 * 1024 * 1024);
    const arenaBytes = 1536 * 1024;
    expect(values.byteLength).toBeGreaterThan(arenaBytes);
    for (const threads of [1, 2, 3, 8]) expect(await allResults(threads, arenaBytes)).toEqual(whole);
  });
});
