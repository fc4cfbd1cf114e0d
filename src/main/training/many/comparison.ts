// What is saved where heads are only compared: the losses of held-out rows settle long before the objective is certain, and on a
// path from strong penalties to weak ones they turn for good.
import type { FitLoss } from '../fit-loss.js';
import { isConvex } from '../fit-loss.js';
import type { Head } from '../solver/head.js';
import { type HeldOutLosses, pairedDifference } from '../solver/held-out.js';
import type { RankedBy } from './many-options.js';

/**
 * `tol` of heads that are compared by cross-validation, unless they have their own. Between 1e-4 and 1e-2 losses of held-out rows
 * differ by a tenth of their standard error (bench/notes/2026-11-solvers.md).
 */
export const COMPARED_TOL = 1e-2;

/** Iterations from the solution of a stronger penalty that show where the loss goes. */
const LEAST_ITERATIONS = 2;
/** How far a loss must have risen above the best of its path: a share of that, and standard errors of the difference. */
const RISE_SHARE = 0.02;
const RISE_ERRORS = 3;

/** Whether losses of held-out rows say which head is the best, so that a path may end where they rise. */
export const mayTurn = (rankBy: RankedBy, loss: FitLoss): boolean =>
  rankBy === 'loss' && isConvex(loss) && loss.labelSmoothing === 0;

/** The held-out rows of a path's heads, while they are solved one after the other. */
export class PathTurn {
  readonly #losses: HeldOutLosses;
  readonly #head: Head;
  readonly #positions: Uint32Array;
  #best: { readonly loss: number; readonly rows: Float64Array } | undefined;
  #last = Number.POSITIVE_INFINITY;

  /** `positions` of the held-out rows among those of the problem. */
  constructor(losses: HeldOutLosses, head: Head, positions: Uint32Array) {
    this.#losses = losses;
    this.#head = head;
    this.#positions = positions;
  }

  snapshot() {
    return { best: this.#best && { ...this.#best }, last: this.#last };
  }

  restore({ best, last }: ReturnType<PathTurn['snapshot']>): void {
    this.#best = best;
    this.#last = last;
  }

  /** Whether the present head does clearly worse than one of a stronger penalty, and is getting worse still. */
  async isWorse(iteration: number): Promise<boolean> {
    const best = this.#best;
    if (best === undefined) return false;
    const { loss, losses } = await this.#look();
    const isRising = iteration > 0 && loss > this.#last;
    this.#last = loss;
    if (iteration < LEAST_ITERATIONS || !isRising || loss < best.loss * (1 + RISE_SHARE)) return false;
    const { mean, error } = pairedDifference(losses, best.rows);
    return mean > RISE_ERRORS * error;
  }

  /** Takes the solution of a head. */
  async add(): Promise<void> {
    const { loss, losses } = await this.#look();
    if (this.#best === undefined || loss < this.#best.loss) this.#best = { loss, rows: losses };
  }

  #look() {
    return this.#losses.of(this.#head, this.#positions);
  }
}
