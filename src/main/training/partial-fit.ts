// partialFit: one pass over some rows, of training that goes on for as long as its caller has rows. Its options, and why it
// has not all of fit's.
import { SoftshardError } from '../../errors.js';
import type { NumericVector } from '../arguments/numeric-vectors.js';
import { checkOneOf, checkOptionNames, inspectValue } from '../checks.js';
import { RECORD_OPTION_NAMES } from '../intake/records.js';
import type { WeightsByClass } from './class-weights.js';
import { FIT_LOSS_OPTION_NAMES, type FitLossOptions } from './fit-loss.js';
import { type CheckedFitOptions, checkFitOptions, type FitOptions, type StepReport } from './fit-options.js';
import { OPTIMIZER_OPTION_NAMES, type OptimizerOptions } from './optimizer-options.js';

export interface PartialFitOptions
  extends OptimizerOptions,
    Omit<FitLossOptions, 'weight'>,
    Pick<FitOptions, 'batchSize' | 'shuffle' | 'seed' | 'signal' | 'columns' | 'features' | 'label'> {
  /** [classes], each at least 0: the weight of each class; or by name, { rare: 5 }, the others 1. */
  weight?: NumericVector | WeightsByClass | undefined;
  /** A number of steps, over all calls, while which the learning rate rises along a line. Default 0. */
  warmup?: number | undefined;
  /** Called for each step in order, a few milliseconds later, with `step` and `steps` counted over all calls. */
  onStep?: ((report: StepReport) => void) | undefined;
}

export interface PartialFitResult {
  /** Calls so far, this one included. */
  readonly passes: number;
  /** Steps taken so far, over all calls. */
  readonly steps: number;
  /** Of this call's rows, each before the update of its step: the mean, or with reduction 'sum' the sum. */
  readonly loss: number;
  /** Of the last step. */
  readonly learningRate: number;
  /** Time of the steps alone. */
  readonly durationMs: number;
  readonly rowsPerSecond: number;
}

const NAMES: readonly (keyof PartialFitOptions)[] = [
  'solver',
  'batchSize',
  ...OPTIMIZER_OPTION_NAMES,
  'warmup',
  'shuffle',
  'seed',
  'onStep',
  'signal',
  'columns',
  ...RECORD_OPTION_NAMES,
  ...FIT_LOSS_OPTION_NAMES,
];

const WHOLE = 'the solvers that know it need all rows at once: call fit, or take weightDecay';
const BETWEEN_CALLS = 'a call does not know of the others: evaluate the classifier between calls';
/** Options of fit that one call of many cannot have. */
const REFUSED: Readonly<Partial<Record<keyof FitOptions, string>>> = {
  epochs: 'a call is one pass over its rows: call again for another',
  schedule:
    'the number of all steps and epochs is not known: give each call its learningRate, and warmup in steps',
  validationSplit: BETWEEN_CALLS,
  split: 'it trains on all rows of a call: pass those to train on, selectRows(inputs, split.training)',
  validation: BETWEEN_CALLS,
  earlyStopping: BETWEEN_CALLS,
  calibrate: 'all rows of a call are trained on: call calibrate, with others, when all is trained',
  onEpochEnd: 'a call is one pass: it resolves at its end',
  C: WHOLE,
  l2: WHOLE,
  l1: WHOLE,
  warmStart: 'it always goes on from the present weights: call fit, or make a new classifier, to begin anew',
};

export function checkPartialFitOptions(options: PartialFitOptions): CheckedFitOptions {
  checkRefused(options);
  checkOptionNames('options', options, NAMES);
  const { warmup = 0, weight } = options;
  if (typeof warmup === 'number' && warmup > 0 && warmup < 1) {
    throw refused('warmup', warmup, 'the number of all steps is not known: give a number of steps');
  }
  if (typeof weight === 'string' && weight === 'balanced') {
    throw refused(
      'weight',
      weight,
      'the rows of one call may not be like those of all: give a number for each class',
    );
  }
  const solver = checkOneOf('options.solver', options.solver ?? 'sgd', ['sgd', 'adamw']);
  return checkFitOptions({ ...options, solver, epochs: 1 });
}

function checkRefused(options: object): void {
  if (options === null) return;
  for (const [name, reason] of Object.entries(REFUSED)) {
    const value: unknown = Reflect.get(Object(options), name);
    if (value !== undefined) throw refused(name, value, reason);
  }
}

function refused(name: string, value: unknown, reason: string): SoftshardError {
  const argument = `options.${name}`;
  const message = `${argument} is ${inspectValue(value)}, which partialFit does not take, as ${reason}`;
  return new SoftshardError('ERR_OPTION', message, { argument, value });
}
