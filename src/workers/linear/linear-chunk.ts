// A chunk of rows of a linear layer's loss, as a worker sees it: what it works with, and where the logits lie.

import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import { claimShardsUntil, isCancelled } from '../gang/claim.js';
import type { LinearLossTask } from '../protocol.js';
import type { BlasLayer } from './blas-products.js';

/** One worker at its task. */
export interface LinearWorker {
  readonly kernels: Kernels;
  /** What computes the products; undefined: the kernels. */
  readonly blas: BlasLayer | undefined;
  readonly control: Int32Array;
  readonly task: LinearLossTask;
  /** Of classes, and the most of one. */
  readonly blocks: number;
  readonly columns: number;
  readonly scratch: Ptr;
}

export interface Chunk {
  readonly rowBegin: number;
  readonly rows: number;
  /** Its first row in task.inputs. */
  readonly inputsBegin: number;
}

/** Whether gradients are wanted. */
export const differentiates = ({ gradInputs, gradWeights, gradBias }: LinearLossTask): boolean =>
  gradInputs !== NULL_PTR || gradWeights !== NULL_PTR || gradBias !== NULL_PTR;

export function claim({ control }: LinearWorker, tiles: number, compute: (tile: number) => void): void {
  claimShardsUntil(isCancelled, control, tiles, compute);
}

/** Where the logits of a row of the chunk begin in a block. */
export function blockPtr({ blas, task, columns }: LinearWorker, block: number, row: number): Ptr {
  const element =
    blas === undefined ? (block * task.chunkRows + row) * columns : row * blas.stride + block * columns;
  return offsetBy(task.logits, element * FLOAT32_BYTES);
}
