// Adam with decoupled weight decay; biases are not decayed.
import { FLOAT32_BYTES } from '../../../kernels/layout.js';
import { offsetBy } from '../../../kernels/ptr.js';
import { type AdamwSettings, power } from '../../protocol.js';
import type { OptimizerType } from './optimizer.js';

export const adamw: OptimizerType<AdamwSettings> = {
  create(kernels, { parameters, gradient, state: { mean, square } }, settings) {
    const { beta1, beta2, epsilon, weightDecay } = settings;
    if (mean === undefined || square === undefined) throw new Error('adamw has no memory for its moments');
    return {
      update({ begin, end, isBias }, { learningRate, number }) {
        const at = begin * FLOAT32_BYTES;
        kernels.adamwUpdate(
          offsetBy(parameters, at),
          offsetBy(mean, at),
          offsetBy(square, at),
          offsetBy(gradient, at),
          end - begin,
          learningRate,
          beta1,
          beta2,
          epsilon,
          isBias ? 0 : weightDecay,
          1 - power(beta1, number),
          1 - power(beta2, number),
        );
      },
    };
  },
};
