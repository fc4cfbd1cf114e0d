// Says why training arrived at numbers that are not finite: because of a row of the inputs, or by itself.
import { SoftshardError } from '../../errors.js';
import type { Inputs } from '../models/inputs.js';
import { type NotFinite, notFiniteError, TO_FIT } from '../models/not-finite.js';
import { IGNORED, type RowTargets } from '../models/row-targets.js';
import type { TrainingPlan } from '../plans/training.js';
import type { CheckedFitOptions } from './fit-options.js';

interface DivergedRun {
  readonly inputs: Inputs;
  /** As the workers see them. */
  readonly targets: RowTargets;
  /** Numbers of the training rows. */
  readonly training: Uint32Array;
  readonly plan: TrainingPlan;
  readonly options: Pick<CheckedFitOptions, 'learningRate'>;
}

interface DivergedStep {
  /** Of the residency, from 0; `order` has its rows. */
  readonly step: number;
  readonly order: Uint32Array;
  /** Its number in the whole training, from 1. */
  readonly number: number;
  /** The weights are kept from before: the residency's first epoch, or the call. */
  readonly since: string;
  /** Finite if only the weights after the step are not. */
  readonly loss: number;
}

export async function divergedError(run: DivergedRun, diverged: DivergedStep): Promise<SoftshardError> {
  const { number, since, loss } = diverged;
  const kept = `. The model keeps its weights from before ${since}`;
  const found = await notFiniteFeature(run, diverged);
  if (found !== undefined) return notFiniteError(found, TO_FIT, kept);
  const what = Number.isFinite(loss) ? ', but the weights after it are not finite' : '';
  const { learningRate } = run.options;
  const message =
    `the loss of step ${number} is ${loss}${what}: lower options.learningRate (now ${learningRate}), ` +
    `or scale the features${kept}`;
  return new SoftshardError('ERR_DIVERGED', message, {
    argument: 'options.learningRate',
    value: learningRate,
  });
}

/** In the step's rows, else in all: with a soft cap an infinite feature spoils the weights before any loss shows it. */
async function notFiniteFeature(
  { inputs, targets, training, plan }: DivergedRun,
  { step, order }: DivergedStep,
): Promise<NotFinite | undefined> {
  const { stepsAnEpoch, fullStep } = plan;
  const epoch = Math.floor(step / stepsAnEpoch);
  const begin = epoch * training.length + (step % stepsAnEpoch) * fullStep.rows;
  const end = Math.min(begin + fullStep.rows, (epoch + 1) * training.length);
  const counts = (row: number) => targets.classes[row] !== IGNORED;
  return (
    (await inputs.findNotFinite(order.subarray(begin, end).filter(counts))) ??
    (await inputs.findNotFinite(training.filter(counts)))
  );
}
