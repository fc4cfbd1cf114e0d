// linearCrossEntropy of bfloat16 and float16 operands: the bits of the call on the widened numbers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ArenaTensor, Engine, type Losses, type Tensor } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { expectClose } from './linear-layers.js';
import { numbersOf } from './typed-rows.js';

type Types = readonly [
  inputs: Losses.LinearType,
  weights: Losses.LinearType,
  bias: Losses.LinearType | undefined,
];

const TYPES: readonly Types[] = [
  ['bfloat16', 'bfloat16', 'bfloat16'],
  ['float16', 'float16', undefined],
  ['float16', 'bfloat16', 'float16'],
  ['bfloat16', 'float32', undefined],
  ['float32', 'float16', 'float32'],
  ['float32', 'float32', 'bfloat16'],
];
const SHAPES: readonly (readonly [rows: number, features: number, classes: number])[] = [
  [1, 1, 1],
  [3, 1, 7],
  [23, 17, 10],
  [25, 9, 129],
  [100, 33, 300],
  [49, 600, 67],
  [5, 1030, 257],
  [1700, 6, 12],
];

interface Layer {
  readonly inputs: Tensor<Losses.LinearType>;
  readonly weights: Tensor<Losses.LinearType>;
  readonly bias: Tensor<Losses.LinearType> | undefined;
  readonly targets: Int32Array;
}

/** Numbers of about that size, with denormals among them. */
function tensorOf(
  type: Losses.LinearType,
  dims: readonly number[],
  scale: number,
  seed: number,
): Tensor<Losses.LinearType> {
  const length = dims.reduce((product, dim) => product * dim, 1);
  const values = randomValues(length, scale, seed);
  if (type === 'float32') return { type, dims, data: values };
  if (type === 'bfloat16') {
    const data = Uint16Array.from(new Uint32Array(values.buffer), (bits, i) =>
      i % 19 === 7 ? i % 128 : bits >>> 16,
    );
    return { type, dims, data };
  }
  // Sign and fraction at random, exponents from 0 (denormals) to below the scale.
  const exponents = 15 + Math.floor(Math.log2(scale));
  const data = Uint16Array.from(new Uint32Array(values.buffer), (bits, i) => {
    const exponent = i % 19 === 7 ? 0 : exponents - ((bits >>> 12) & 3);
    return ((bits >>> 16) & 0x8000) | (exponent << 10) | (bits & 1023);
  });
  return { type, dims, data };
}

function layerOf([rows, features, classes]: (typeof SHAPES)[number], [x, w, b]: Types): Layer {
  return {
    inputs: tensorOf(x, [rows, features], 1, 1),
    weights: tensorOf(w, [features, classes], 1 / Math.sqrt(features), 2),
    bias: b === undefined ? undefined : tensorOf(b, [classes], 1, 3),
    targets: randomTargets(rows, classes, 4),
  };
}

const widened = (tensor: Tensor<Losses.LinearType>): Tensor<'float32'> => ({
  type: 'float32',
  dims: tensor.dims,
  data: numbersOf(tensor) as Float32Array,
});

const wide = ({ inputs, weights, bias, targets }: Layer): Layer => ({
  inputs: widened(inputs),
  weights: widened(weights),
  bias: bias === undefined ? undefined : widened(bias),
  targets,
});

const gradientsOf = ({
  gradInputs,
  gradWeights,
  gradBias,
}: Losses.LinearCrossEntropyResult): Float32Array[] =>
  [gradInputs, gradWeights, gradBias].flatMap((gradient) => (gradient === undefined ? [] : [gradient.data]));

const bitsOfResult = (result: Losses.LinearCrossEntropyResult): string =>
  bitsOf(
    result.loss,
    result.lossSum,
    ...(result.losses === undefined ? [] : [result.losses]),
    ...Object.values(result.statistics ?? {}),
    ...gradientsOf(result),
  );

describe.each(builds)('linearCrossEntropy of half types (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (
    { inputs, weights, bias, targets }: Layer,
    options: Losses.LinearCrossEntropyOptions = {},
    on = engine,
  ) => on.linearCrossEntropy(inputs, weights, bias, targets, options);

  /** A BLAS multiplies blocks of other sizes then, so the last bits may differ. */
  function expectSame(
    got: Losses.LinearCrossEntropyResult,
    wanted: Losses.LinearCrossEntropyResult,
    what: string,
  ): void {
    if (engine.blas === undefined) {
      expect(bitsOfResult(got), what).toBe(bitsOfResult(wanted));
      return;
    }
    expect(Math.abs(got.loss - wanted.loss), what).toBeLessThanOrEqual(2e-6 * Math.max(1, wanted.loss));
    for (const [i, gradient] of gradientsOf(got).entries()) {
      expectClose(gradient, gradientsOf(wanted)[i]!, 1e-5, what);
    }
  }

  test.each(SHAPES)('%i × %i inputs, %i classes: the bits of the widened numbers', async (...shape) => {
    for (const types of TYPES) {
      const layer = layerOf(shape, types);
      const result = await run(layer);
      expect(gradientsOf(result).every((gradient) => gradient instanceof Float32Array)).toBe(true);
      expect(result.gradInputs).toMatchObject({ type: 'float32', dims: layer.inputs.dims });
      expectSame(result, await run(wide(layer)), types.join());
    }
  });

  test('the same with each option, frozen parts, ignored rows of NaN and accumulation', async () => {
    const shape = [331, 40, 300] as const;
    const [rows, features, classes] = shape;
    const sets: Losses.LinearCrossEntropyOptions[] = [
      { reduction: 'sum', labelSmoothing: 0.1, zLoss: 1e-3, softcap: 4 },
      { reduction: 'none', statistics: ['logSumExp', 'argMax'], focalGamma: 2 },
      { gradients: false },
      { gradients: { weights: false, bias: false } },
      { gradients: { inputs: false }, workspaceBytes: 1024 * 1024 },
      { weight: randomValues(classes, 0.5, 7).map((w) => w + 1), temperature: 0.7 },
    ];
    for (const types of TYPES) {
      const layer = layerOf(shape, types);
      const ignoring = {
        ...layer,
        targets: layer.targets.map((target, row) => (row % 7 === 3 ? -100 : target)),
      };
      if (types[0] === 'bfloat16')
        (layer.inputs.data as Uint16Array).fill(0x7fc1, 3 * features, 4 * features);
      for (const options of sets) {
        for (const each of types[0] === 'bfloat16' ? [ignoring] : [layer, ignoring]) {
          const result = await run(each, options);
          const wanted = await run(wide(each), options);
          expectSame(result, wanted, `${types.join()} ${JSON.stringify(options)}`);
          expect(Number.isFinite(result.lossSum)).toBe(true);
        }
      }
      const into = () => ({
        gradInputs: randomValues(rows * features, 1, 5),
        gradWeights: {
          type: 'float32',
          dims: [features, classes],
          data: randomValues(features * classes, 1, 6),
        } as const,
        ...(types[2] && { gradBias: randomValues(classes, 1, 7) }),
      });
      const added = await run(ignoring, { accumulate: true, into: into() });
      expectSame(added, await run(wide(ignoring), { accumulate: true, into: into() }), types.join());
    }
  });

  test('the same bits for 1, 2, 3 and 8 threads, for any workspace, inside and outside the arena', async () => {
    const cases = TYPES.map((types) => ({ layer: layerOf([331, 70, 700], types), seen: new Set<string>() }));
    for (const threads of [1, 2, 3, 8]) {
      const other = await Engine.create({ threads, numerics });
      try {
        for (const { layer, seen } of cases) {
          seen.add(bitsOfResult(await run(layer, {}, other)));
          if (other.blas !== undefined) continue;
          seen.add(bitsOfResult(await run(layer, { workspaceBytes: 2 * 1024 * 1024 }, other)));
        }
      } finally {
        await other.close();
      }
    }
    const { usedBytes } = engine.memoryUsage();
    for (const { layer, seen } of cases) {
      if (engine.blas === undefined) seen.add(bitsOfResult(await run(wide(layer))));
      const inArena = <Type extends Losses.LinearType>({ type, dims, data }: Tensor<Type>) => {
        const tensor = engine.tensor(type, dims);
        tensor.data.set(data);
        return tensor;
      };
      const inside = {
        inputs: inArena(layer.inputs),
        weights: inArena(layer.weights),
        bias: layer.bias && inArena(layer.bias),
        targets: layer.targets,
      };
      const result = await run(inside);
      seen.add(bitsOfResult(result));
      for (const gradient of [result.gradInputs, result.gradWeights, result.gradBias]) {
        // In the arena, as the operands are: these can be freed.
        (gradient as ArenaTensor<'float32'> | undefined)?.free();
      }
      for (const operand of [inside.inputs, inside.weights, inside.bias]) operand?.free();
      expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
      expectSameBits(seen);
    }
  });

  test('takes no more than the halves, the targets and the workspace: no float32 copy of the weights', async () => {
    const layer = layerOf([200, 300, 5000], ['bfloat16', 'bfloat16', 'bfloat16']);
    const fresh = await Engine.create({ threads: 2, numerics });
    try {
      const least = await failure(() => run(layer, { workspaceBytes: 1 }, fresh));
      const workspaceBytes = Number(/at least (\d+)/.exec(least.message)![1]);
      for (const bytes of [workspaceBytes, 4 * 1024 * 1024]) {
        const { usedBytes } = fresh.memoryUsage();
        const result = await run(layer, { gradients: false, workspaceBytes: bytes }, fresh);
        const operands = 2 * (200 * 300 + 300 * 5000 + 5000) + 4 * 200;
        // Each allocation is rounded up to 128 bytes.
        expect(fresh.memoryUsage().peakBytes - usedBytes).toBeLessThanOrEqual(operands + bytes + 4 * 128);
        expectSame(result, await run(wide(layer), { gradients: false }), 'loss');
      }
      await failure(() => run(layer, { workspaceBytes: workspaceBytes - 1 }, fresh));
    } finally {
      await fresh.close();
    }
  });

  test('Float16Array is taken where there is one, as its bits', async () => {
    const { Float16Array } = globalThis as { Float16Array?: new (buffer: ArrayBufferLike) => Uint16Array };
    if (Float16Array === undefined) return;
    const layer = layerOf([20, 5, 30], ['float16', 'float16', 'float16']);
    const asFloats = (tensor: Tensor<Losses.LinearType>) =>
      ({ ...tensor, data: new Float16Array(tensor.data.buffer) }) as Tensor<Losses.LinearType>;
    const floats = {
      ...layer,
      inputs: asFloats(layer.inputs),
      weights: asFloats(layer.weights),
      bias: asFloats(layer.bias!),
    };
    expect(bitsOfResult(await run(floats))).toBe(bitsOfResult(await run(layer)));
  });

  test('other types are refused by an error that names those that are taken, before any output is touched', async () => {
    const layer = layerOf([10, 4, 6], ['bfloat16', 'bfloat16', 'bfloat16']);
    const gradWeights = new Float32Array(24).fill(5);
    const float64 = (tensor: Tensor): never =>
      ({ type: 'float64', dims: tensor.dims, data: new Float64Array(tensor.data.length) }) as never;
    const untyped = (tensor: Tensor): never => ({ dims: tensor.dims, data: tensor.data }) as never;
    const cases: [Layer, string][] = [];
    for (const name of ['inputs', 'weights', 'bias'] as const) {
      for (const wrong of [float64, untyped]) {
        cases.push([{ ...layer, [name]: wrong(layer[name]!) }, `${name}.data`]);
      }
      cases.push([{ ...layer, [name]: layer[name]!.data }, name]);
      cases.push([{ ...layer, [name]: new Float64Array(24) }, name]);
    }
    for (const [wrong, argument] of cases) {
      const error = await failure(() => run(wrong, { into: { gradWeights } }));
      expect(error).toMatchObject({ code: 'ERR_TYPE', argument });
      expect(error.message).toMatch(/Float32Array.*bfloat16 or float16/);
    }
    const into = { gradWeights: layer.weights as never };
    expect(await failure(() => run(layer, { into }))).toMatchObject({
      code: 'ERR_TYPE',
      argument: 'options.into.gradWeights.data',
    });
    expect(gradWeights.every((g) => g === 5)).toBe(true);
  });
});
