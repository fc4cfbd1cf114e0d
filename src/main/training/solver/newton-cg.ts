// Truncated Newton: each direction comes from conjugate gradients on the Hessian, a pass an iteration, and the line search after
// them is free, as the logits of the direction add up on the way.
import { searchLine } from './line-search.js';
import type { Objective } from './objective.js';
import { dot, type Parameters } from './passes.js';
import { type Ending, type SolverLimits, Watch } from './watch.js';

/**
 * Features are measured in units of their curvatures only where these differ so much that nothing converges without: elsewhere
 * it takes more passes than the gradient as it is (Fashion-MNIST, 4,000 rows, to 1e-3: 524 instead of 280).
 */
const MOST_UNEVEN = 1e6;

/** Residuals are reduced to this share of the gradient at most, and as a power of how far the gradient has fallen. */
const MOST_RESIDUAL = 0.3;
const RESIDUAL_POWER = 1 / 4;
/** Of the gap that is wanted: where the model of the objective promises as little, more digits of the direction are of no use. */
const GAP_SHARE = 0.3;

export async function minimizeByNewtonCg(objective: Objective, limits: SolverLimits): Promise<Ending> {
  const watch = new Watch(objective, limits);
  const direction = new Float64Array(objective.point.length);
  let first: number | undefined;
  for (let iteration = 0; ; iteration++) {
    const ending = await watch.look(iteration);
    if (ending !== undefined) return ending;
    const { gradient } = watch;
    const length = Math.sqrt(dot(gradient, gradient));
    first ??= length;
    const share = Math.min(MOST_RESIDUAL, (length / first) ** RESIDUAL_POWER);
    const { weightsLength, penalty, value, terms } = objective;
    const isNear = (residual: Parameters) => {
      if (objective.passes >= limits.maxPasses || Math.sqrt(dot(residual, residual)) <= share * length)
        return true;
      const weights = residual.subarray(0, weightsLength);
      return terms.isConvex && dot(weights, weights) <= 2 * penalty * GAP_SHARE * limits.tol * value;
    };
    const isFound = await solve(objective, gradient, direction, isNear);
    const stepLength = isFound ? await searchLine(objective, direction, 1) : undefined;
    if (stepLength === undefined) return watch.end('floor');
    await objective.move(stepLength, direction);
    await objective.differentiate();
  }
}

/** Conjugate gradients for Hessian · direction = -gradient, from 0. False where not even the first step is one of descent. */
async function solve(
  objective: Objective,
  gradient: Parameters,
  direction: Parameters,
  isNear: (residual: Parameters) => boolean,
): Promise<boolean> {
  direction.fill(0);
  const residual = gradient.map((value) => -value);
  const units = unitsOf(objective);
  let scaled = residual.map((value, i) => value / units[i]!);
  const vector = scaled.slice();
  const product = new Float64Array(residual.length);
  let square = dot(residual, scaled);
  for (let times = 0; times === 0 || !isNear(residual); times++) {
    await objective.curve(vector, product);
    const curvature = dot(vector, product);
    if (!(curvature > 0 && square > 0)) return times > 0;
    const by = square / curvature;
    objective.extend(by, times === 0);
    for (let i = 0; i < direction.length; i++) {
      direction[i]! += by * vector[i]!;
      residual[i]! -= by * product[i]!;
    }
    scaled = residual.map((value, i) => value / units[i]!);
    const next = dot(residual, scaled);
    for (let i = 0; i < vector.length; i++) vector[i] = scaled[i]! + (next / square) * vector[i]!;
    square = next;
  }
  return true;
}

/** Of the parameters. */
function unitsOf({ point, weightsLength, terms, curvature }: Objective): Parameters {
  const units = new Float64Array(point.length).fill(1);
  const { mass, diagonal } = curvature;
  if (diagonal === undefined) return units;
  const least = diagonal.reduce((a, b) => Math.min(a, b));
  if (diagonal.reduce((a, b) => Math.max(a, b)) <= MOST_UNEVEN * least) return units;
  const { classes } = terms;
  return units.map((_, i) => (i < weightsLength ? diagonal[Math.floor(i / classes)]! : mass / classes));
}
