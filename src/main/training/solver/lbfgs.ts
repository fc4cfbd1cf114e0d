// L-BFGS with a long memory and exact line searches.
import type { LbfgsHistory } from './lbfgs-history.js';
import { searchLine } from './line-search.js';
import type { Objective } from './objective.js';
import { type Ending, type SolverLimits, Watch, type WatchState } from './watch.js';

type LbfgsState = {
  readonly iteration: number;
  readonly watch: WatchState;
  readonly former: Float64Array;
  readonly step: Float64Array;
  readonly mass: number;
};

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
  const from = limits.kept?.from as LbfgsState | undefined;
  if (from !== undefined) {
    watch.restore(from.watch);
    former.set(from.former);
    step.set(from.step);
    mass = from.mass;
  }
  for (let iteration = from?.iteration ?? 0; ; iteration++) {
    const state = (): LbfgsState => ({
      iteration,
      watch: watch.snapshot(),
      former: former.slice(),
      step: step.slice(),
      mass,
    });
    if (objective.canBeKept) await limits.kept?.point(state);
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
