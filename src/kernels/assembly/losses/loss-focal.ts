// The focal loss: each -log p is multiplied by (1 - p)^gamma. In scalar float64, element by element.
import {
  ROW_COEFFICIENT_AT_TARGET,
  ROW_COEFFICIENT_SUM,
  ROW_DOMINANT,
  ROW_EXPONENTIALS,
  ROW_LOG_SUM,
  ROW_MAX,
  ROW_OTHERS,
  ROW_SUM,
  ROW_TARGET_SCORE,
} from './loss-scratch';

// With f(p) = -(1 - p)^gamma log p a term of the loss is c f(p_j), and its part in the gradient
//
//   h_j = c f'(p_j) p_j = c (1 - p_j)^gamma (gamma p_j r - 1),   r = log p_j / (1 - p_j)
//
// where r has the limit -1 at p_j = 1, and nothing is divided by (1 - p)^(1 - gamma). gamma = 0 would give h = -c: so
// -h takes the place of the coefficient, and the gradient's pass does not depend on gamma.

/** The loss of the one-hot part; its coefficient becomes -h. */
export function focalAtTarget(scratch: usize, gamma: f64): f64 {
  const c = load<f64>(scratch, ROW_COEFFICIENT_AT_TARGET);
  if (c == 0) return 0;
  const logP = load<f64>(scratch, ROW_TARGET_SCORE) - load<f64>(scratch, ROW_MAX) - load<f64>(scratch, ROW_LOG_SUM);
  // 1 - p, with all digits also where p is close to 1.
  const others = 0 - Math.expm1(logP);
  const power = powerOf(others, gamma);
  store<f64>(scratch, c * power * slopeFactor(1 - others, logP, others, gamma), ROW_COEFFICIENT_AT_TARGET);
  return c * power * (0 - logP);
}

/** The loss of the row of coefficients; each becomes its -h, and ROW_COEFFICIENT_SUM their sum. */
export function focalRow<T>(scratch: usize, coefficients: usize, scores: usize, columns: i32, gamma: f64): f64 {
  const max = load<f64>(scratch, ROW_MAX);
  const logSum = load<f64>(scratch, ROW_LOG_SUM);
  const factor = 1 / load<f64>(scratch, ROW_SUM);
  const exponentials = <usize>load<u32>(scratch, ROW_EXPONENTIALS);
  const dominant = load<i32>(scratch, ROW_DOMINANT);
  let loss: f64 = 0;
  let sum: f64 = 0;
  for (let j = 0; j < columns; j++) {
    const at = <usize>j * sizeof<T>();
    const c = <f64>load<T>(coefficients + at);
    if (c == 0) continue;
    const logP = <f64>load<T>(scores + at) - max - logSum;
    const p = <f64>load<T>(exponentials + at) * factor;
    // Only the dominant class has a p close to 1, from which 1 - p would lose digits.
    const others = j == dominant ? load<f64>(scratch, ROW_OTHERS) * factor : 1 - p;
    const power = powerOf(others, gamma);
    loss += c * power * (0 - logP);
    const h = <T>(c * power * slopeFactor(p, logP, others, gamma));
    store<T>(coefficients + at, h);
    sum += <f64>h;
  }
  store<f64>(scratch, sum, ROW_COEFFICIENT_SUM);
  return loss;
}

/** others^gamma; the usual gammas without the power function. */
@inline
function powerOf(others: f64, gamma: f64): f64 {
  if (gamma == 2) return others * others;
  if (gamma == 1) return others;
  return Math.pow(others, gamma);
}

/** 1 - gamma p r; p is 0 where log p is -Infinity, or far below any other. */
@inline
function slopeFactor(p: f64, logP: f64, others: f64, gamma: f64): f64 {
  if (p == 0) return 1;
  return 1 - gamma * p * (others == 0 ? -1 : logP / others);
}
