// The sum of the gradients of all steps in float64, for full-batch solvers whose rows are cut into steps.
import { FLOAT32_BYTES } from '../../../kernels/layout.js';
import { offsetBy, type Ptr } from '../../../kernels/ptr.js';
import { coveringNodes } from '../../../kernels/tree-sum.js';
import type { GradientSumSettings } from '../../protocol.js';
import type { OptimizerType, ParameterRange } from './optimizer.js';

const FLOAT64_BYTES = 2 * FLOAT32_BYTES;

export const gradientSum: OptimizerType<GradientSumSettings> = {
  create(kernels, { gradient, length, buffer }, settings) {
    const { sums, stepsABranch, branches, firstBranch, stepsEnd } = settings;
    const nodeAt = (depth: number): Ptr => offsetBy(sums, depth * length * FLOAT64_BYTES);
    const depthOf = (branch: number) => coveringNodes(firstBranch, branch, branches).length;
    /** Of the step `number`. */
    let number = 0;
    let depth = 0;
    let isFirst = false;
    /** How deep it is after the step, if that ends a branch. */
    let depthAfter: number | undefined;

    const beginStep = (next: number) => {
      number = next;
      const step = number - 1;
      const branch = Math.floor(step / stepsABranch);
      const isLast = number % stepsABranch === 0 || number === stepsEnd;
      isFirst = step % stepsABranch === 0;
      depth = depthOf(branch);
      depthAfter = isLast ? depthOf(branch + 1) : undefined;
    };
    const addNode = (into: number, from: number, { begin, end }: ParameterRange) => {
      const [sum, values] = [into, from].map(
        (at) => new Float64Array(buffer, nodeAt(at) + begin * FLOAT64_BYTES, end - begin),
      );
      for (let i = 0; i < sum!.length; i++) sum![i]! += values![i]!;
    };

    return {
      update(range, step) {
        if (step.number !== number) beginStep(step.number);
        const { begin, end } = range;
        const sum = offsetBy(nodeAt(depth), begin * FLOAT64_BYTES);
        if (isFirst) kernels.clear(sum, 2 * (end - begin));
        kernels.addToFloat64(sum, offsetBy(gradient, begin * FLOAT32_BYTES), end - begin);
        for (let at = depth; depthAfter !== undefined && at >= depthAfter; at--) addNode(at - 1, at, range);
      },
    };
  },
};
