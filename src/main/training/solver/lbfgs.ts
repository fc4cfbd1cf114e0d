// L-BFGS with a long memory and exact line searches.
import { dualityGap } from './certificate.js';
import type { LbfgsHistory } from './lbfgs-history.js';
import { searchLine } from './line-search.js';
import type { Objective } from './objective.js';

export interface SolverLimits {
  readonly tol: number;
  /** Of the objective, passes before this call included. */
  readonly maxPasses: number;
  /** After each iteration, the first included; 'stop' ends it. */
  readonly onIteration: (iteration: number, gap: number | undefined) => Promise<'stop' | undefined>;
}

/** 'floor': float32 shows no further descent. */
export type StopReason = 'converged' | 'maxPasses' | 'floor';

/** 'stop': it was told to. */
export type Ending = StopReason | 'stop';

/** Iterations without a better bound, nor a lower objective to speak of, before float32 is held to be the reason. */
const PATIENCE = 12;

/** Of what is wanted, the predicted gap at which it is worth half a pass to look whether it is there. */
const TRY_SHARE = 0.7;

export async function minimizeByLbfgs(
  objective: Objective,
  history: LbfgsHistory,
  { tol, maxPasses, onIteration }: SolverLimits,
): Promise<Ending> {
  const { point, solved, penalty } = objective;
  const gradient = new Float64Array(point.length);
  const former = new Float64Array(solved);
  const direction = new Float64Array(point.length);
  const step = new Float64Array(solved);
  const smoothed = new SmoothedPoint(objective);
  let lowerBound = Number.NEGATIVE_INFINITY;
  let best = Number.POSITIVE_INFINITY;
  let idle = 0;
  let nextTry = 0;
  let mass = 0;
  /** The smoothed point may be the better one. */
  const endAtBest = async (reason: StopReason): Promise<StopReason> => {
    const gap = dualityGap(objective);
    if (gap === undefined || smoothed.gap >= gap) return reason;
    const goBack = await objective.tryAt(smoothed.point);
    const found = dualityGap(objective) ?? Number.POSITIVE_INFINITY;
    if (found <= tol * objective.value) return 'converged';
    if (found >= gap) goBack();
    return reason;
  };
  for (let iteration = 0; ; iteration++) {
    objective.totalGradient(gradient);
    const { value } = objective;
    const gap = dualityGap(objective);
    if (gap !== undefined) lowerBound = Math.max(lowerBound, value - gap);
    const distance = gap === undefined ? undefined : value - lowerBound;
    if ((await onIteration(iteration, distance)) === 'stop') return 'stop';
    if (gap === undefined) {
      if (objective.isFlat(gradient, tol)) return 'converged';
    } else {
      if (gap <= tol * value) return 'converged';
      smoothed.add(gradient);
      if (smoothed.gap <= TRY_SHARE * tol * value && objective.passes >= nextTry) {
        const goBack = await objective.tryAt(smoothed.point);
        const found = dualityGap(objective) ?? Number.POSITIVE_INFINITY;
        if (found <= tol * objective.value) return 'converged';
        lowerBound = Math.max(lowerBound, objective.value - found);
        smoothed.restart();
        smoothed.add(objective.totalGradient(gradient));
        goBack();
        objective.totalGradient(gradient);
        nextTry = objective.passes + 3;
      }
    }
    if (objective.passes >= maxPasses) return endAtBest('maxPasses');
    idle = value < best * (1 - 1e-8) ? 0 : idle + 1;
    best = Math.min(best, value);
    if (idle > PATIENCE) return endAtBest('floor');
    if (iteration > 0) {
      for (let i = 0; i < solved; i++) former[i] = gradient[i]! - former[i]!;
      history.add(step, former, { penalty, mass: Math.sqrt(mass * objective.curvature.mass) });
    }
    const { curvature } = objective;
    mass = curvature.mass;
    former.set(gradient.subarray(0, solved));
    direction.fill(0);
    history.direction(gradient, direction, curvature);
    await objective.direct(direction);
    const first = history.isEmpty ? objective.firstStep(direction) : 1;
    const found = await searchLine(objective, direction, first);
    if (found === undefined) {
      if (history.isEmpty) return endAtBest('floor');
      history.clear();
      step.fill(0);
      continue;
    }
    for (let i = 0; i < solved; i++) step[i] = found.step * direction[i]!;
    await objective.move(found.step, direction);
    await objective.differentiate();
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
