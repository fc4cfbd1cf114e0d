// Negative log-likelihood: the loss of log-probabilities that were made elsewhere.
import { storeFloat32, storeFloat64 } from "./not-a-number";

/** loss = -weight_t · logProbability_t; see the contract in other-loss-kernels.ts. */
export function nllRows(
  gradient: usize,
  losses: usize,
  sums: usize,
  logProbabilities: usize,
  targets: usize,
  weight: usize,
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
    if (target >= 0) {
      const cell = <usize>target << 2;
      factor = weight ? <f64>load<f32>(weight + cell) : 1;
      // A weight of 0 leaves the row out, also where its log-probability is -Infinity.
      if (factor != 0) loss = 0 - factor * <f64>load<f32>(logProbabilities + cell);
    }
    if (gradient) {
      memory.fill(gradient, 0, rowBytes);
      if (factor != 0) store<f32>(gradient + (<usize>target << 2), <f32>(-factor * scale));
      gradient += rowBytes;
    }
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logProbabilities += rowBytes;
  }
  storeFloat64(sums, total);
}
