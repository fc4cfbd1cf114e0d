// Truncated Newton: each direction comes from conjugate gradients on the Hessian, a pass an iteration, and the line search after
// them is free, as the logits of the direction add up on the way.
import { searchLine } from './line-search.js';
import type { Objective } from './objective.js';
import { dot, type Parameters } from './parameters.js';
import { type Ending, type KeptSolver, type SolverLimits, Watch, type WatchState } from './watch.js';

type NewtonState = {
  readonly iteration: number;
  readonly watch: WatchState;
  readonly first: number | undefined;
  /** On the way to a direction; undefined: before the iteration. */
  readonly search: SearchState | undefined;
};

/** Of conjugate gradients. */
type SearchState = {
  readonly times: number;
  readonly direction: Parameters;
  readonly residual: Parameters;
  readonly vector: Parameters;
  readonly square: number;
};

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
  const { kept } = limits;
  const from = kept?.from as NewtonState | undefined;
  let first = from?.first;
  if (from !== undefined) watch.restore(from.watch);
  for (let iteration = from?.iteration ?? 0; ; iteration++) {
    const stateWith = (search?: SearchState): NewtonState => ({
      iteration,
      watch: watch.snapshot(),
      first,
      search,
    });
    const search = iteration === from?.iteration ? from.search : undefined;
    if (search === undefined) {
      if (objective.canBeKept) await kept?.point(() => stateWith());
      const ending = await watch.look(iteration);
      if (ending !== undefined) return ending;
    } else {
      objective.totalGradient(watch.gradient);
    }
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
    const point: Point | undefined = kept && {
      from: search,
      isDue: async () => {
        await kept.meet();
        return kept.isDue;
      },
      keep: (state) => kept.point(() => stateWith(state()), true),
    };
    const isFound = await solve(objective, gradient, direction, isNear, point);
    const stepLength = isFound ? await searchLine(objective, direction, 1) : undefined;
    if (stepLength === undefined) return watch.end('floor');
    await objective.move(stepLength, direction);
    await objective.differentiate();
  }
}

/** Between two steps of conjugate gradients. */
interface Point {
  readonly from: SearchState | undefined;
  readonly isDue: () => Promise<boolean>;
  readonly keep: (state: () => SearchState) => ReturnType<KeptSolver['point']>;
}

/** Conjugate gradients for Hessian · direction = -gradient, from 0. False where not even the first step is one of descent. */
async function solve(
  objective: Objective,
  gradient: Parameters,
  direction: Parameters,
  isNear: (residual: Parameters) => boolean,
  point: Point | undefined,
): Promise<boolean> {
  const from = point?.from;
  if (from === undefined) direction.fill(0);
  else direction.set(from.direction);
  const residual = from?.residual.slice() ?? gradient.map((value) => -value);
  const units = unitsOf(objective);
  let scaled = residual.map((value, i) => value / units[i]!);
  const vector = from?.vector.slice() ?? scaled.slice();
  const product = new Float64Array(residual.length);
  let square = from?.square ?? dot(residual, scaled);
  for (let times = from?.times ?? 0; times === 0 || !isNear(residual); times++) {
    if (times > 0 && point !== undefined && (await point.isDue())) {
      await objective.finishDirection();
      await point.keep(() => ({
        times,
        direction: direction.slice(),
        residual: residual.slice(),
        vector: vector.slice(),
        square,
      }));
    }
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
