// Softmax, log-softmax and log-sum-exp.
import type { FloatType, Tensor } from '#softshard/main/index.js';
import { type Case, type Place, shapeName, type Values } from '../case.js';
import { asType, Inputs, product } from '../inputs.js';

export const FLOAT_TYPES: readonly FloatType[] = ['float32', 'float64', 'bfloat16', 'float16'];
export const SEVENTEEN = Array.from({ length: 17 }, (_, index) => index + 1);

async function computeRows(
  { engine, take }: Place,
  logits: Tensor<FloatType>,
  axis: number,
): Promise<Values> {
  return {
    softmax: take(await engine.softmax(logits, { axis })),
    logSoftmax: take(await engine.logSoftmax(logits, { axis })),
    logSumExp: take(await engine.logSumExp(logits, { axis })),
  };
}

const nameOf = (type: FloatType, what: string) => `softmax, logSoftmax, logSumExp: ${type} ${what}`;

function shapeCase(type: FloatType, dims: readonly number[], axis = -1): Case {
  const along = axis === -1 ? '' : ` along axis ${axis}`;
  return {
    name: nameOf(type, `${shapeName(dims)}${along}`),
    run: (place) =>
      computeRows(place, place.put(type, dims, new Inputs(1).floats(type, product(dims), 9)), axis),
  };
}

/** Whole groups of 16 rows and some more, where rows of few columns are taken in groups. */
const widths: readonly Case[] = [
  ...SEVENTEEN.map((columns) => shapeCase('float32', [19, columns])),
  ...[23, 31, 32, 33, 39, 40, 41].map((columns) => shapeCase('float32', [18, columns])),
  ...[47, 63, 64, 65, 100, 127, 128, 129, 255, 257, 511, 1025].map((columns) =>
    shapeCase('float32', [2, columns]),
  ),
  ...(['float64', 'bfloat16', 'float16'] as const).flatMap((type) => [
    ...SEVENTEEN.map((columns) => shapeCase(type, [5, columns])),
    ...[31, 32, 33, 64, 65, 129, 257].map((columns) => shapeCase(type, [2, columns])),
  ]),
];

const axes: readonly Case[] = FLOAT_TYPES.flatMap((type) => [
  shapeCase(type, [3, 5, 7], 0),
  shapeCase(type, [3, 5, 7], 1),
  shapeCase(type, [3, 5, 7], -1),
  shapeCase(type, [2, 9, 4, 3], -3),
  shapeCase(type, [6, 35], 0),
  shapeCase(type, [1, 1, 1], 1),
  shapeCase(type, [0, 5]),
  // More neighbors than a tile has; shards are parts of an outer dimension.
  shapeCase(type, [2, 40, 431], 1),
]);

/** A shard has 16384 elements at most, and whole groups of 16 rows. */
const shards: readonly Case[] = [
  ...[2335, 2336, 2337].map((rows) => shapeCase('float32', [rows, 7])),
  ...[15, 16, 17, 33].map((rows) => shapeCase('float32', [rows, 1024])),
  ...[16383, 16384, 16385].map((columns) => shapeCase('float32', [2, columns])),
  shapeCase('float32', [16, 2, 517]),
  ...(['float64', 'bfloat16', 'float16'] as const).flatMap((type) => [
    shapeCase(type, [17, 1024]),
    shapeCase(type, [2337, 7]),
    shapeCase(type, [2, 16385]),
  ]),
];

/** Too large for the calling thread alone. */
const gangs: readonly Case[] = [
  shapeCase('float32', [16401, 3]),
  shapeCase('float32', [2625, 50]),
  shapeCase('float32', [3, 50021]),
  shapeCase('float64', [1, 70001]),
];

/** Ties, infinities, NaN, the largest numbers and the smallest, in each row. */
const EDGES: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0, 0, 0, 0, 0],
  [-0, 0, -0, 0, -0, 0, -0, 0, -0],
  [1, 1, 1, 1, 1, 1, 1, 1, 1.0078125],
  [Infinity, 0, 1, 2, 3, 4, 5, 6, 7],
  [Infinity, Infinity, 1, 2, 3, 4, 5, 6, 7],
  [-Infinity, 0, 1, -Infinity, 3, 4, 5, 6, 7],
  Array<number>(9).fill(-Infinity),
  [...Array<number>(8).fill(-Infinity), 3],
  [Number.NaN, 0, 1, 2, 3, 4, 5, 6, 7],
  [0, 1, 2, 3, 4, 5, 6, 7, Number.NaN],
  [Infinity, -Infinity, Number.NaN, 0, 1, 2, 3, 4, 5],
  [3e38, -3e38, 3e38, 1, 2, 3, 4, 5, 6],
  [65504, -65504, 60000, 1, 2, 3, 4, 5, 6],
  [2 ** -149, 2 ** -126, -(2 ** -140), 0, 2 ** -24, 0, 0, 0, 0],
  [88, -88, -104, 87, -87.5, -103.9, 0, 1, -745],
  [700, -745, 709, -708, 0, 1, 2, -1000, 710],
  [40, 0, 0, 0, 0, 0, 0, 0, 0],
  [0, 20, 0.5, 0.25, 0.125, -20, -30, -40, -50],
];

export const edgeRows = EDGES.flat();
export const EDGE_DIMS: readonly [number, number] = [EDGES.length, 9];

const edges: readonly Case[] = FLOAT_TYPES.map((type) => ({
  name: nameOf(type, 'ties, infinities, NaN and extreme numbers'),
  run: (place) => computeRows(place, place.put(type, EDGE_DIMS, asType(type, edgeRows)), -1),
}));

/** `into` is the logits themselves. */
const inPlace: readonly Case[] = FLOAT_TYPES.flatMap((type) =>
  [
    { dims: [21, 13], axis: -1 },
    { dims: [3, 11, 5], axis: 1 },
    { dims: [17, 1024], axis: -1 },
  ].map(
    ({ dims, axis }): Case => ({
      name: `softmax and logSoftmax in place: ${type} ${shapeName(dims)} along axis ${axis}`,
      run: async ({ engine, put, take }) => {
        const values: Record<string, Values[string]> = {};
        for (const operation of ['softmax', 'logSoftmax'] as const) {
          const logits = put(type, dims, new Inputs(2).floats(type, product(dims), 9));
          values[operation] = take(await engine[operation](logits, { axis, into: logits }));
        }
        return values;
      },
    }),
  ),
);

const bare: readonly Case[] = (['float32', 'float64'] as const).map((type) => ({
  name: `softmax, logSoftmax, logSumExp: bare ${type} array of 19 columns`,
  run: async ({ engine, put, take }) => {
    const columns = 19;
    const logits = new Inputs(3).floats(type, 7 * columns, 9);
    const into = put(type, [7, columns], asType(type, new Float64Array(7 * columns)));
    return {
      softmax: take(await engine.softmax(logits, { columns })),
      logSoftmax: take(await engine.logSoftmax(logits, { columns, into })),
      logSumExp: take(await engine.logSumExp(logits, { columns })),
    };
  },
}));

export const rowCases: readonly Case[] = [
  ...widths,
  ...axes,
  ...shards,
  ...gangs,
  ...edges,
  ...inPlace,
  ...bare,
];
