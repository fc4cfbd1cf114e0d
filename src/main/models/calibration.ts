// Temperature scaling (Guo et al., "On calibration of modern neural networks", 2017): one number that all logits are divided by,
// such that the loss of rows that were not trained on is least.

import { SoftshardError } from '../../errors.js';
import { treeSum } from '../../kernels/tree-sum.js';
import type { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import { checkOneRank } from '../distributed/together.js';
import { emptyError } from '../losses/loss-options.js';
import type { CalibrationBin } from '../metrics/report.js';
import { evaluateModels, type RowsWithTargets } from './evaluate-model.js';
import type { Evaluation } from './evaluation.js';
import type { LinearModel } from './linear-model.js';
import type { OnInvalidInput } from './not-finite.js';
import { type RowTargets, rowWeights } from './row-targets.js';
import { evaluateByModels, type ModelOfRows } from './rows-by-model.js';

export type CalibrationWarningCode =
  /** The loss falls with the temperature as far as it is tried, or rises with it: it was left at 1. */
  | 'no-temperature'
  /** Its standard error is a fifth of it or more. */
  | 'temperature-uncertain'
  /** The calibration error has risen by more than a hundredth, to more than chance gives with so many rows. */
  | 'calibration-error-risen';

export interface CalibrationWarning {
  /** Does not change from version to version, as the message may. */
  readonly code: CalibrationWarningCode;
  /** What is wrong, and what to do. */
  readonly message: string;
}

export interface Calibration {
  /** What weights and bias have been divided by: above 1 where the model was too sure of itself. */
  readonly temperature: number;
  /** Its standard error, from the rows that it was found with; NaN where it was left at 1. */
  readonly temperatureError: number;
  /** Of these rows by the model as it was, and by the model as it is now: see loss and calibration.expectedError. */
  readonly before: Evaluation;
  readonly after: Evaluation;
  /** What is likely not as it was meant, and what to do. Nothing is printed. */
  readonly warnings: readonly CalibrationWarning[];
}

interface FoundTemperature {
  readonly temperature: number;
  readonly temperatureError: number;
  /** Says why it was left at 1. */
  readonly remark: string | undefined;
}

/** In the logarithm of the temperature. */
const TOLERANCE = 1e-5;
const FIRST_STEP = 0.25;
/** From 1/100 to 100. */
const LIMIT = Math.log(100);
const MOST_PASSES = 100;
/** Nearer points do not tell the slope. */
const SLOPE_DISTANCE = 1e-3;

/** What a pass over the rows says of one temperature. */
interface Point {
  /** The logarithm of the temperature. */
  readonly at: number;
  /** Mean of loss - entropy over the rows: minus the derivative of the loss by `at`, and 0 at its minimum. */
  readonly excess: number;
  /** The standard error of that mean. */
  readonly error: number;
}

/**
 * With p = softmax(z / T) the loss of a row is -Σ q log p and its entropy -Σ p log p; their difference is (Σ p z - Σ q z) / T,
 * the derivative of the loss by -log T. The loss is convex in 1 / T, so the mean of the differences changes its sign once: where a
 * model expects the loss that it has. The place is enclosed, and found by the Illinois method; each point is a pass. `rows.loss` says
 * which rows count, and nothing else.
 */
async function findTemperature(
  resources: Resources,
  models: readonly ModelOfRows[],
  rows: RowsWithTargets,
  signal: Cancellation | undefined,
): Promise<FoundTemperature> {
  const weights = rowWeights(rows.targets, undefined);
  const weightSum = treeSum(weights.slice());
  if (weightSum === 0) throw emptyError(rows.targets.rows);
  const points: Point[] = [];
  const look = async (at: number): Promise<Point> => {
    const { differences, largest } = await differencesAt(resources, models, rows, Math.exp(at), signal);
    checkFinite(differences, rows.targets);
    let squares = 0;
    for (const [row, difference] of differences.entries()) {
      differences[row] = difference * weights[row]!;
      squares += differences[row]! ** 2;
    }
    const excess = treeSum(differences) / weightSum;
    const point = {
      at,
      // What rounding leaves of a difference of two losses is no reason to move.
      excess: Math.abs(excess) <= largest * ROUNDING ? 0 : excess,
      error: Math.sqrt(squares) / weightSum,
    };
    points.push(point);
    return point;
  };
  let far = await look(0);
  let near = far;
  const sign = Math.sign(far.excess);
  for (let step = sign * FIRST_STEP; step !== 0; step *= 2) {
    const next = await look(Math.max(-LIMIT, Math.min(LIMIT, far.at + step)));
    [near, far] = [far, next];
    // An excess of 0 may be one of losses that are all too small, or of probabilities that are all alike.
    if (Math.sign(far.excess) === -sign) break;
    if (Math.abs(far.at) === LIMIT) return { ...UNCHANGED, remark: far.at > 0 ? NO_SKILL : NO_ERROR };
  }
  const root = await illinois(near, far, look);
  return { temperature: Math.exp(root.at), temperatureError: errorAt(root, points), remark: undefined };
}

/** Of float32 losses and entropies, relative to the largest. */
const ROUNDING = 2 ** -24;

const UNCHANGED = { temperature: 1, temperatureError: Number.NaN } as const;
const NO_SKILL =
  'the loss of these rows falls up to a temperature of 100: the model is worse than equal probabilities for all classes. ' +
  'Check that rows and labels belong to each other and to this model, or train it anew';
const NO_ERROR =
  'the loss of these rows falls down to a temperature of 0.01, where nearly all are classified correctly, which says nothing of how ' +
  'sure a model may be: give rows that it was not trained on, and more of them';

/** The point where the excess is 0, between two of different signs. */
async function illinois(from: Point, to: Point, look: (at: number) => Promise<Point>): Promise<Point> {
  if (from.excess === 0) return from;
  let [kept, last] = [from, to];
  let keptExcess = kept.excess;
  for (let passes = 0; last.excess !== 0 && passes < MOST_PASSES; passes++) {
    const at = last.at - (last.excess * (last.at - kept.at)) / (last.excess - keptExcess);
    const step = Math.abs(at - last.at);
    const next = await look(at);
    if (Math.sign(next.excess) === Math.sign(last.excess)) keptExcess /= 2;
    else [kept, keptExcess] = [last, last.excess];
    last = next;
    if (step < TOLERANCE) break;
  }
  return last;
}

/** By the slope of the excess between this point and the nearest other one. */
function errorAt({ at, excess, error }: Point, points: readonly Point[]): number {
  const distanceOf = (point: Point) => Math.abs(point.at - at);
  const [nearest] = points
    .filter((point) => distanceOf(point) > SLOPE_DISTANCE)
    .sort((a, b) => distanceOf(a) - distanceOf(b));
  if (nearest === undefined) return Number.NaN;
  const slope = (nearest.excess - excess) / (nearest.at - at);
  return Math.exp(at) * Math.abs(error / slope);
}

/** loss - entropy of each row, 0 of ignored ones; and the largest of both. */
async function differencesAt(
  resources: Resources,
  models: readonly ModelOfRows[],
  { inputs, targets, loss }: RowsWithTargets,
  temperature: number,
  signal: Cancellation | undefined,
): Promise<{ differences: Float64Array; largest: number }> {
  const options = { ...loss, temperature, withEntropies: true };
  const unweighted = { ...targets, sampleWeight: undefined };
  const results = await evaluateByModels(resources, models, inputs, unweighted, options, signal);
  const { ranks, lossesWithOptions = new Float32Array(0), entropies = new Float32Array(0) } = results;
  const differences = new Float64Array(targets.rows);
  let largest = 0;
  for (let row = 0; row < differences.length; row++) {
    if (ranks[row]! < 0) continue;
    const [own, expected] = [lossesWithOptions[row]!, entropies[row]!];
    differences[row] = own - expected;
    largest = Math.max(largest, own, expected);
  }
  return { differences, largest };
}

/** The rows' probabilities are there: a loss is infinite where a class with a bias of -Infinity is the target. */
function checkFinite(differences: Float64Array, { classes }: RowTargets): void {
  const row = differences.findIndex((difference) => !Number.isFinite(difference));
  if (row < 0) return;
  const value = classes[row]!;
  const message = `targets[${row}] is ${value}, a class that has no probability (its bias is -Infinity), so that its loss is infinite at every temperature: ignore the row (options.ignoreIndex)`;
  throw new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'targets', row, value });
}

/**
 * The temperature that fits the rows, by the model of all rows or each row by its own, and how they fare before and after.
 * Leaves the models as they are.
 */
export async function calibrateModels(
  resources: Resources,
  models: readonly [ModelOfRows, ...ModelOfRows[]],
  rows: RowsWithTargets,
  onInvalidInput: OnInvalidInput,
  signal: Cancellation | undefined,
): Promise<Calibration> {
  checkOneRank('calibrate', resources.transport);
  const rules = { topK: Math.min(5, models[0].model.classes), onInvalidInput };
  const before = await evaluateModels(resources, models, rows, rules, signal);
  const found = await findTemperature(resources, models, rows, signal);
  const { temperature, temperatureError } = found;
  const [first, ...others] = models;
  const divided = ({ model, rowNumbers }: ModelOfRows) => ({
    model: atTemperature(model, temperature),
    rowNumbers,
  });
  const after =
    temperature === 1
      ? before
      : await evaluateModels(resources, [divided(first), ...others.map(divided)], rows, rules, signal);
  const warnings = calibrationWarnings(found, before, after);
  return { temperature, temperatureError, before, after, warnings };
}

/** The parameters that give the logits divided by the temperature. */
export const atTemperature = <Model extends LinearModel>(model: Model, temperature: number) => ({
  features: model.features,
  classes: model.classes,
  featureScaling: model.featureScaling,
  weights: model.weights.map((weight) => weight / temperature),
  bias: model.bias.map((value) => value / temperature),
});

const UNCERTAIN = 0.2;
const RISEN = 0.01;

function calibrationWarnings(
  { temperature, temperatureError, remark }: FoundTemperature,
  before: Evaluation,
  after: Evaluation,
): CalibrationWarning[] {
  if (remark !== undefined) return [{ code: 'no-temperature', message: `${remark}. The model is as it was` }];
  if (temperatureError > UNCERTAIN * temperature) {
    const message = `the temperature ${short(temperature)} has a standard error of ${short(temperatureError)}, as it comes from ${before.rows} rows: give more of them`;
    return [{ code: 'temperature-uncertain', message }];
  }
  const [was, is] = [before.calibration.expectedError, after.calibration.expectedError];
  if (!(is > was + RISEN && is > errorByChance(after.calibration.bins, after.rows))) return [];
  const message = `the expected calibration error rises from ${short(was)} to ${short(is)} where the loss falls: one temperature for all rows does not fit this model. Look at the bins (after.calibration.bins) and for wrong labels, or train it with other features`;
  return [{ code: 'calibration-error-risen', message }];
}

/**
 * What the expected calibration error of a model that is as sure as it is right hardly exceeds. Of n rows with a mean confidence c
 * the number of right ones deviates from c · n with variance σ² ≤ n c (1 - c), by √(2 / π) σ in the mean where it is normal; the
 * variance of the deviation's size is at most σ².
 */
function errorByChance(bins: readonly CalibrationBin[], rows: number): number {
  const variances = bins.map((bin) =>
    bin.rows === 0 ? 0 : bin.rows * bin.confidence * (1 - Math.min(1, bin.confidence)),
  );
  const mean = variances.reduce((sum, variance) => sum + Math.sqrt((2 / Math.PI) * variance), 0);
  const deviation = Math.sqrt(variances.reduce((sum, variance) => sum + variance, 0));
  return (mean + CHANCE_DEVIATIONS * deviation) / rows;
}

/** None of 200 models that are as sure as they are right exceeds it with 100 rows; a rise of 0.01 alone has every thirteenth. */
const CHANCE_DEVIATIONS = 2;

const short = (value: number): string => String(Number(value.toPrecision(3)));
