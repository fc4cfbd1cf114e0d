// The facts that a page holds as JSON: all of them, but for what is too long for a page.
import type { EvaluationFacts, ReportFacts } from './facts.js';

const MOST_LINES = 5000;
const MOST_CLASSES = 1000;
/** A confusion matrix has classes². */
const MOST_MATRIX = 200;
const MOST_HEADS = 5000;

/** How long lists were that have been cut. */
export interface Cut {
  readonly metrics?: number;
  readonly heads?: number;
  readonly classes?: number;
  readonly confusion?: number;
}

export type EmbeddedFacts = ReportFacts & { readonly cut?: Cut };

export function embeddedFacts(facts: ReportFacts): EmbeddedFacts {
  const { metrics = [], result } = facts;
  const { evaluation } = result ?? {};
  const classes = Math.max(
    result?.classNames?.length ?? 0,
    evaluation?.classNames?.length ?? 0,
    evaluation?.perClass?.length ?? 0,
  );
  const matrix = evaluation?.confusion?.length ?? 0;
  const heads = result?.heads?.length ?? 0;
  const cut: Cut = {
    ...(metrics.length > MOST_LINES && { metrics: metrics.length }),
    ...(heads > MOST_HEADS && { heads }),
    ...(classes > MOST_CLASSES && { classes }),
    ...(matrix > MOST_MATRIX && { confusion: matrix }),
  };
  if (Object.keys(cut).length === 0) return facts;
  return {
    ...facts,
    ...(facts.metrics && { metrics: evenly(metrics, MOST_LINES) }),
    ...(result && {
      result: {
        ...result,
        ...(result.heads && { heads: result.heads.slice(0, MOST_HEADS) }),
        ...(result.classNames && { classNames: result.classNames.slice(0, MOST_CLASSES) }),
        ...(evaluation && { evaluation: shorter(evaluation) }),
      },
    }),
    cut,
  };
}

const shorter = (evaluation: EvaluationFacts): EvaluationFacts => ({
  ...evaluation,
  ...(evaluation.classNames && { classNames: evaluation.classNames.slice(0, MOST_CLASSES) }),
  ...(evaluation.perClass && { perClass: evaluation.perClass.slice(0, MOST_CLASSES) }),
  ...((evaluation.confusion?.length ?? 0) > MOST_MATRIX && { confusion: null }),
});

/** Of equal distances, the first and the last among them. */
const evenly = <Item>(items: readonly Item[], most: number): readonly Item[] =>
  items.length <= most
    ? items
    : Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]!);
