// L-BFGS with an L1 penalty: Andrew and Gao, "Scalable training of L1-regularized log-linear models", 2007. A step stays in one
// orthant, where the penalty is linear: weights that would change their sign become 0. So the logits of a direction serve the
// whole line search here too.
import type { LbfgsHistory } from './lbfgs-history.js';
import { searchLine } from './line-search.js';
import type { Objective } from './objective.js';
import { dot, type Parameters } from './parameters.js';
import { type Ending, type SolverLimits, Watch, type WatchState } from './watch.js';

type OwlQnState = {
  readonly iteration: number;
  readonly watch: WatchState;
  readonly former: Float64Array;
  readonly step: Float64Array;
  readonly mass: number;
  readonly share: number;
};

/** Of the first direction, where the line search has to find the length: no weight is to be cut off before. */
const GENEROUS = 2;

/**
 * Of directions, as long as weights are cut off on the way. Where the line search ends early they have not become 0 and would be
 * cut off again: a shorter direction cuts off fewer, and all of them for good.
 */
const LEAST_SHARE = 1e-3;
const GROWTH = 2;

export async function minimizeByOwlQn(
  objective: Objective,
  history: LbfgsHistory,
  limits: SolverLimits,
): Promise<Ending> {
  const { point, solved, weightsLength, penalty } = objective;
  const watch = new Watch(objective, limits);
  const { gradient } = watch;
  const smooth = new Float64Array(point.length);
  const former = new Float64Array(solved);
  const direction = new Float64Array(point.length);
  const step = new Float64Array(solved);
  let mass = 0;
  let share = 1;
  const from = limits.kept?.from as OwlQnState | undefined;
  if (from !== undefined) {
    watch.restore(from.watch);
    former.set(from.former);
    step.set(from.step);
    ({ mass, share } = from);
  }
  for (let iteration = from?.iteration ?? 0; ; iteration++) {
    const state = (): OwlQnState => ({
      iteration,
      watch: watch.snapshot(),
      former: former.slice(),
      step: step.slice(),
      mass,
      share,
    });
    if (objective.canBeKept) await limits.kept?.point(state);
    const ending = await watch.look(iteration);
    if (ending !== undefined) return ending;
    objective.smoothGradient(smooth);
    if (iteration > 0) {
      // Pairs say nothing of weights that stay 0: the others' curvature is then that among themselves.
      for (let i = 0; i < solved; i++) former[i] = step[i] === 0 ? 0 : smooth[i]! - former[i]!;
      history.add(step, former, { penalty, mass: Math.sqrt(mass * objective.curvature.mass) });
    }
    const { curvature } = objective;
    mass = curvature.mass;
    former.set(smooth.subarray(0, solved));
    direction.fill(0);
    history.direction(gradient, direction, curvature);
    if (history.isEmpty) scaleFirst(objective, gradient, direction);
    for (let i = 0; share < 1 && i < solved; i++) direction[i]! *= share;
    const isCut = stayInOrthant(objective, gradient, direction);
    if (!(dot(gradient, direction) < 0)) {
      for (let i = 0; i < weightsLength; i++) if (direction[i]! * gradient[i]! > 0) direction[i] = 0;
    }
    await objective.direct(direction);
    const stepLength = await searchLine(objective, direction, 1, 1);
    if (stepLength === undefined) {
      if (history.isEmpty) return watch.end('floor');
      history.clear();
      step.fill(0);
      continue;
    }
    share = isCut ? Math.min(1, Math.max(LEAST_SHARE, GROWTH * share * stepLength)) : 1;
    for (let i = 0; i < solved; i++) step[i] = stepLength * direction[i]!;
    await objective.move(stepLength, direction);
    await objective.differentiate();
  }
}

/** Where nothing is known of the curvature: about as far as the minimum would be if features were independent, or further. */
function scaleFirst(
  { terms, curvature, weightsLength }: Objective,
  gradient: Parameters,
  direction: Parameters,
): void {
  const { classes, variances } = terms;
  let [slope, square] = [0, 0];
  for (let i = 0; i < weightsLength; i++) {
    slope -= gradient[i]! * direction[i]!;
    square += direction[i]! * direction[i]! * variances[Math.floor(i / classes)]!;
  }
  const factor = square > 0 ? (GENEROUS * slope * classes) / (square * curvature.mass) : 1;
  for (let i = 0; i < direction.length; i++) direction[i]! *= factor;
}

/** The whole step leaves no weight with another sign than it has, or if it is 0 than its gradient asks for. */
function stayInOrthant(
  { point, weightsLength }: Objective,
  gradient: Parameters,
  direction: Parameters,
): boolean {
  let isCut = false;
  for (let i = 0; i < weightsLength; i++) {
    const weight = point[i]!;
    const sign = weight === 0 ? -Math.sign(gradient[i]!) : Math.sign(weight);
    if (sign * (weight + direction[i]!) > 0) continue;
    if (weight !== 0) isCut = true;
    direction[i] = -weight;
  }
  return isCut;
}
