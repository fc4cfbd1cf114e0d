// What solvers share: when they end, what is certain of the objective by then, and the point with the better certificate.
import type { CheckpointState } from '../checkpoint/checkpoint.js';
import { dualityGap } from './certificate.js';
import { MeanDualPoint } from './mean-dual-point.js';
import type { Objective } from './objective.js';
import type { Parameters } from './parameters.js';

export interface SolverLimits {
  readonly tol: number;
  /** Of the objective, passes before this call included. */
  readonly maxPasses: number;
  /** After each iteration, the first included; 'stop' ends it. */
  readonly onIteration: (iteration: number, gap: number | undefined) => Promise<'stop' | undefined>;
  /** Where checkpoints may be made, or the solver goes on from one. */
  readonly kept?: KeptSolver | undefined;
}

/** How a solver is kept together with its objective: `State` is what else it goes on from. */
export interface KeptSolver {
  readonly from: CheckpointState | undefined;
  readonly isDue: boolean;
  /** On the way to such a point, before asking whether one is due: see CheckpointPart. */
  meet(): Promise<void> | undefined;
  /** Where the objective can be kept: see CheckpointPart. `hasDirection`: as in Objective. */
  point(state: () => CheckpointState, hasDirection?: boolean): Promise<void> | undefined;
}

/** 'floor': float32 shows no further descent. 'worse': of heads that fitMany compares, one that is clearly not the best. */
export type StopReason = 'converged' | 'maxPasses' | 'floor' | 'worse';

/** 'stop': it was told to. */
export type Ending = Exclude<StopReason, 'worse'> | 'stop';

/** Iterations without a better bound, nor a lower objective to speak of, before float32 is held to be the reason. */
const PATIENCE = 12;

/** A gap that has fallen to this share is a better one. */
const BETTER = 0.99;

/** Of what is wanted, the predicted gap at which it is worth half a pass to look whether it is there. */
const TRY_SHARE = 0.7;

export type WatchState = ReturnType<Watch['snapshot']>;

/** One run of a solver, looked at after each iteration. */
export class Watch {
  /** Of the objective at its point, penalty included. */
  readonly gradient: Parameters;
  readonly #objective: Objective;
  readonly #limits: SolverLimits;
  readonly #smoothed: SmoothedPoint;
  readonly #mean: MeanDualPoint;
  #lowerBound = Number.NEGATIVE_INFINITY;
  #best = Number.POSITIVE_INFINITY;
  #idle = 0;
  #nextTry = 0;
  /** With an L1 penalty: the point with the best certificate so far, which swings. */
  readonly #certified: Parameters;
  #leastGap = Number.POSITIVE_INFINITY;

  constructor(objective: Objective, limits: SolverLimits) {
    this.gradient = new Float64Array(objective.point.length);
    this.#objective = objective;
    this.#limits = limits;
    this.#smoothed = new SmoothedPoint(objective);
    this.#mean = new MeanDualPoint(objective);
    this.#certified = new Float64Array(objective.l1 > 0 ? objective.point.length : 0);
  }

  snapshot() {
    return {
      smoothed: this.#smoothed.snapshot(),
      mean: this.#mean.snapshot(),
      lowerBound: this.#lowerBound,
      best: this.#best,
      idle: this.#idle,
      nextTry: this.#nextTry,
      certified: this.#certified.slice(),
      leastGap: this.#leastGap,
    };
  }

  restore(state: WatchState): void {
    this.#smoothed.restore(state.smoothed);
    this.#mean.restore(state.mean);
    this.#lowerBound = state.lowerBound;
    this.#best = state.best;
    this.#idle = state.idle;
    this.#nextTry = state.nextTry;
    this.#certified.set(state.certified);
    this.#leastGap = state.leastGap;
  }

  /** Looks at the point, whose gradient is taken. Gives why to end there, if it is to. */
  async look(iteration: number): Promise<Ending | undefined> {
    const { tol, maxPasses, onIteration } = this.#limits;
    const objective = this.#objective;
    objective.totalGradient(this.gradient);
    const { value } = objective;
    if (objective.l1 > 0 && objective.terms.isConvex) this.#mean.add();
    const gap = dualityGap(objective);
    if (gap !== undefined) this.#lowerBound = Math.max(this.#lowerBound, value - gap);
    const distance = gap === undefined ? undefined : value - this.#lowerBound;
    if ((await onIteration(iteration, distance)) === 'stop') return 'stop';
    if (gap === undefined) {
      if (objective.isFlat(this.gradient, tol)) return 'converged';
    } else {
      if (gap <= tol * value) return 'converged';
      if (objective.l1 > 0 && gap < this.#leastGap) {
        // Of the first order in the gradient, it still falls where the objective seems to stand still.
        if (gap < BETTER * this.#leastGap) this.#idle = 0;
        this.#leastGap = gap;
        this.#certified.set(objective.point);
      }
      if (await this.#trySmoothed()) return 'converged';
    }
    if (objective.passes >= maxPasses) return this.end('maxPasses');
    this.#idle = value < this.#best * (1 - 1e-8) ? 0 : this.#idle + 1;
    this.#best = Math.min(this.#best, value);
    if (this.#idle > PATIENCE) return this.end('floor');
    return undefined;
  }

  /** Another point may be the better one. */
  async end(reason: Exclude<Ending, 'stop'>): Promise<Ending> {
    const objective = this.#objective;
    const gap = dualityGap(objective);
    const [point, least] =
      objective.l1 > 0 ? [this.#certified, this.#leastGap] : [this.#smoothed.point, this.#smoothed.gap];
    if (gap === undefined || least >= gap) return reason;
    const goBack = await objective.tryAt(point);
    const found = dualityGap(objective) ?? Number.POSITIVE_INFINITY;
    if (found <= this.#limits.tol * objective.value) return 'converged';
    if (found >= gap) goBack();
    return reason;
  }

  /** Goes to the smoothed point if that is near enough to the minimum. */
  async #trySmoothed(): Promise<boolean> {
    const { tol } = this.#limits;
    const objective = this.#objective;
    const smoothed = this.#smoothed;
    // A mean of points has hardly a zero.
    if (objective.l1 > 0) return false;
    smoothed.add(this.gradient);
    const isPromising = smoothed.gap <= TRY_SHARE * tol * objective.value;
    if (!isPromising || objective.passes < this.#nextTry) return false;
    const goBack = await objective.tryAt(smoothed.point);
    const found = dualityGap(objective) ?? Number.POSITIVE_INFINITY;
    if (found <= tol * objective.value) return true;
    this.#lowerBound = Math.max(this.#lowerBound, objective.value - found);
    smoothed.restart();
    smoothed.add(objective.totalGradient(this.gradient));
    goBack();
    objective.totalGradient(this.gradient);
    this.#nextTry = objective.passes + 3;
    return false;
  }
}

/**
 * The combination of all points so far whose gradient is least, as far as gradients are linear: that of a single point swings,
 * and it is what the certificate depends on (minimal residual smoothing: Zhou and Walker, "Residual smoothing techniques for
 * iterative methods", 1994).
 */
class SmoothedPoint {
  readonly point: Float64Array;
  readonly #gradient: Float64Array;
  readonly #objective: Objective;
  #isEmpty = true;

  constructor(objective: Objective) {
    this.#objective = objective;
    this.point = new Float64Array(objective.point.length);
    this.#gradient = new Float64Array(objective.point.length);
  }

  snapshot() {
    return { point: this.point.slice(), gradient: this.#gradient.slice(), isEmpty: this.#isEmpty };
  }

  restore({ point, gradient, isEmpty }: ReturnType<SmoothedPoint['snapshot']>): void {
    this.point.set(point);
    this.#gradient.set(gradient);
    this.#isEmpty = isEmpty;
  }

  restart(): void {
    this.#isEmpty = true;
  }

  add(gradient: Float64Array): void {
    const { point } = this.#objective;
    if (this.#isEmpty) {
      this.#isEmpty = false;
      this.point.set(point);
      this.#gradient.set(gradient);
      return;
    }
    let product = 0;
    let square = 0;
    for (let i = 0; i < this.#objective.weightsLength; i++) {
      const difference = gradient[i]! - this.#gradient[i]!;
      product += this.#gradient[i]! * difference;
      square += difference * difference;
    }
    const share = square > 0 ? Math.min(1, Math.max(0, -product / square)) : 1;
    for (let i = 0; i < point.length; i++) {
      this.point[i]! += share * (point[i]! - this.point[i]!);
      this.#gradient[i]! += share * (gradient[i]! - this.#gradient[i]!);
    }
  }

  /** Of the predicted gradient, where that by the bias is 0. */
  get gap(): number {
    const { weightsLength, penalty } = this.#objective;
    let square = 0;
    for (let i = 0; i < weightsLength; i++) square += this.#gradient[i]! ** 2;
    return square / (2 * penalty);
  }
}
