// L-BFGS with a long memory and exact line searches.
import type { LbfgsHistory } from './lbfgs-history.js';
import { searchLine } from './line-search.js';
import type { Objective } from './objective.js';
import { type Ending, type SolverLimits, Watch } from './watch.js';

export async function minimizeByLbfgs(
  objective: Objective,
  history: LbfgsHistory,
  limits: SolverLimits,
): Promise<Ending> {
  const { point, solved, penalty } = objective;
  const watch = new Watch(objective, limits);
  const { gradient } = watch;
  const former = new Float64Array(solved);
  const direction = new Float64Array(point.length);
  const step = new Float64Array(solved);
  let mass = 0;
  for (let iteration = 0; ; iteration++) {
    const ending = await watch.look(iteration);
    if (ending !== undefined) return ending;
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
    const stepLength = await searchLine(objective, direction, first);
    if (stepLength === undefined) {
      if (history.isEmpty) return watch.end('floor');
      history.clear();
      step.fill(0);
      continue;
    }
    for (let i = 0; i < solved; i++) step[i] = stepLength * direction[i]!;
    await objective.move(stepLength, direction);
    await objective.differentiate();
  }
}
