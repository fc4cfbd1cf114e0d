// How exact the logarithm and the softplus are that the row losses are made of, on each build.
import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { TYPE_FLOAT32, TYPE_FLOAT64 } from '#softshard/kernels/loss-layout.js';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import { expectWithin } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';

describe.each(builds)('accuracy of the row losses (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);
  const { kernels } = bench;

  test('the logarithm is within 1e-15 relative for every power of two, every seventh of float32 between, denormals too', () => {
    const bits: number[] = [1, 2, 3, 0x7fffff, 0x7f7fffff];
    for (let word = 1; word < 0x7f800000; word += 0x10007) bits.push(word);
    for (let exponent = 1; exponent < 255; exponent++)
      bits.push(exponent << 23, (exponent << 23) - 1, (exponent << 23) + 1);
    const values = new Float32Array(Uint32Array.from(bits).buffer);
    bench.reset();
    const ones = bench.putFloat32([1]);
    const value = bench.putFloat32([0]);
    const got = Array.from(values, (x) => {
      bench.float32(value, 1)[0] = x;
      const { ptr, read } = bench.float64Cell();
      kernels.probabilityLossRows(
        NULL_PTR,
        NULL_PTR,
        NULL_PTR,
        ptr,
        value,
        NULL_PTR,
        ones,
        TYPE_FLOAT32,
        1,
        1,
        0,
        1,
      );
      bench.allocate(0);
      return -read();
    });
    for (let i = 0; i < values.length; i++) {
      const wanted = Math.log(values[i]!);
      const error = Math.abs(got[i]! - wanted);
      if (!(error <= 1e-15 * Math.abs(wanted))) {
        expect.fail(`log(${values[i]}): expected ${wanted}, got ${got[i]}`);
      }
    }
  });

  test('softplus is within 4e-7 relative from e^-87 up to 1e30', () => {
    const xs = [
      ...randomValues(4000, 87, 5),
      ...randomValues(2000, 2, 6),
      0,
      -0,
      1e-30,
      -1e-30,
      80,
      -80,
      1e30,
      87.2,
      -87.2,
    ];
    const got = xs.map((x) => {
      bench.reset();
      const losses = bench.allocate(16);
      const sums = bench.float64Cell().ptr;
      // Target 0: the loss is softplus(x).
      kernels.binaryCrossEntropyRows(
        NULL_PTR,
        NULL_PTR,
        losses,
        sums,
        bench.putFloat32([x]),
        bench.putFloat32([0]),
        NULL_PTR,
        0,
        NULL_PTR,
        TYPE_FLOAT32,
        1,
        1,
        1,
      );
      return bench.float32(losses, 1)[0]!;
    });
    const wanted = xs.map(
      (x) => Math.max(Math.fround(x), 0) + Math.log1p(Math.exp(-Math.abs(Math.fround(x)))),
    );
    expectWithin(got, wanted, (value) => 4e-7 * value, 'softplus');
  });

  test('of float64: the logarithm within 1e-15 relative, softplus within 1.1e-15, from 1e-300 to 1e300', () => {
    const xs = Float64Array.from({ length: 20_000 }, (_, i) => {
      const spread = Math.sin(i * 12.9898) * 43758.5453;
      return 10 ** ((spread - Math.floor(spread)) * (i % 2 === 0 ? 600 : 2) - (i % 2 === 0 ? 300 : 1));
    });
    xs.set([1, 1 - 2 ** -53, 1 + 2 ** -52, Math.SQRT1_2, Math.SQRT2, 5e-324, 1e-310]);
    bench.reset();
    const [value, one, zero] = [bench.allocate(8), bench.allocate(8), bench.allocate(8)];
    bench.float64(one, 1)[0] = 1;
    bench.float64(zero, 1)[0] = 0;
    const { ptr: sums } = bench.float64Cell();
    const lossOf = (x: number, run: () => number) => {
      bench.float64(value, 1)[0] = x;
      bench.float64(sums, 1)[0] = 0;
      expect(run()).toBe(STATUS_OK);
      return bench.float64(sums, 1)[0]!;
    };
    const check = (what: string, x: number, got: number, wanted: number, bound: number) => {
      if (Math.abs(got - wanted) <= bound * Math.abs(wanted)) return;
      expect.fail(`${what} of ${x}: expected ${wanted}, got ${got}`);
    };
    for (const x of xs) {
      const log = lossOf(x, () =>
        kernels.probabilityLossRows(
          NULL_PTR,
          NULL_PTR,
          NULL_PTR,
          sums,
          value,
          NULL_PTR,
          one,
          TYPE_FLOAT64,
          1,
          1,
          0,
          1,
        ),
      );
      check('-log', x, log, -Math.log(x), 1e-15);
      for (const z of [x, -x]) {
        if (z < -700) continue;
        // Target 0: the loss is softplus(z).
        const softplus = lossOf(z, () =>
          kernels.binaryCrossEntropyRows(
            NULL_PTR,
            NULL_PTR,
            NULL_PTR,
            sums,
            value,
            zero,
            NULL_PTR,
            0,
            NULL_PTR,
            TYPE_FLOAT64,
            1,
            1,
            1,
          ),
        );
        check('softplus', z, softplus, Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))), 1.1e-15);
      }
    }
  });
});
