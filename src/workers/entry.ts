// What runs in each worker thread, loaded by load.cts: one task at a time, on the shared arena.
import { workerData } from 'piscina';
import { loadSgemm, type Sgemm } from '../kernels/blas/library.js';
import { instantiateKernels } from '../kernels/load.js';
import { linearCrossEntropy } from './linear-cross-entropy.js';
import { computeLoss } from './loss.js';
import { otherLoss } from './other-losses.js';
import { outcomes } from './outcomes.js';
import { predict } from './predict.js';
import { controlWords, failGang, type WorkerResult, type WorkerSetup, type WorkerTask } from './protocol.js';
import { crossEntropy, mapRows } from './rows.js';
import { mapTiles } from './tile-map.js';
import { trainByPartials } from './train-by-partials.js';
import { trainByTiles } from './train-by-tiles.js';

const { memory, module, blas } = workerData as WorkerSetup;
const kernels = instantiateKernels(module, memory);
const sgemm: Sgemm = blas === undefined ? withoutBlas : loadSgemm(blas, memory);
const words = controlWords(memory.buffer);

export default function run(task: WorkerTask): WorkerResult {
  try {
    return dispatch(task);
  } catch (cause) {
    // The other members may be waiting for this one at a barrier.
    failGang(words);
    throw cause;
  }
}

function withoutBlas(): never {
  throw new Error('a task asks for a BLAS, and this engine has none');
}

function dispatch(task: WorkerTask): WorkerResult {
  switch (task.kind) {
    case 'softmax':
    case 'logSoftmax':
    case 'logSumExp':
      return mapRows(kernels, words, task);
    case 'crossEntropy':
      return crossEntropy(kernels, words, task);
    case 'linearCrossEntropy':
      return linearCrossEntropy(kernels, sgemm, words, task);
    case 'otherLoss':
      return otherLoss(kernels, words, task);
    case 'outcomes':
      return outcomes(kernels, words, task);
    case 'tileMap':
      return mapTiles(kernels, words, task);
    case 'loss':
      return computeLoss(kernels, words, task);
    case 'predict':
      return predict(kernels, sgemm, words, task);
    case 'trainByPartials':
      return trainByPartials(kernels, words, task);
    case 'trainByTiles':
      return trainByTiles(kernels, sgemm, words, task);
    default:
      throw new Error(`unknown task ${JSON.stringify(task satisfies never)}`);
  }
}
