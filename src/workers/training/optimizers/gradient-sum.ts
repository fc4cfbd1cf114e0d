// The sum of the gradients of all steps in float64, for full-batch solvers whose rows are cut into steps.
import { FLOAT32_BYTES } from '../../../kernels/layout.js';
import { offsetBy } from '../../../kernels/ptr.js';
import type { GradientSumSettings } from '../../protocol.js';
import type { OptimizerType } from './optimizer.js';

export const gradientSum: OptimizerType<GradientSumSettings> = {
  create: (kernels, { gradient }, { sum }) => ({
    update({ begin, end }) {
      const at = begin * FLOAT32_BYTES;
      kernels.addToFloat64(offsetBy(sum, 2 * at), offsetBy(gradient, at), end - begin);
    },
  }),
};
