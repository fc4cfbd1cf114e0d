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

/** Markdown, its columns aligned to the right as the formatter of this repository has them. */
export function comparisonTable({ crossEntropy, squaredError }: Comparison = compareLosses()): string {
  const headings = ['step', ...columnsOf('CE'), ...columnsOf('SE')];
  const widths = headings.map((heading) => heading.length);
  const line = (elements: readonly string[]) =>
    `| ${elements.map((element, column) => element.padStart(widths[column]!)).join(' | ')} |`;
  const rule = line(widths.map((width) => `${'-'.repeat(width - 1)}:`));
  const rows = STEPS_SHOWN.map((step) =>
    line([`${step}`, ...cells(crossEntropy[step]!), ...cells(squaredError[step]!)]),
  );
  return [line(headings), rule, ...rows].join('\n');
}

const columnsOf = (loss: string): string[] => [`${loss} loss`, `${loss} gradient norm`, `${loss} accuracy`];

const cells = ({ loss, gradientNorm, accuracy }: Progress): string[] => [
  loss.toFixed(3),
  gradientNorm.toFixed(4),
  `${(100 * accuracy).toFixed(1)} %`,
];
