// The loss over a linear layer and its gradients.
import type { Losses } from '#softshard/main/index.js';
import type { Case, Place, Values } from '../case.js';
import { Inputs } from '../inputs.js';
import { lossCall, resultValues } from './cross-entropy.js';
import { ALL_AT_ONCE, MORE_OPTIONS, OPTION_GROUPS, type OptionGroup } from './cross-entropy-options.js';
import { SEVENTEEN } from './rows.js';

type Shape = readonly [rows: number, features: number, classes: number];

interface LinearCase {
  readonly what: string;
  readonly shape: Shape;
  /** Of inputs, weights and bias; default: all float32. */
  readonly types?: readonly [Losses.LinearType, Losses.LinearType, Losses.LinearType | undefined];
  readonly groups?: readonly OptionGroup[];
  readonly options?: (shape: Shape, inputs: Inputs) => Losses.LinearCrossEntropyOptions;
}

const FLOATS = ['float32', 'float32', 'float32'] as const;

function linearCase({ what, shape, types = FLOATS, groups = [], options }: LinearCase): Case {
  const [rows, features, classes] = shape;
  return {
    name: `linearCrossEntropy: ${what}, ${types.join(', ')}, ${rows} rows, ${features} features, ${classes} classes`,
    // All of it is in the arena at once.
    room: 0,
    run: async (place) => {
      const inputs = new Inputs(31);
      const x = place.put(types[0], [rows, features], inputs.floats(types[0], rows * features, 2));
      const w = place.put(types[1], [features, classes], inputs.floats(types[1], features * classes, 1));
      const b = types[2] && place.put(types[2], [classes], inputs.floats(types[2], classes, 1));
      const call = lossCall({ rows, classes }, groups, inputs);
      const { targets, mask, ...given } = placed(place, [rows, classes], call);
      const { gradInputs, gradWeights, gradBias, ...result } = await place.engine.linearCrossEntropy(
        x,
        w,
        b,
        targets,
        { ...given, ...(mask && { mask }), ...options?.(shape, inputs) },
      );
      return {
        ...resultValues(result),
        gradInputs: place.take(gradInputs),
        gradWeights: place.take(gradWeights),
        gradBias: place.take(gradBias),
      } satisfies Values;
    },
  };
}

function placed(
  { put }: Place,
  dims: readonly number[],
  { targets, dense, options }: ReturnType<typeof lossCall>,
) {
  const { mask, ...others } = options;
  const classes = put('int32', [targets.length], targets);
  const shares = dense instanceof Float32Array ? put('float32', dims, dense) : dense;
  return {
    ...others,
    targets: shares ?? classes,
    mask: mask instanceof Uint8Array ? put('uint8', dims, mask) : undefined,
  };
}

const plain = (...shape: Shape): Case => linearCase({ what: 'plain', shape });

const shapes: readonly Case[] = [
  ...SEVENTEEN.map((classes) => plain(7, 5, classes)),
  ...SEVENTEEN.map((features) => plain(5, features, 6)),
  // A gradient sums 48 rows before it adds them up, forward tiles have 192, blocks of rows 512, chunks 1536 at most.
  ...[1, 47, 48, 49, 97, 191, 192, 193].map((rows) => plain(rows, 3, 5)),
  ...[513, 1537].map((rows) => plain(rows, 2, 9)),
  // 512 features are summed at a time, blocks have 192.
  ...[191, 192, 193, 511, 512, 513].map((features) => plain(2, features, 3)),
  // Panels are 4, 8 or 12 wide, blocks of classes at most 256; a multiple of 1024 gets a panel of zeros.
  ...[20, 24, 25, 255, 256, 257, 513, 1023, 1024, 1025].map((classes) => plain(3, 2, classes)),
  plain(3, 2, 8193),
  plain(50, 40, 300),
];

const WORKSPACE = (bytes: number) => (): Losses.LinearCrossEntropyOptions => ({ workspaceBytes: bytes });
const chunks: readonly Case[] = [
  linearCase({ what: 'chunks of few rows', shape: [200, 19, 23], options: WORKSPACE(420_000) }),
  linearCase({ what: 'one chunk', shape: [200, 19, 23] }),
  linearCase({
    what: 'chunks of few rows, ignored rows and weights',
    shape: [200, 19, 23],
    groups: [OPTION_GROUPS['ignored rows']!, OPTION_GROUPS.weight!, OPTION_GROUPS.sampleWeight!],
    options: WORKSPACE(420_000),
  }),
  linearCase({ what: 'chunks of few rows', shape: [150, 7, 700], options: WORKSPACE(1_600_000) }),
];

const gradients: readonly Case[] = [
  linearCase({ what: 'no gradients', shape: [30, 7, 9], options: () => ({ gradients: false }) }),
  linearCase({
    what: 'frozen weights',
    shape: [30, 7, 9],
    options: () => ({ gradients: { weights: false, bias: false } }),
  }),
  linearCase({
    what: 'gradWeights alone, ignored rows',
    shape: [30, 7, 9],
    groups: [OPTION_GROUPS['ignored rows']!],
    options: () => ({ gradients: { inputs: false, bias: false } }),
  }),
  linearCase({
    what: 'accumulated',
    shape: [61, 7, 9],
    groups: [OPTION_GROUPS['reduction sum']!],
    options: ([rows, features, classes], inputs) => ({
      accumulate: true,
      into: {
        gradInputs: inputs.float32(rows * features, 1),
        gradWeights: inputs.float32(features * classes, 1),
        gradBias: inputs.float32(classes, 1),
      },
    }),
  }),
  linearCase({ what: 'without bias', shape: [30, 7, 9], types: ['float32', 'float32', undefined] }),
];

const halves: readonly Case[] = (
  [
    ['bfloat16', 'bfloat16', 'bfloat16'],
    ['float16', 'float16', 'float16'],
    ['float32', 'bfloat16', 'float32'],
    ['bfloat16', 'float32', undefined],
    ['float16', 'bfloat16', 'float32'],
  ] as const
).flatMap((types) => [
  linearCase({ what: 'plain', shape: [50, 9, 11], types }),
  linearCase({
    what: 'all options, chunks of few rows',
    shape: [101, 5, 33],
    types,
    groups: ALL_AT_ONCE.map((name) => OPTION_GROUPS[name]!),
    options: WORKSPACE(500_000),
  }),
]);

const options: readonly Case[] = Object.entries({ ...OPTION_GROUPS, ...MORE_OPTIONS }).map(([what, group]) =>
  linearCase({ what, shape: [10, 4, 7], groups: [group] }),
);

const together: readonly Case[] = [
  linearCase({
    what: 'all options',
    shape: [53, 6, 19],
    groups: ALL_AT_ONCE.map((name) => OPTION_GROUPS[name]!),
  }),
  linearCase({
    what: 'all options, soft targets',
    shape: [53, 6, 19],
    groups: [...ALL_AT_ONCE.filter((name) => name !== 'ignored rows'), 'soft targets'].map(
      (name) => OPTION_GROUPS[name]!,
    ),
  }),
  linearCase({
    what: 'all options',
    shape: [49, 3, 600],
    groups: ALL_AT_ONCE.map((name) => OPTION_GROUPS[name]!),
  }),
];

export const linearCases: readonly Case[] = [
  ...shapes,
  ...chunks,
  ...gradients,
  ...halves,
  ...options,
  ...together,
];
