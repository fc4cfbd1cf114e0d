// exp4 alone: no kernel shows the exponential of a single number, and its error bound deserves a direct test.
import { exp4 } from '../../../src/kernels/assembly/exp/exp';

/** output, input [4 · vectors]. */
export function expVectors(output: usize, input: usize, vectors: i32): void {
  for (; vectors > 0; vectors--) {
    v128.store(output, exp4(v128.load(input)));
    input += 16;
    output += 16;
  }
}
