// Batches for the tests of the general loss: every option alone, pairs of them, and all together.
import type { LossOptions, LossTargets } from '#softshard/kernels/reference/index.js';
import { mapRows, softmax } from '#softshard/kernels/reference/index.js';
import { randomTargets, randomValues } from '../workbench.js';

export const [rows, classes] = [6, 5];
export const logits = randomValues(rows * classes, 2, 101);
export const targets = randomTargets(rows, classes, 102);
export const softTargets = mapRows(randomValues(rows * classes, 2, 103), rows, classes, softmax);

/** In [0.25, 1.25), none 0. */
const positive = (length: number, seed: number) => randomValues(length, 0.5, seed).map((x) => x + 0.75);

/** Takes one class out of each row, never the row's target. */
const mask = Uint8Array.from({ length: rows * classes }, (_, i) => {
  const [row, j] = [Math.floor(i / classes), i % classes];
  return (targets[row]! + 1 + (row % 3)) % classes === j ? 0 : 1;
});

/** Each option by itself, at a value that matters. */
export const options: Readonly<Record<string, LossOptions>> = {
  weight: { weight: positive(classes, 104) },
  sampleWeight: { sampleWeight: positive(rows, 105) },
  ignoreIndex: { ignoreIndex: targets[1]! },
  labelSmoothing: { labelSmoothing: 0.1 },
  mask: { mask },
  temperature: { temperature: 1.7 },
  softcap: { softcap: 3 },
  zLoss: { zLoss: 0.01 },
  focalGamma: { focalGamma: 2 },
};

const names = Object.keys(options);

/** No option, each alone, each pair, all: 1 + 9 + 36 + 1. */
export const combinations: readonly (readonly [name: string, options: LossOptions])[] = [
  ['no option', {}],
  ...names.map((name) => [name, options[name]!] as const),
  ...names.flatMap((first, i) =>
    names
      .slice(i + 1)
      .map((second) => [`${first} and ${second}`, { ...options[first], ...options[second] }] as const),
  ),
  ['all options together', Object.assign({}, ...Object.values(options)) as LossOptions],
];

export const bothTargets: readonly (readonly [name: string, targets: LossTargets])[] = [
  ['class indices', targets],
  ['soft targets', { softTargets }],
];
