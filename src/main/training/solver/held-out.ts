// Losses of held-out rows, of the logits that their heads keep.
import type { Ptr } from '../../../kernels/ptr.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { FullBatchTerms } from './full-batch.js';
import type { Head, OwnLogits } from './head.js';
import { mostProbable } from './kept-predictions.js';

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

  async lossOf(head: Head, heldOut: Uint32Array): Promise<number> {
    const { loss, weight } = await this.of(head, heldOut);
    return loss / weight;
  }

  /** `heldOut`: positions among the rows of the problem, ascending. */
  async of(head: Head, heldOut: Uint32Array): Promise<HeldOutResult> {
    const own = this.#ofOwn(head.logits, heldOut);
    const all = await head.together(own);
    const losses = new Float64Array(heldOut.length);
    let [weight, correct] = [0, 0];
    for (let i = 0; i < losses.length; i++) {
      losses[i] = all[i * FIGURES]!;
      weight += all[i * FIGURES + 1]!;
      correct += all[i * FIGURES + 2]!;
    }
    return { losses, loss: losses.reduce((sum, value) => sum + value, 0), weight, correct };
  }

  /** Of each of those that this process has: its loss, its weight, and that again if its class is what predict gives. */
  #ofOwn({ values, stride, rows: own }: OwnLogits, positions: Uint32Array): Float64Array {
    const { resources, model, targets, loss } = this.#terms;
    const { arena, kernels } = resources;
    const { classes } = model;
    const { softTargets, mask } = targets;
    const heldOut = positions.filter((position) => position >= own.begin && position < own.end);
    const count = heldOut.length;
    const logits = arena.view('float32', this.#logits, count * classes);
    const ownTargets = arena.view('int32', this.#targets, count);
    for (const [i, position] of heldOut.entries()) {
      const row = this.#rows[position]!;
      const begin = (position - own.begin) * stride;
      logits.set(values.subarray(begin, begin + classes), i * classes);
      ownTargets[i] = targets.classes[row]!;
      if (mask === undefined) continue;
      for (let column = 0; column < classes; column++) {
        if (mask.elements[row * classes + column] === 0)
          logits[i * classes + column] = Number.NEGATIVE_INFINITY;
      }
    }
    kernels.scale(this.#logits, logits.length, 1 / loss.temperature);
    kernels.crossEntropyRows(this.#losses, this.#sum, this.#logits, this.#targets, count, classes);
    const crossEntropies = arena.view('float32', this.#losses, count);
    const results = new Float64Array(count * FIGURES);
    for (const [i, position] of heldOut.entries()) {
      const target = ownTargets[i]!;
      const row = logits.subarray(i * classes, (i + 1) * classes);
      const shares = this.#rows[position]! * classes;
      let [lossOfRow, weight] = [0, 0];
      for (let column = 0; column < classes; column++) {
        const hard = column === target ? 1 : 0;
        const share = softTargets === undefined ? hard : Number(softTargets.elements[shares + column]!);
        if (share === 0 || mask?.elements[shares + column] === 0) continue;
        const part = this.#weights[position]! * share * (loss.weight?.[column] ?? 1);
        lossOfRow += part * (crossEntropies[i]! + (row[target]! - row[column]!));
        weight += part;
      }
      const isCorrect = mostProbable(values, (position - own.begin) * stride, classes) === target;
      results.set([lossOfRow, weight, isCorrect ? weight : 0], i * FIGURES);
    }
    return results;
  }
}

/** Of a held-out row. */
const FIGURES = 3;

/** The mean of a - b (or a) and its standard error. */
export function pairedDifference(a: Float64Array, b: Float64Array | undefined) {
  const differences = b === undefined ? a : a.map((value, row) => value - b[row]!);
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / Math.max(1, differences.length - 1) / differences.length) };
}
