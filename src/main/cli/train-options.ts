// The options of train that say how steps are taken: their flags, which contradict each other, and what fit makes of them.

import { type Command, Option } from 'commander';
import type { Training } from '../index.js';
import { choice, given } from './command-options.js';
import { UsageError } from './failures.js';
import { integer, numberBelow, pairBelow, rowsOrFull, stepsOrFraction } from './option-values.js';

/** Undefined: not given. The defaults are those of stepOptions, so that it stays known which options were chosen. */
export interface StepFlags {
  solver?: Training.FullBatchSolver | Training.StepSolver;
  epochs?: number;
  batchSize?: number | 'full';
  learningRate?: number;
  schedule?: Training.ScheduleName;
  stepEpochs?: number;
  scheduleFactor?: number;
  plateauPatience?: number;
  warmup?: number;
  momentum?: number;
  nesterov?: true;
  betas?: [number, number];
  epsilon?: number;
  weightDecay?: number;
  clipNorm?: number;
  earlyStopping?: true | WatchedFlag;
  patience?: number;
  minDelta?: number;
  seed: number;
  shuffle: boolean;
}

const UNLIMITED = Number.POSITIVE_INFINITY;
const positive = numberBelow(UNLIMITED, { positive: true });

const METRICS = {
  'validation-loss': 'validationLoss',
  'validation-accuracy': 'validationAccuracy',
  loss: 'loss',
} as const satisfies Record<string, Training.WatchedMetric>;
type WatchedFlag = keyof typeof METRICS;

export function addStepOptions(command: Command): Command {
  return command
    .addOption(
      choice(
        '--solver <kind>',
        'lbfgs (default) and newton-cg go over all rows at once, until the model is certain to be as good as it can be; ' +
          'sgd (default with an option of its own, such as --epochs) and adamw go step by step',
        ['lbfgs', 'newton-cg', 'sgd', 'adamw'] satisfies (Training.FullBatchSolver | Training.StepSolver)[],
      ),
    )
    .option('--epochs <count>', 'passes over the rows (default: 10)', integer(1))
    .option('--batch-size <rows>', 'rows in a step, or "full" for all (default: 256)', rowsOrFull)
    .option('--learning-rate <rate>', 'size of the steps (default: 0.1, with adamw 0.001)', positive)
    .addOption(
      choice(
        '--schedule <kind>',
        'how the learning rate changes: constant (default); linear and cosine fall to 0 over all steps; one-cycle ' +
          'rises, then falls; step falls every --step-epochs; reduce-on-plateau falls when the loss (of validation, if ' +
          'any) no longer does',
        [
          'constant',
          'linear',
          'cosine',
          'one-cycle',
          'step',
          'reduce-on-plateau',
        ] satisfies Training.ScheduleName[],
      ),
    )
    .option('--step-epochs <count>', 'epochs after which --schedule step falls', integer(1))
    .option(
      '--schedule-factor <fraction>',
      'what --schedule step or reduce-on-plateau multiplies the rate by (default: 0.1)',
      numberBelow(1),
    )
    .option(
      '--plateau-patience <epochs>',
      'epochs that are no better before --schedule reduce-on-plateau falls (default: 10)',
      integer(0),
    )
    .option(
      '--warmup <steps>',
      'steps while which the learning rate rises, or below 1 their fraction of all (default: 0, with one-cycle 0.3)',
      stepsOrFraction,
    )
    .option('--momentum <fraction>', 'momentum of sgd, below 1 (default: 0)', numberBelow(1))
    .option('--nesterov', "Nesterov's momentum; needs --momentum")
    .option(
      '--betas <two>',
      'what adamw keeps of the mean and of the mean square of gradients (default: 0.9,0.999)',
      pairBelow(1),
    )
    .option('--epsilon <number>', 'what adamw adds to the root of the mean square (default: 1e-8)', positive)
    .option(
      '--weight-decay <penalty>',
      'L2 penalty of the weights (default: 0); with adamw the part that learning rate · penalty takes off them (0.01)',
      numberBelow(UNLIMITED),
    )
    .option(
      '--clip-norm <norm>',
      'the largest norm of a gradient: longer ones are scaled down to it',
      positive,
    )
    .addOption(
      new Option(
        '--early-stopping [metric]',
        'end when the metric of --patience epochs is no better, and keep the best epoch: "validation-loss" (the one ' +
          'without a value), "validation-accuracy" or "loss"',
      ).choices(Object.keys(METRICS)),
    )
    .option('--patience <epochs>', 'of --early-stopping (default: 5)', integer(1))
    .option(
      '--min-delta <number>',
      'of --early-stopping: better is better by more than this (default: 0)',
      numberBelow(UNLIMITED),
    )
    .option('--seed <number>', 'decides the order of the rows', integer(0), 0)
    .option('--no-shuffle', 'take the rows in the order of the file');
}

const STEP_FLAGS = {
  epochs: '--epochs',
  batchSize: '--batch-size',
  learningRate: '--learning-rate',
  schedule: '--schedule',
  stepEpochs: '--step-epochs',
  scheduleFactor: '--schedule-factor',
  plateauPatience: '--plateau-patience',
  warmup: '--warmup',
  momentum: '--momentum',
  nesterov: '--nesterov',
  betas: '--betas',
  epsilon: '--epsilon',
  weightDecay: '--weight-decay',
  clipNorm: '--clip-norm',
  earlyStopping: '--early-stopping',
  patience: '--patience',
  minDelta: '--min-delta',
} as const satisfies { readonly [Name in keyof StepFlags]?: string };

/** A flag that only training step by step knows, if one is given. */
export function givenStepFlag(flags: StepFlags): string | undefined {
  if (!flags.shuffle) return '--no-shuffle';
  return Object.entries(STEP_FLAGS).find(([name]) => flags[name as keyof StepFlags] !== undefined)?.[1];
}

/** Finds contradicting options; `validates`: there are rows to validate on. */
export function checkStepFlags(flags: StepFlags, validates: boolean): void {
  const { solver = 'sgd', schedule = 'constant', earlyStopping } = flags;
  const refuse = (isGiven: boolean, message: string) => {
    if (isGiven) throw new UsageError(message);
  };
  const isSgd = solver === 'sgd';
  refuse(
    !isSgd && flags.momentum !== undefined,
    `--momentum is of --solver sgd, and ${solver} has --betas: leave it out`,
  );
  refuse(!isSgd && flags.nesterov === true, `--nesterov is of --solver sgd: leave it out with ${solver}`);
  refuse(
    isSgd && flags.betas !== undefined,
    '--betas is of --solver adamw, and sgd has --momentum: choose one',
  );
  refuse(isSgd && flags.epsilon !== undefined, '--epsilon is of --solver adamw: leave it out with sgd');
  refuse(flags.nesterov === true && !flags.momentum, '--nesterov needs a momentum: add --momentum 0.9, say');
  const falls = schedule === 'step' || schedule === 'reduce-on-plateau';
  refuse(
    schedule === 'step' && flags.stepEpochs === undefined,
    '--schedule step needs --step-epochs: add --step-epochs 3, say',
  );
  refuse(schedule !== 'step' && flags.stepEpochs !== undefined, '--step-epochs needs --schedule step');
  refuse(
    !falls && flags.scheduleFactor !== undefined,
    '--schedule-factor needs --schedule step or reduce-on-plateau',
  );
  refuse(
    schedule !== 'reduce-on-plateau' && flags.plateauPatience !== undefined,
    '--plateau-patience needs --schedule reduce-on-plateau',
  );
  refuse(earlyStopping === undefined && flags.patience !== undefined, '--patience needs --early-stopping');
  refuse(earlyStopping === undefined && flags.minDelta !== undefined, '--min-delta needs --early-stopping');
  refuse(
    earlyStopping !== undefined && earlyStopping !== 'loss' && !validates,
    '--early-stopping has no rows to validate on: add --validation-split 0.2, say, or --validation-data, or watch the ' +
      'loss of training with --early-stopping loss',
  );
}

/** Options of fit; the model keeps them. */
export function stepOptions(flags: StepFlags) {
  const solver = flags.solver === 'adamw' ? 'adamw' : 'sgd';
  const { epochs = 10, batchSize = 256, shuffle, seed } = flags;
  const { warmup, betas, epsilon, clipNorm } = flags;
  const isSgd = solver === 'sgd';
  return {
    solver,
    epochs,
    batchSize,
    learningRate: flags.learningRate ?? (isSgd ? 0.1 : 1e-3),
    schedule: scheduleOf(flags),
    ...(isSgd && { momentum: flags.momentum ?? 0, nesterov: flags.nesterov ?? false }),
    weightDecay: flags.weightDecay ?? (isSgd ? 0 : 0.01),
    shuffle,
    seed,
    ...given({ warmup, betas, epsilon, clipNorm, earlyStopping: earlyStoppingOf(flags) }),
  } satisfies Training.FitOptions;
}

function scheduleOf(flags: StepFlags) {
  const { schedule: kind = 'constant', scheduleFactor: factor, plateauPatience: patience } = flags;
  switch (kind) {
    case 'step':
      return { kind, everyEpochs: flags.stepEpochs ?? 1, ...given({ factor }) } as const;
    case 'reduce-on-plateau': {
      const settings = given({ factor, patience });
      return Object.keys(settings).length === 0 ? kind : ({ kind, ...settings } as const);
    }
    default:
      return kind;
  }
}

function earlyStoppingOf({ earlyStopping, patience, minDelta }: StepFlags) {
  if (earlyStopping === undefined) return undefined;
  const metric = METRICS[earlyStopping === true ? 'validation-loss' : earlyStopping];
  return { metric, ...given({ patience, minDelta }) };
}
