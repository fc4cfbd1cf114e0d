// Stochastic gradient descent with momentum and weight decay; biases are not decayed.
import { FLOAT32_BYTES } from '../../../kernels/layout.js';
import { NULL_PTR, offsetBy } from '../../../kernels/ptr.js';
import type { SgdSettings } from '../../protocol.js';
import type { OptimizerType } from './optimizer.js';

export const sgd: OptimizerType<SgdSettings> = {
  create(kernels, { parameters, gradient, state: { velocity } }, { momentum, weightDecay, nesterov }) {
    return {
      update({ begin, end, isBias }, { learningRate }) {
        const at = begin * FLOAT32_BYTES;
        kernels.sgdUpdate(
          offsetBy(parameters, at),
          velocity === undefined ? NULL_PTR : offsetBy(velocity, at),
          offsetBy(gradient, at),
          end - begin,
          learningRate,
          momentum,
          isBias ? 0 : weightDecay,
          nesterov ? 1 : 0,
        );
      },
    };
  },
};
