// Gradient clipping: the gradient of all weights and biases together is scaled down to a norm, then an optimizer uses it.
import type { Kernels } from '../../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../../kernels/layout.js';
import { offsetBy } from '../../../kernels/ptr.js';
import type { GradientClipping } from '../../protocol.js';
import type { Optimizer, OptimizerVectors } from './optimizer.js';

/** As torch.nn.utils.clip_grad_norm_, so that a norm of 0 divides nothing by 0. */
const NORM_OFFSET = 1e-6;

/** `optimizer` must not look at the whole gradient itself: it would see it before it is clipped. */
export function clipped(
  kernels: Kernels,
  { buffer, gradient, length }: OptimizerVectors,
  optimizer: Optimizer,
  { norm: maxNorm, scale }: GradientClipping,
): Optimizer {
  if (optimizer.beforeUpdates !== undefined) throw new Error('this optimizer cannot be clipped');
  // Written by one worker between two barriers, read by all after the second.
  const shared = new Float64Array(buffer, scale, 1);
  return {
    beforeUpdates() {
      const norm = Math.sqrt(kernels.dot(gradient, gradient, length));
      // NaN for a norm that is not finite, and so are the parameters then.
      shared[0] = Math.min(1, maxNorm / (norm + NORM_OFFSET));
      if (!Number.isFinite(norm)) shared[0] = Number.NaN;
    },
    update(range, step) {
      const { begin, end } = range;
      const [factor = 1] = shared;
      if (factor !== 1) kernels.scale(offsetBy(gradient, begin * FLOAT32_BYTES), end - begin, factor);
      optimizer.update(range, step);
    },
  };
}
