// The worked example of docs/derivation.md on the reference: the same two rows as its NumPy and PyTorch versions.
import {
  crossEntropy,
  crossEntropyGradient,
  linearForward,
  linearGradBias,
  linearGradWeights,
} from '#softshard/kernels/reference/index.js';

/** The lines that all three versions print: loss, ∂L/∂W and ∂L/∂b with six decimals. */
export function workedExample(): string {
  const [rows, features, classes] = [2, 2, 3];
  const X = [1, 2, 3, -1];
  const W = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6];
  const b = [0, 0.1, -0.1];
  const targets = [1, 0];

  const Z = linearForward(X, W, b, rows, features, classes);
  const L = crossEntropy(Z, targets, rows, classes, 'mean');
  const dZ = crossEntropyGradient(Z, targets, rows, classes, 1 / rows);
  const dW = linearGradWeights(X, dZ, rows, features, classes);
  const db = linearGradBias(dZ, rows, classes);

  return [line('L', [L]), line('dW', dW), line('db', db)].join('\n');
}

const line = (name: string, values: Iterable<number>): string =>
  [name, ...Array.from(values, (value) => value.toFixed(6))].join(' ');
