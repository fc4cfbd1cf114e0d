// Softmax cross-entropy of logits and its gradient: plain, with each option, with each pair of them, and with all at once.
import type { FloatType, Losses, Targets } from '#softshard/main/index.js';
import { type Case, lossValues, named, type Place, shapeName, type Value, type Values } from '../case.js';
import { asType, Inputs, product } from '../inputs.js';
import {
  ALL_AT_ONCE,
  type GroupOptions,
  type LossShape,
  MORE_OPTIONS,
  OPTION_GROUPS,
  type OptionGroup,
  SOFT_STATISTICS,
} from './cross-entropy-options.js';
import { EDGE_DIMS, edgeRows, FLOAT_TYPES, SEVENTEEN } from './rows.js';

/** What a call with some groups of options takes; arrays of one entry for each class and row are in the order of rows. */
export interface LossCall {
  readonly targets: Int32Array;
  readonly dense: Float32Array | Float64Array | Uint8Array | undefined;
  readonly options: GroupOptions;
}

export function lossCall(shape: LossShape, groups: readonly OptionGroup[], inputs: Inputs): LossCall {
  const classes = inputs.classes(shape.rows, shape.classes);
  let targets = classes;
  let dense: LossCall['dense'];
  const options: GroupOptions = {};
  for (const group of groups) {
    Object.assign(options, group.options?.(shape, inputs, classes));
    targets = group.targets?.(targets, shape) ?? targets;
    dense = group.dense?.(shape, inputs, classes) ?? dense;
  }
  if (dense !== undefined && options.statistics) options.statistics = SOFT_STATISTICS;
  return { targets, dense, options };
}

type Layout = readonly [outer: number, columns: number, inner: number];

/** Rows of columns as [outer × columns × inner]. */
function turned<Values extends Float32Array | Float64Array | Uint8Array>(
  values: Values,
  [outer, columns, inner]: Layout,
): Values {
  if (inner === 1) return values;
  const result = values.slice() as Values;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      for (let column = 0; column < columns; column++) {
        result[(o * columns + column) * inner + i] = values[(o * inner + i) * columns + column]!;
      }
    }
  }
  return result;
}

/** In the order of the logits, where the place wants it. */
function placed(
  { put }: Place,
  dims: readonly number[],
  layout: Layout,
  { targets, dense, options }: LossCall,
): { readonly targets: Targets | ReturnType<typeof putDense>; readonly options: GroupOptions } {
  const putDense_ = (values: NonNullable<LossCall['dense']>) => putDense(put, dims, turned(values, layout));
  const { mask, ...others } = options;
  return {
    targets: dense === undefined ? put('int32', [targets.length], targets) : putDense_(dense),
    options: {
      ...others,
      ...(mask instanceof Uint8Array && { mask: put('uint8', dims, turned(mask, layout)) }),
    },
  };
}

function putDense(
  put: Place['put'],
  dims: readonly number[],
  values: Float32Array | Float64Array | Uint8Array,
) {
  if (values instanceof Float32Array) return put('float32', dims, values);
  return values instanceof Float64Array ? put('float64', dims, values) : put('uint8', dims, values);
}

export const resultValues = ({ statistics = {}, ...result }: Losses.CrossEntropyResult): Values => ({
  ...lossValues(result),
  zLoss: result.zLoss,
  ...named('statistics.', statistics as Record<string, Value>),
});

interface CallCase {
  readonly what: string;
  readonly type: FloatType;
  readonly dims: readonly number[];
  readonly axis?: number;
  readonly groups: readonly OptionGroup[];
  readonly logits?: ArrayLike<number>;
}

function callCase({ what, type, dims, axis = dims.length - 1, groups, logits }: CallCase): Case {
  const along = axis === dims.length - 1 ? '' : ` along axis ${axis}`;
  return {
    name: `crossEntropy, its gradient: ${what}, ${type} ${shapeName(dims)}${along}`,
    run: async (place) => {
      const { engine, put, take } = place;
      const layout: Layout = [product(dims.slice(0, axis)), dims[axis]!, product(dims.slice(axis + 1))];
      const shape: LossShape = { rows: layout[0] * layout[2], classes: layout[1] };
      const inputs = new Inputs(11);
      const numbers = logits ?? inputs.floats('float64', product(dims), 6);
      const { targets, options } = placed(place, dims, layout, lossCall(shape, groups, inputs));
      const tensor = put(type, dims, asType(type, numbers));
      const { gradLogits, ...result } = await engine.crossEntropyGradient(tensor, targets, {
        ...options,
        axis,
      });
      const { gradOutput: _, gradScale: __, ...forward } = options;
      return {
        ...resultValues(result),
        gradient: take(gradLogits),
        ...named(
          'without gradient: ',
          resultValues(await engine.crossEntropy(tensor, targets, { ...forward, axis })),
        ),
      };
    },
  };
}

const plain: readonly OptionGroup[] = [];
const allAtOnce = ALL_AT_ONCE.map((name) => OPTION_GROUPS[name]!);
const none = OPTION_GROUPS['reduction none']!;

const widths: readonly Case[] = [
  ...SEVENTEEN.map((columns) =>
    callCase({ what: 'plain', type: 'float32', dims: [19, columns], groups: plain }),
  ),
  ...[23, 31, 32, 33, 39, 40, 41, 64, 65, 129].map((columns) =>
    callCase({ what: 'plain', type: 'float32', dims: [18, columns], groups: plain }),
  ),
  ...[3, 10, 17, 40, 41].map((columns) =>
    callCase({ what: 'reduction none', type: 'float32', dims: [19, columns], groups: [none] }),
  ),
  ...SEVENTEEN.flatMap((columns) =>
    (['float32', 'float64'] as const).map((type) =>
      callCase({ what: 'all options', type, dims: [5, columns], groups: allAtOnce }),
    ),
  ),
  ...SEVENTEEN.map((columns) =>
    callCase({ what: 'plain', type: 'float64', dims: [5, columns], groups: plain }),
  ),
];

const singles: readonly Case[] = Object.entries({ ...OPTION_GROUPS, ...MORE_OPTIONS }).flatMap(
  ([what, group]) => [
    ...FLOAT_TYPES.map((type) => callCase({ what, type, dims: [9, 21], groups: [group] })),
    callCase({ what, type: 'float32', dims: [2, 6, 5], axis: 1, groups: [group] }),
  ],
);

/** Pairs that contradict each other are left out. */
const pairs: readonly Case[] = Object.entries(OPTION_GROUPS).flatMap(([first, a], index, all) =>
  all
    .slice(index + 1)
    .filter(([second, b]) => {
      const areReductions = first.startsWith('reduction') && second.startsWith('reduction');
      const areIndices = first === 'ignored rows' && second === 'ignoreIndex 1';
      const denseWithClasses = (a.dense && (b.dense ?? b.targets)) || (b.dense && a.targets);
      return !areReductions && !areIndices && !denseWithClasses;
    })
    .map(([second, b]) =>
      callCase({ what: `${first} and ${second}`, type: 'float32', dims: [11, 10], groups: [a, b] }),
    ),
);

const together: readonly Case[] = FLOAT_TYPES.flatMap((type) => {
  const soft = allAtOnce.filter((group) => group.targets === undefined);
  const softGroups = [...soft, OPTION_GROUPS['soft targets']!];
  return [
    callCase({ what: 'all options', type, dims: [3, 5, 7], axis: 0, groups: allAtOnce }),
    callCase({ what: 'all options', type, dims: [2, 7, 3, 4], axis: 1, groups: allAtOnce }),
    callCase({ what: 'all options, soft targets', type, dims: [3, 9, 4], axis: 1, groups: softGroups }),
    callCase({ what: 'all options', type, dims: [2, 40, 431], axis: 1, groups: allAtOnce }),
    callCase({ what: 'plain', type, dims: [2, 40, 431], axis: 1, groups: plain }),
    // Shards of 32 rows, tiles of as many.
    callCase({ what: 'all options', type, dims: [33, 500], groups: allAtOnce }),
    callCase({ what: 'plain', type, dims: [33, 500], groups: plain }),
    callCase({
      what: 'plain, infinities and NaN',
      type,
      dims: EDGE_DIMS,
      groups: [none],
      logits: edgeRows,
    }),
    callCase({
      what: 'all options, infinities and NaN',
      type,
      dims: EDGE_DIMS,
      groups: allAtOnce,
      logits: edgeRows,
    }),
    callCase({
      what: 'soft targets, smoothing, zeroTimesInfinity nan, infinities and NaN',
      type,
      dims: EDGE_DIMS,
      groups: [
        OPTION_GROUPS['soft targets']!,
        OPTION_GROUPS.labelSmoothing!,
        { options: () => ({ zeroTimesInfinity: 'nan' }) },
      ],
      logits: edgeRows,
    }),
  ];
});

const large: readonly Case[] = [
  callCase({ what: 'plain', type: 'float32', dims: [1821, 9], groups: plain }),
  ...[2335, 2336, 2337].map((rows) =>
    callCase({ what: 'plain', type: 'float32', dims: [rows, 7], groups: plain }),
  ),
  ...[31, 32].map((rows) =>
    callCase({ what: 'all options', type: 'float32', dims: [rows, 500], groups: allAtOnce }),
  ),
  callCase({ what: 'plain', type: 'float32', dims: [2, 20021], groups: plain }),
  callCase({ what: 'all options', type: 'float32', dims: [2, 20021], groups: allAtOnce }),
  callCase({ what: 'reduction none', type: 'float32', dims: [16401, 3], groups: [none] }),
  callCase({ what: 'plain', type: 'float32', dims: [2625, 50], groups: plain }),
];

const targetTypes: readonly Case[] = (
  [
    ['Uint8Array', (classes) => Uint8Array.from(classes)],
    ['Uint8ClampedArray', (classes) => Uint8ClampedArray.from(classes)],
    ['Uint16Array', (classes) => Uint16Array.from(classes)],
    ['Uint32Array', (classes) => Uint32Array.from(classes)],
    ['Int8Array', (classes) => Int8Array.from(classes)],
    ['Int16Array', (classes) => Int16Array.from(classes)],
    ['BigInt64Array', (classes) => BigInt64Array.from(classes, BigInt)],
    ['BigUint64Array', (classes) => BigUint64Array.from(classes, BigInt)],
    ['a plain array', (classes) => Array.from(classes)],
  ] satisfies [string, (classes: Int32Array) => Targets][]
).map(([what, targetsOf]) => ({
  name: `crossEntropyGradient in place: targets in ${what}, float32 [21 × 6]`,
  run: async ({ engine, put, take }) => {
    const inputs = new Inputs(12);
    const logits = put('float32', [21, 6], inputs.float32(21 * 6, 6));
    const targets = targetsOf(inputs.classes(21, 6));
    const { gradLogits, ...result } = await engine.crossEntropyGradient(logits, targets, { into: logits });
    return { ...resultValues(result), gradient: take(gradLogits) };
  },
}));

export const crossEntropyCases: readonly Case[] = [
  ...widths,
  ...singles,
  ...pairs,
  ...together,
  ...large,
  ...targetTypes,
];
