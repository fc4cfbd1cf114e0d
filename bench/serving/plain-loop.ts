// What a server does without a library.
import type { Training } from '#softshard/main/index.js';

/** The class of a row by two loops over weights that lie class by class, as fast as plain JavaScript is. */
export function plainLoop({
  features,
  classes,
  weights,
  bias,
}: Training.Model): (row: ArrayLike<number>) => number {
  const byClass = Float32Array.from({ length: weights.length }, (_, i) => {
    const feature = i % features;
    return weights[feature * classes + (i - feature) / features]!;
  });
  return (row) => {
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (let column = 0, at = 0; column < classes; column++, at += features) {
      let logit = bias[column]!;
      for (let feature = 0; feature < features; feature++) logit += row[feature]! * byClass[at + feature]!;
      if (logit > most) {
        most = logit;
        best = column;
      }
    }
    return best;
  };
}
