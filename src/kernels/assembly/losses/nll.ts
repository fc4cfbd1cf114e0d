// Negative log-likelihood: the loss of log-probabilities that are given.
import { TYPE_FLOAT64 } from '../../loss-layout';
import { storeFloat, storeFloat64 } from '../vectors/not-a-number';

/** loss = -sampleWeight · weight_t · logProbability_t; see the contract in row-loss-kernels.ts. */
export function nllRows(
  gradient: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  logProbabilities: usize,
  targets: usize,
  weight: usize,
  sampleWeight: usize,
  type: i32,
  rows: i32,
  columns: i32,
  scale: f64,
): void {
  if (type == TYPE_FLOAT64) {
    rowsOf<f64>(
      gradient,
      gradOutput,
      losses,
      sums,
      logProbabilities,
      targets,
      weight,
      sampleWeight,
      rows,
      columns,
      scale,
    );
  } else {
    rowsOf<f32>(
      gradient,
      gradOutput,
      losses,
      sums,
      logProbabilities,
      targets,
      weight,
      sampleWeight,
      rows,
      columns,
      scale,
    );
  }
}

function rowsOf<T>(
  gradient: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  logProbabilities: usize,
  targets: usize,
  weight: usize,
  sampleWeight: usize,
  rows: i32,
  columns: i32,
  scale: f64,
): void {
  const rowBytes = <usize>columns * sizeof<T>();
  let total = load<f64>(sums);
  for (let i = 0; i < rows; i++) {
    const target = load<i32>(targets + ((<usize>i) << 2));
    let loss: f64 = 0;
    let factor: f64 = 0;
    const rowCell = <usize>i * sizeof<T>();
    if (<u32>target < <u32>columns) {
      const cell = <usize>target * sizeof<T>();
      const logProbability = <f64>load<T>(logProbabilities + cell);
      factor = weight ? <f64>load<T>(weight + cell) : 1;
      if (sampleWeight) factor *= <f64>load<T>(sampleWeight + rowCell);
      // A weight of 0 leaves the row out, also where its log-probability is infinite.
      if (factor != 0 || logProbability != logProbability) loss = 0 - factor * logProbability;
    }
    if (gradient) {
      memory.fill(gradient, 0, rowBytes);
      if (gradOutput) factor *= <f64>load<T>(gradOutput + rowCell);
      if (factor != 0) store<T>(gradient + <usize>target * sizeof<T>(), <T>(-factor * scale));
      gradient += rowBytes;
    }
    if (losses) storeFloat<T>(losses + rowCell, loss);
    total += loss;
    logProbabilities += rowBytes;
  }
  storeFloat64(sums, total);
}
