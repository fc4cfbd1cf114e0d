// exp2 alone, for the same reason as exp4.
import { exp2 } from '../../../src/kernels/assembly/exp/exp64';

/** output, input [2 · vectors] float64. */
export function exp64Vectors(output: usize, input: usize, vectors: i32): void {
  for (; vectors > 0; vectors--) {
    v128.store(output, exp2(v128.load(input)));
    input += 16;
    output += 16;
  }
}
