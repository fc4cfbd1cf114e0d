// Losses of held-out rows, of the logits that their heads keep.
import type { Ptr } from '../../../kernels/ptr.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { FullBatchTerms } from './full-batch.js';
import { mostProbable } from './kept-predictions.js';
import type { Head } from './passes.js';

type HeldOutTerms = Pick<FullBatchTerms, 'resources' | 'model' | 'targets' | 'loss'>;

interface HeldOutResult {
  /** Of each row, times its weight. */
  readonly losses: Float64Array;
  /** Their sum, that of the weights, and of the weights of rows whose class is what predict gives, which knows no mask. */
  readonly loss: number;
  readonly weight: number;
  readonly correct: number;
}

/** By kernels in the calling thread. */
export class HeldOutLosses {
  readonly #terms: HeldOutTerms;
  /** Numbers of the rows, and their weights. */
  readonly #rows: Uint32Array;
  readonly #weights: Float64Array;
  readonly #logits: Ptr;
  readonly #targets: Ptr;
  readonly #losses: Ptr;
  readonly #sum: Ptr;

  /** Takes memory of the scope for at most so many held-out rows at a time: see bytesOf. */
  constructor(
    terms: HeldOutTerms,
    rows: Uint32Array,
    weights: Float64Array,
    scope: ArenaScope,
    most = rows.length,
  ) {
    const { classes } = terms.model;
    const [logits, targets, losses, sum] = HeldOutLosses.bytesOf(most, classes);
    this.#terms = terms;
    this.#rows = rows;
    this.#weights = weights;
    this.#logits = scope.allocate(logits, 'logits of held-out rows');
    this.#targets = scope.allocate(targets, 'classes of held-out rows');
    this.#losses = scope.allocate(losses, 'losses of held-out rows');
    this.#sum = scope.allocate(sum, 'their sum');
  }

  static bytesOf(rows: number, classes: number): readonly [number, number, number, number] {
    return [rows * classes * 4, rows * 4, rows * 4, 8];
  }

  lossOf(head: Head, heldOut: Uint32Array): number {
    const { loss, weight } = this.of(head, heldOut);
    return loss / weight;
  }

  of({ logits: { values, stride } }: Head, heldOut: Uint32Array): HeldOutResult {
    const { resources, model, targets, loss } = this.#terms;
    const { arena, kernels } = resources;
    const { classes } = model;
    const { softTargets, mask } = targets;
    const count = heldOut.length;
    const own = arena.view('float32', this.#logits, count * classes);
    const ownTargets = arena.view('int32', this.#targets, count);
    for (const [i, position] of heldOut.entries()) {
      const row = this.#rows[position]!;
      own.set(values.subarray(position * stride, position * stride + classes), i * classes);
      ownTargets[i] = targets.classes[row]!;
      if (mask === undefined) continue;
      for (let column = 0; column < classes; column++) {
        if (mask.elements[row * classes + column] === 0) own[i * classes + column] = Number.NEGATIVE_INFINITY;
      }
    }
    kernels.scale(this.#logits, own.length, 1 / loss.temperature);
    kernels.crossEntropyRows(this.#losses, this.#sum, this.#logits, this.#targets, count, classes);
    const crossEntropies = arena.view('float32', this.#losses, count);
    const losses = new Float64Array(count);
    let [weightSum, correct] = [0, 0];
    for (const [i, position] of heldOut.entries()) {
      const target = ownTargets[i]!;
      const logits = own.subarray(i * classes, (i + 1) * classes);
      const shares = this.#rows[position]! * classes;
      let weight = 0;
      for (let column = 0; column < classes; column++) {
        const hard = column === target ? 1 : 0;
        const share = softTargets === undefined ? hard : Number(softTargets.elements[shares + column]!);
        if (share === 0 || mask?.elements[shares + column] === 0) continue;
        const part = this.#weights[position]! * share * (loss.weight?.[column] ?? 1);
        losses[i]! += part * (crossEntropies[i]! + (logits[target]! - logits[column]!));
        weight += part;
      }
      weightSum += weight;
      if (mostProbable(values, position * stride, classes) === target) correct += weight;
    }
    return { losses, loss: losses.reduce((sum, value) => sum + value, 0), weight: weightSum, correct };
  }
}

/** The mean of a - b (or a) and its standard error. */
export function pairedDifference(a: Float64Array, b: Float64Array | undefined) {
  const differences = b === undefined ? a : a.map((value, row) => value - b[row]!);
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / Math.max(1, differences.length - 1) / differences.length) };
}
