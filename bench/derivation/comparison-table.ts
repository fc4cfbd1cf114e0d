// The two runs of docs/derivation.md side by side, as a Markdown table and as numbers that its test can check.
import { confidentlyWrongStart, type Progress, threeClouds, train } from './confidently-wrong-start.js';

/** What the page says of the runs: 150 rows, logits wrong by 7.5 at the centers, both losses at the same rate. */
export const RUN = { rowsOfClass: 50, seed: 7, confidence: 5, learningRate: 0.5, steps: 500 } as const;

const STEPS_SHOWN = [0, 1, 5, 10, 20, 30, 50, 100, 200, 250, 300, 500];

export interface Comparison {
  readonly crossEntropy: readonly Progress[];
  readonly squaredError: readonly Progress[];
}

export function compareLosses(learningRate: number = RUN.learningRate): Comparison {
  const problem = threeClouds(RUN.rowsOfClass, RUN.seed);
  const start = confidentlyWrongStart(RUN.confidence);
  return {
    crossEntropy: train(problem, start, 'cross-entropy', learningRate, RUN.steps),
    squaredError: train(problem, start, 'squared error', learningRate, RUN.steps),
  };
}

export function comparisonTable({ crossEntropy, squaredError }: Comparison = compareLosses()): string {
  const header = [
    '| step | CE loss | CE gradient norm | CE accuracy | SE loss | SE gradient norm | SE accuracy |',
    '| ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
  ];
  const lines = STEPS_SHOWN.map((step) =>
    ['', step, ...cells(crossEntropy[step]!), ...cells(squaredError[step]!), ''].join(' | ').trim(),
  );
  return [...header, ...lines].join('\n');
}

const cells = ({ loss, gradientNorm, accuracy }: Progress): string[] => [
  loss.toFixed(3),
  gradientNorm.toFixed(4),
  `${(100 * accuracy).toFixed(1)} %`,
];
