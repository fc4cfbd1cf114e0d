// Negative log-likelihood: the loss of log-probabilities that were made elsewhere.
import { storeFloat32, storeFloat64 } from "./not-a-number";

/** loss = -sampleWeight · weight_t · logProbability_t; see the contract in other-loss-kernels.ts. */
export function nllRows(
  gradient: usize,
  gradLosses: usize,
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
  const rowBytes = <usize>columns << 2;
  let total = load<f64>(sums);
  for (let i = 0; i < rows; i++) {
    const target = load<i32>(targets + (<usize>i << 2));
    let loss: f64 = 0;
    let factor: f64 = 0;
    const rowCell = <usize>i << 2;
    if (<u32>target < <u32>columns) {
      const cell = <usize>target << 2;
      const logProbability = <f64>load<f32>(logProbabilities + cell);
      factor = weight ? <f64>load<f32>(weight + cell) : 1;
      if (sampleWeight) factor *= <f64>load<f32>(sampleWeight + rowCell);
      // A weight of 0 leaves the row out, also where its log-probability is infinite.
      if (factor != 0 || logProbability != logProbability) loss = 0 - factor * logProbability;
    }
    if (gradient) {
      memory.fill(gradient, 0, rowBytes);
      if (gradLosses) factor *= <f64>load<f32>(gradLosses + rowCell);
      if (factor != 0) store<f32>(gradient + (<usize>target << 2), <f32>(-factor * scale));
      gradient += rowBytes;
    }
    if (losses) storeFloat32(losses + rowCell, loss);
    total += loss;
    logProbabilities += rowBytes;
  }
  storeFloat64(sums, total);
}
