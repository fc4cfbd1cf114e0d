import { describe, expect, test } from 'vitest';
import { scaleFeatures, standardScaling } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

const tensor = (rows: number, row: (index: number) => number[]) => {
  const data = Float32Array.from(Array.from({ length: rows }, (_, index) => row(index)).flat());
  return { type: 'float32', dims: [rows, data.length / rows], data } as const;
};

describe('standardScaling', () => {
  test('gives each feature mean 0 and standard deviation 1 within 1e-6', () => {
    const inputs = tensor(1000, (row) => [row, 3 - row / 7, Math.sin(row)]);
    scaleFeatures(inputs, standardScaling(inputs));
    for (let feature = 0; feature < 3; feature++) {
      const values = [...inputs.data].filter((_, index) => index % 3 === feature);
      const mean = values.reduce((sum, value) => sum + value / 1000, 0);
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / 1000, 0);
      expect(Math.abs(mean)).toBeLessThan(1e-6);
      expect(Math.abs(variance - 1)).toBeLessThan(1e-6);
    }
  });

  test('a constant feature is only shifted, whatever rounding makes of its variance', () => {
    for (const rows of [1, 3, 10, 1000, 60_000]) {
      const { scale, shift } = standardScaling(tensor(rows, () => [0.1, 12345.678, 0, -3e30]));
      expect(scale).toEqual(Float32Array.of(1, 1, 1, 1));
      expect(shift).toEqual(Float32Array.of(0.1, 12345.678, 0, -3e30));
    }
  });
});

describe('standardScaling of few rows, and of far ones', () => {
  test('no rows at all are left as they are', () => {
    const { shift, scale } = standardScaling({ type: 'float32', dims: [0, 2], data: new Float32Array(0) });
    expect([[...(shift as Float32Array)], [...(scale as Float32Array)]]).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  test.each([0, 1e4, -1e7])(
    'around %d, or with a first row that is, the deviation is within 1e-6',
    (mean) => {
      const inputs = tensor(1000, (row) => [
        mean + (row % 2),
        row === 0 ? mean : row % 2,
        ((row * 37) % 64) / 64 + Math.fround(mean / 1e4),
      ]);
      const { shift, scale } = standardScaling(inputs);
      for (let feature = 0; feature < 3; feature++) {
        const values = Float64Array.from(inputs.data.filter((_, index) => index % 3 === feature));
        const own = values.reduce((sum, value) => sum + value, 0) / 1000;
        const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - own) ** 2, 0) / 1000);
        expect((shift as Float32Array)[feature]! / Math.fround(own)).toBeCloseTo(1, 6);
        expect((scale as Float32Array)[feature]! * deviation).toBeCloseTo(1, 6);
      }
    },
  );
});

describe('standardScaling of rows that are fetched', () => {
  /** More than one fetch. */
  const rows = 300_000;
  const inputs = tensor(rows, (row) => [Math.sin(row), row / 7, Math.cos(row), 5]);
  const source = (data: Float32Array) => ({
    rows,
    features: 4,
    type: 'float32' as const,
    gather: async (rowNumbers: Uint32Array, into: Float32Array | Uint8Array) => {
      for (const [i, row] of rowNumbers.entries()) into.set(data.subarray(row * 4, row * 4 + 4), i * 4);
    },
  });

  test('has the bits of that of an array, and fetches each row once', async () => {
    const fetched: number[] = [];
    const own = source(inputs.data);
    const counting = {
      ...own,
      gather: async (rowNumbers: Uint32Array, into: Float32Array | Uint8Array) => {
        fetched.push(rowNumbers.length);
        await own.gather(rowNumbers, into);
      },
    };
    expect(await standardScaling(counting)).toEqual(standardScaling(inputs));
    expect(fetched.length).toBeGreaterThan(1);
    expect(fetched.reduce((sum, count) => sum + count, 0)).toBe(rows);
  });

  test('names row and feature of what is not finite', async () => {
    const data = inputs.data.slice();
    data[280_000 * 4 + 2] = Number.NaN;
    const error = await failure(async () => standardScaling(source(data)));
    expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', argument: 'inputs', row: 280_000, feature: 2 });
  });
});

describe('standardScaling of numbers that are not ordinary', () => {
  test('names row, feature and value of the first that is not finite (F12)', async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const inputs = tensor(50, (row) => [row, row === 20 || row === 30 ? value : 1, row === 40 ? value : 2]);
      const error = await failure(async () => standardScaling(inputs));
      expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', argument: 'inputs', row: 20, feature: 1, value });
      expect(error.message).toContain(
        `inputs[20, 1] is ${value}, but features must be finite numbers: impute it`,
      );
    }
  });

  test('features of denormal numbers count as constant, the largest of float32 do not: every scale is finite (F12)', () => {
    const inputs = tensor(4, (row) => [row * 1e-45, row * 1e-41, row * 1e-37, row * 1e38, 1e-40]);
    const { shift, scale } = standardScaling(inputs);
    expect([...(scale as Float32Array)].map(Number.isFinite)).toEqual([true, true, true, true, true]);
    expect([...(shift as Float32Array)].map(Number.isFinite)).toEqual([true, true, true, true, true]);
    expect([...(scale as Float32Array)].map((it) => it === 1)).toEqual([true, true, false, false, true]);
    scaleFeatures(inputs, { shift, scale });
    expect(inputs.data.every(Number.isFinite)).toBe(true);
  });
});

describe('scaleFeatures and standardScaling', () => {
  test.each([
    ['no tensor', Float32Array.of(1), 'ERR_TYPE', /^inputs is Float32Array\(1\)/],
    [
      'another type',
      { type: 'float64', dims: [1, 1], data: Float64Array.of(1) },
      'ERR_TYPE',
      /data a Float32Array/,
    ],
    [
      'no dims',
      { type: 'float32', dims: [], data: Float32Array.of(1) },
      'ERR_SHAPE',
      /^inputs\.dims is \[\]/,
    ],
    [
      'dims that do not fit',
      { type: 'float32', dims: [1, 3], data: new Float32Array(4) },
      'ERR_SHAPE',
      /4 elements/,
    ],
  ])('%s is refused', async (_, inputs, code, message) => {
    for (const call of [
      () => scaleFeatures(inputs as never, { shift: 0, scale: 1 }),
      () => standardScaling(inputs as never),
    ]) {
      const error = await failure(async () => call());
      expect(error.code).toBe(code);
      expect(error.message).toMatch(message);
    }
  });
});
