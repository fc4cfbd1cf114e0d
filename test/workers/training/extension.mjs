// A loss and two optimizers that only this test knows, for worker threads to load (WorkerSetup.extensions).

const FLOAT32_BYTES = 4;

/** Σ (z - one-hot(target))² of a row, the mean over all rows of a step; rows of target -1 add nothing to it. */
const squaredError = {
  create(_kernels, { buffer, classes }) {
    const floats = new Float32Array(buffer);
    const ints = new Int32Array(buffer);
    const doubles = new Float64Array(buffer);
    let scale = 0;
    return {
      ignoresRows: true,
      beginStep(_step, rows) {
        scale = 2 / rows;
      },
      differentiate({ logits, stride, targets, rows, lossSum }) {
        for (let row = 0; row < rows; row++) {
          const target = ints[targets / 4 + row];
          for (let column = 0; column < classes; column++) {
            const at = logits / FLOAT32_BYTES + row * stride + column;
            const difference = target === -1 ? 0 : floats[at] - (column === target ? 1 : 0);
            doubles[lossSum / 8] += difference * difference;
            floats[at] = scale * difference;
          }
        }
        return -1;
      },
      divisorOf: (_step, rows) => rows,
    };
  },
};

/** Kingma and Ba, "Adam", 2014, without decay. */
const adam = {
  create(_kernels, { buffer, parameters, gradient, state }, { beta1, beta2, epsilon }) {
    const at = (ptr) => ptr / FLOAT32_BYTES;
    const floats = new Float32Array(buffer);
    return {
      update({ begin, end }, { learningRate, number }) {
        const [correction1, correction2] = [1 - beta1 ** number, 1 - beta2 ** number];
        for (let i = begin; i < end; i++) {
          const g = floats[at(gradient) + i];
          const mean = beta1 * floats[at(state.mean) + i] + (1 - beta1) * g;
          const square = beta2 * floats[at(state.square) + i] + (1 - beta2) * g * g;
          floats[at(state.mean) + i] = mean;
          floats[at(state.square) + i] = square;
          const step = mean / correction1 / (Math.sqrt(square / correction2) + epsilon);
          floats[at(parameters) + i] -= learningRate * step;
        }
      },
    };
  },
};

/** A step along the gradient of a length given by the learning rate: it needs the whole gradient first. */
const normalized = {
  create(kernels, { buffer, length, parameters, gradient, state }) {
    const norm = new Float32Array(buffer, state.norm, 1);
    return {
      beforeUpdates() {
        norm[0] = Math.sqrt(kernels.dot(gradient, gradient, length));
      },
      update({ begin, end }, { learningRate }) {
        const at = begin * FLOAT32_BYTES;
        kernels.axpy(parameters + at, gradient + at, end - begin, -learningRate / norm[0]);
      },
    };
  },
};

/** Fails in its second step. */
const failing = {
  create() {
    return {
      update(_range, { number }) {
        if (number === 2) throw new Error('this optimizer fails');
      },
    };
  },
};

export default function extend({ registerLoss, registerOptimizer }) {
  registerLoss('squaredError', squaredError);
  registerOptimizer('adam', adam);
  registerOptimizer('normalized', normalized);
  registerOptimizer('failing', failing);
}
