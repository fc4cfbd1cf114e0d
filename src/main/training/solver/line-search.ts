// The minimum of the objective along a direction. It costs no product with the inputs, so it may as well be found exactly.
import type { Objective } from './objective.js';
import type { Parameters } from './parameters.js';

/** The slope at the end, as a share of that at the beginning. */
const SLOPE_SHARE = 0.02;
/** By how much, as a share of the loss, rounding may have the objective rise. */
const ROUNDING = 1e-6;
const MOST_LOOKS = 30;
/** How much further each time, until the minimum is passed. */
const GROWTH = 4;

/** After so many looks without a step that is short enough. */
const FAR_LOOKS = 4;
const FAR_SHARE = 0.1;

/**
 * How far to go along the direction; undefined where the objective does not fall along it, as far as float32 shows. With an L1
 * penalty no weight may change its sign within mostStep.
 */
export async function searchLine(
  objective: Objective,
  direction: Parameters,
  firstStep: number,
  mostStep = Number.POSITIVE_INFINITY,
): Promise<number | undefined> {
  const { point, weightsLength, penalty, l1 } = objective;
  // The penalty is c0 + c1 t + c2 t² / 2.
  let c1 = 0;
  let c2 = 0;
  for (let i = 0; l1 > 0 && i < weightsLength; i++) {
    c1 += l1 * (point[i] === 0 ? Math.abs(direction[i]!) : Math.sign(point[i]!) * direction[i]!);
  }
  for (let i = 0; i < weightsLength; i++) {
    const penalized = penalty * direction[i]!;
    c1 += penalized * point[i]!;
    c2 += penalized * direction[i]!;
  }
  let slopeAtZero = c1;
  for (let i = 0; i < point.length; i++) slopeAtZero += objective.gradient[i]! * direction[i]!;
  if (!(slopeAtZero < 0)) return undefined;
  const enough = SLOPE_SHARE * -slopeAtZero;
  let low = { step: 0, slope: slopeAtZero };
  let high: typeof low | undefined;
  let step = firstStep;
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const { loss, slope: lossSlope } = await objective.look(step);
    const slope = Number.isFinite(loss) ? lossSlope + c1 + c2 * step : Number.POSITIVE_INFINITY;
    // Beyond the minimum of a steep beginning slopes may be small for long.
    const rise = loss + (c1 + (c2 * step) / 2) * step - objective.loss;
    const isFlat = Math.abs(slope) <= enough && Math.abs(slope) * step <= SLOPE_SHARE * objective.loss;
    const isNear = isFlat && rise <= ROUNDING * objective.loss;
    if (isNear || (step === mostStep && slope < 0)) return step;
    if (slope < 0) low = { step, slope };
    else high = { step, slope };
    step = Math.min(mostStep, nextStep(low, high, looks));
    if (high !== undefined && high.step - low.step < 1e-7 * high.step) break;
  }
  return low.step > 0 ? low.step : undefined;
}

interface Look {
  readonly step: number;
  readonly slope: number;
}

/** Where the line through both slopes is 0, but well between the two; beyond the lower one while there is no other. */
function nextStep(low: Look, high: Look | undefined, looks: number): number {
  if (high === undefined) return low.step === 0 ? GROWTH : low.step * GROWTH;
  const width = high.step - low.step;
  // Far beyond the minimum slopes hardly change any more.
  if (low.step === 0 && looks >= FAR_LOOKS) return high.step * FAR_SHARE;
  const secant = Number.isFinite(high.slope) ? -low.slope / (high.slope - low.slope) : 0.1;
  // Every third time the middle: secants from one side alone converge slowly.
  const share = looks % 3 === 2 ? 0.5 : Math.min(0.95, Math.max(0.05, secant));
  return low.step + share * width;
}
