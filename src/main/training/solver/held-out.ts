// Losses of held-out rows, of the logits that their heads keep.
import type { Ptr } from '../../../kernels/ptr.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { FullBatchTerms } from './full-batch.js';
import type { Head } from './passes.js';

interface HeldOutResult {
  /** Of each row, times its weight. */
  readonly losses: Float64Array;
  /** Their sum, and that of the weights, and of the weights of rows whose class is the most probable one. */
  readonly loss: number;
  readonly weight: number;
  readonly correct: number;
}

/** By kernels in the calling thread. */
export class HeldOutLosses {
  readonly #terms: FullBatchTerms;
  /** Numbers of the rows, and their weights. */
  readonly #rows: Uint32Array;
  readonly #weights: Float64Array;
  readonly #logits: Ptr;
  readonly #targets: Ptr;
  readonly #losses: Ptr;
  readonly #sum: Ptr;

  constructor(terms: FullBatchTerms, rows: Uint32Array, weights: Float64Array, scope: ArenaScope) {
    const { classes } = terms.model;
    this.#terms = terms;
    this.#rows = rows;
    this.#weights = weights;
    this.#logits = scope.allocate(rows.length * classes * 4, 'logits of held-out rows');
    this.#targets = scope.allocate(rows.length * 4, 'classes of held-out rows');
    this.#losses = scope.allocate(rows.length * 4, 'losses of held-out rows');
    this.#sum = scope.allocate(8, 'their sum');
  }

  lossOf(head: Head, heldOut: Uint32Array): number {
    const { loss, weight } = this.of(head, heldOut);
    return loss / weight;
  }

  of({ logits: { values, stride } }: Head, heldOut: Uint32Array): HeldOutResult {
    const { resources, model, targets, loss } = this.#terms;
    const { arena, kernels } = resources;
    const { classes } = model;
    const { softTargets } = targets;
    const count = heldOut.length;
    const own = arena.view('float32', this.#logits, count * classes);
    const ownTargets = arena.view('int32', this.#targets, count);
    for (const [i, row] of heldOut.entries()) {
      own.set(values.subarray(row * stride, row * stride + classes), i * classes);
      ownTargets[i] = targets.classes[this.#rows[row]!]!;
    }
    kernels.scale(this.#logits, own.length, 1 / loss.temperature);
    kernels.crossEntropyRows(this.#losses, this.#sum, this.#logits, this.#targets, count, classes);
    const crossEntropies = arena.view('float32', this.#losses, count);
    const losses = new Float64Array(count);
    let [weightSum, correct] = [0, 0];
    for (const [i, row] of heldOut.entries()) {
      const target = ownTargets[i]!;
      const weight = this.#weights[row]! * (loss.weight?.[target] ?? 1);
      const logits = own.subarray(i * classes, (i + 1) * classes);
      let rowLoss = crossEntropies[i]!;
      if (softTargets !== undefined) {
        const shares = this.#rows[row]! * classes;
        rowLoss += logits[target]!;
        for (let column = 0; column < classes; column++) {
          rowLoss -= Number(softTargets.elements[shares + column]!) * logits[column]!;
        }
      }
      losses[i] = weight * rowLoss;
      weightSum += weight;
      if (logits.every((logit) => logit <= logits[target]!)) correct += weight;
    }
    return { losses, loss: losses.reduce((sum, value) => sum + value, 0), weight: weightSum, correct };
  }
}
