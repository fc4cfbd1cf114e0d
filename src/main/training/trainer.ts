// One training run: sends the workers off for many steps at a time, and handles progress, validation, cancelling and
// failures. It is never on the path of a step.

import { setImmediate } from 'node:timers/promises';
import { SoftshardError } from '../../errors.js';
import { type LearningRateSchedule, learningRateAt, Stop } from '../../workers/protocol.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArenaScope } from '../memory/arena.js';
import type { PlacedRun, RunTerms } from '../memory/call-memory.js';
import { isPlainLoss } from '../models/evaluate-model.js';
import type { Inputs } from '../models/inputs.js';
import { evaluationBytes, type LinearModel, zeroModel } from '../models/linear-model.js';
import { type RowTargets, rowWeights, withoutWeightless } from '../models/row-targets.js';
import { planShuffleBlocks } from '../plans/row-blocks.js';
import { usesBlas } from '../plans/tiles.js';
import { planTraining, type TrainingPlan } from '../plans/training.js';
import type { CheckpointPart } from './checkpoint/checkpoints.js';
import { divergedError } from './divergence.js';
import { EarlyStopping } from './early-stopping.js';
import { type FitLoss, withClassWeights } from './fit-loss.js';
import type { CheckedFitOptions, EpochReport, EpochSpan } from './fit-options.js';
import type { StepFitResult } from './fit-result.js';
import { OptimizerMemory, type PassesDone } from './optimizer-memory.js';
import { Plateau } from './plateau.js';
import { combineSteps, nothingToTrainOn, noValidation, type StepOrder, splitRows } from './rows/row-order.js';
import { RowsInArena } from './rows/rows-in-arena.js';
import type { SharedRows } from './rows/shared-rows.js';
import { StagedRows } from './rows/staged-rows.js';
import { placeRowFormat, rowSources, type TrainingRows, type TrainingSetup } from './rows/training-rows.js';
import { WindowedRows } from './rows/windowed-rows.js';
import { placeRunLoss } from './run-loss.js';
import { stepScheduleOf } from './schedule-options.js';
import { stepsResult } from './steps-result.js';
import { type KeptSteps, keptSteps, type StepsState } from './steps-state.js';
import { StopRequest, withStopSignal } from './stop-request.js';
import { TrainedHead } from './trained-head.js';
import { placeHead, placeJob } from './training-memory.js';
import { type Validate, type ValidationResult, validateApart } from './validation.js';
import type { NamedClasses } from './warnings.js';

/** Limits of a residency of several short epochs: its steps, and the rows of their order. */
const RESIDENT_STEPS = 2000;
const RESIDENT_ORDER_ROWS = 4 * 1024 * 1024;

/**
 * Trains `model` in place: its weights and bias are replaced at the end of each residency. With `memory` it goes on from what
 * an optimizer has left there, and leaves it there again.
 */
export async function train(
  resources: Resources,
  model: LinearModel & NamedClasses,
  inputs: Inputs,
  targets: RowTargets,
  loss: FitLoss,
  options: CheckedFitOptions,
  memory?: OptimizerMemory,
): Promise<StepFitResult> {
  const { arena, callMemory } = resources;
  const held = [inputs.ptr, targets.softTargets?.ptr, targets.mask?.ptr];
  const place = (terms: RunTerms) => {
    const scope = arena.scope();
    try {
      return new TrainingRun({ resources, scope, terms }, model, inputs, targets, loss, options, memory);
    } catch (error) {
      scope.release();
      throw error;
    }
  };
  return callMemory.train(held, options.signal, place, (run) => run.run());
}

/** Where a run takes its memory from. */
interface RunMemory {
  readonly resources: Resources;
  readonly scope: ArenaScope;
  readonly terms: RunTerms;
  /** With other runs of the same plan and loss. */
  readonly shared?: SharedRows;
}

export class TrainingRun implements PlacedRun {
  readonly reserve: readonly number[];
  readonly #resources: Resources;
  readonly #scope: ArenaScope;
  readonly #model: LinearModel & NamedClasses;
  readonly #inputs: Inputs;
  /** As the workers see them. */
  readonly #targets: RowTargets;
  readonly #options: CheckedFitOptions;
  readonly #loss: FitLoss;
  /** Whether the plain kernels suffice, which know neither weights nor ignored rows. */
  readonly #usesPlainKernels: boolean;
  readonly #training: Uint32Array;
  readonly #validate: Validate | undefined;
  readonly #plan: TrainingPlan;
  readonly #head: TrainedHead;
  readonly #rows: TrainingRows;
  readonly #memory: OptimizerMemory | undefined;
  /** Of the calls before this one, whose training it goes on with. */
  readonly #before: PassesDone;
  readonly #schedule: LearningRateSchedule;
  readonly #plateau: Plateau | undefined;
  readonly #earlyStopping: EarlyStopping | undefined;
  readonly #reports: EpochReport[];
  /** Before the first epoch, where rows are validated on: what the model keeps if these turn out not to be finite. */
  #former: Pick<LinearModel, 'weights' | 'bias'> | undefined;
  /** Of the last epoch so far. */
  #validated: ValidationResult | undefined;
  readonly #kept: KeptSteps | undefined;
  #part: CheckpointPart | undefined;
  /** The parameters are those after a whole step. */
  #canBeKept = true;
  /** The epoch that is trained, or comes next: what a checkpoint begins with. */
  #epoch: number;
  /** Where the running residency begins, and how long the workers have been on epochs that are not reported. */
  #residencyEpoch: number;
  #order: StepOrder | undefined;
  #durationMs = 0;
  /** Its steps that are taken, and those already reported to onStep. */
  #stepsDone = 0;
  #stepsReported = 0;
  /** At the last point where it could be kept. */
  #stepsAtPoint = 0;

  constructor(
    { resources, scope, terms, shared }: RunMemory,
    model: LinearModel & NamedClasses,
    inputs: Inputs,
    targets: RowTargets,
    loss: FitLoss,
    options: CheckedFitOptions,
    memory?: OptimizerMemory,
  ) {
    this.#resources = resources;
    this.#scope = scope;
    this.#model = model;
    this.#options = options;
    this.#memory = memory;
    this.#kept = options.kept;
    const from = this.#kept?.from;
    this.#reports = options.span?.reports ?? [];
    this.#epoch = from?.epoch ?? this.#span.first;
    this.#residencyEpoch = this.#epoch;
    this.#before = memory?.of(options.optimizer.kind) ?? { passes: 0, steps: 0 };
    const { training, validation } =
      options.split ?? splitRows(inputs.rows, options.validationSplit, options.seed);
    if (training.length === 0) throw nothingToTrainOn(inputs.rows, validation.length);
    if (options.validationSplit > 0 && validation.length === 0)
      throw noValidation(inputs.rows, options.validationSplit);
    this.#training = training;
    this.#inputs = inputs;
    this.#targets = withoutWeightless(targets, training);
    this.#plan = planTraining({
      rows: training.length,
      batchSize: options.batchSize,
      features: model.features,
      classes: model.classes,
      blas: usesBlas(resources, model),
    });
    this.#loss = withClassWeights(loss, targets, training, model.classes);
    const plain = isPlainLoss(this.#loss, targets) && loss.reduction === 'mean' && targets.ignored === 0;
    this.#usesPlainKernels = plain;
    const apart =
      options.validation &&
      validateApart(resources, scope, model, this.#loss, options.validation, options.signal);
    const validates = apart !== undefined || validation.length > 0;
    if (validates) this.#former = { weights: model.weights.slice(), bias: model.bias.slice() };
    this.reserve = validates
      ? evaluationBytes(
          resources,
          model,
          apart?.inputs ?? inputs,
          apart?.inputs.rows ?? validation.length,
          !plain,
        )
      : [];
    const residentEpochs = this.#residentEpochs(validates);
    const { optimizer, learningRate, clipNorm } = options;
    const allSteps = this.#allSteps;
    this.#schedule = stepScheduleOf(options.schedule, { ...this.#plan, steps: allSteps });
    this.#plateau =
      options.schedule.kind === 'reduce-on-plateau' ? new Plateau(options.schedule, learningRate) : undefined;
    this.#earlyStopping = options.earlyStopping && new EarlyStopping(options.earlyStopping);
    // The model may only be changed once there is nothing left to be refused.
    const start = from ? { ...model, ...from } : options.warmStart ? model : zeroModel(model);
    const place = (owner: ArenaScope) => placeJob(resources, owner, model, this.#plan, !plain);
    const job = shared?.jobBy(place) ?? place(scope);
    const head = placeHead(resources, scope, job, start, {
      steps: residentEpochs * this.#plan.stepsAnEpoch,
      update: { optimizer, learningRate, clipNorm, schedule: this.#schedule, allSteps },
    });
    const optimizerMemory = memory ?? options.span?.optimizer ?? new OptimizerMemory();
    if (from !== undefined) optimizerMemory.restore(from.optimizer);
    optimizerMemory.place(resources, job, head, model);
    this.#head = new TrainedHead(resources, job, head, model);
    const setupIn = (owner: ArenaScope): TrainingSetup => ({
      resources,
      scope: owner,
      model,
      inputs,
      targets: this.#targets,
      fitLoss: this.#loss,
      loss: plain ? undefined : placeRunLoss(resources, owner, this.#loss),
      sources: rowSources(resources, model, inputs, this.#targets, this.#plan, plain),
      format: placeRowFormat(resources, owner, model, inputs, this.#plan),
      plan: this.#plan,
      job,
      head,
      order: {
        epochs: residentEpochs,
        training,
        plan: this.#plan,
        shuffle: options.shuffle,
        seed: options.seed,
        blockRows: planShuffleBlocks(inputs.rows, model.features),
        rowWeights: plain ? undefined : rowWeights(this.#targets, this.#loss.weight),
      },
      validation,
      reserve: terms.reserve(this.reserve),
      isAlone: terms.isAlone,
    });
    this.#rows = shared?.join(setupIn, head, model) ?? placeRows(setupIn(scope));
    this.#validate = apart?.validate ?? (validation.length > 0 ? this.#rows.validation() : undefined);
  }

  /** Of the whole training, which goes on for an unknown number of calls where there is a memory. */
  get #allSteps(): number {
    return this.#memory ? Number.POSITIVE_INFINITY : this.#options.epochs * this.#plan.stepsAnEpoch;
  }

  /** Of the running residency. */
  get #learningRate(): number {
    return this.#plateau?.learningRate ?? this.#options.learningRate;
  }

  get #span(): Pick<EpochSpan, 'first' | 'last'> {
    return this.#options.span ?? { first: 1, last: this.#options.epochs };
  }

  /** Several short epochs at a time, where nobody looks at the weights in between. */
  #residentEpochs(validates: boolean): number {
    const { onEpochEnd, schedule, earlyStopping } = this.#options;
    const isWatched = schedule.kind === 'reduce-on-plateau' || earlyStopping !== undefined;
    if (onEpochEnd !== undefined || validates || isWatched) return 1;
    const bySteps = Math.floor(RESIDENT_STEPS / this.#plan.stepsAnEpoch);
    const byOrder = Math.floor(RESIDENT_ORDER_ROWS / this.#training.length);
    return Math.max(1, Math.min(this.#options.epochs, bySteps, byOrder));
  }

  /** Frees its memory at the end. */
  async run(): Promise<StepFitResult> {
    this.#part = this.#kept?.enter();
    try {
      if (this.#kept?.from !== undefined) this.#goOn(this.#kept.from);
      return await this.#runEpochs();
    } catch (error) {
      const { signal } = this.#options;
      if (this.#canBeKept && signal?.aborted && error === signal.reason) await this.#keepAtStop();
      throw error;
    } finally {
      this.#part?.leave();
      this.#rows.leave?.();
      this.#scope.release();
    }
  }

  /** Throws signal.reason where that is kept. */
  async #keepAtStop(): Promise<void> {
    if (this.#head.areFinite) this.#head.publish();
    // Others that wait for it to ask for steps would never come to a point.
    this.#rows.leave?.();
    // A residency of whoever goes on may be shorter.
    if (this.#order !== undefined && this.#rows.residentEpochs > 1)
      await this.#reportEpochs(this.#order, true);
    await this.#keep();
  }

  /** What the constructor has not placed of it. */
  #goOn({ weights, bias, losses, reports, plateau, earlyStopping }: StepsState): void {
    this.#model.weights.set(weights);
    this.#model.bias.set(bias);
    this.#reports.splice(0, this.#reports.length, ...reports);
    if (plateau !== undefined) this.#plateau?.restore(plateau);
    if (earlyStopping !== undefined) this.#earlyStopping?.restore(earlyStopping);
    this.#head.stepLosses(0, losses.length).set(losses);
    this.#stepsDone = losses.length;
    this.#stepsReported = losses.length;
    this.#stepsAtPoint = losses.length;
  }

  /** After the last step that was taken, whose parameters must be whole. */
  snapshot(): StepsState {
    const begin = (this.#epoch - this.#residencyEpoch) * this.#plan.stepsAnEpoch;
    return {
      epoch: this.#epoch,
      losses: this.#head.stepLosses(begin, Math.max(begin, this.#stepsDone)).slice(),
      ...this.#head.snapshot(),
      reports: [...this.#reports],
      plateau: this.#plateau?.snapshot(),
      earlyStopping: this.#earlyStopping?.snapshot(),
    };
  }

  get #isShared(): boolean {
    return this.#kept?.isShared === true;
  }

  /** Between two steps: see CheckpointPart. */
  async #keep(): Promise<void> {
    this.#count();
    if (this.#part !== undefined && this.#part.stepsLeft <= 0) await this.#meet();
    if (this.#part?.isDue) await this.#wait();
  }

  #meet(): Promise<void> | undefined {
    const done = this.#stepsDone;
    const loss = done > 0 ? this.#head.stepLosses(done - 1, done)[0] : this.#reports.at(-1)?.loss;
    return this.#part?.meet(loss ?? 0);
  }

  #count(): void {
    this.#part?.count(this.#stepsDone - this.#stepsAtPoint);
    this.#stepsAtPoint = this.#stepsDone;
  }

  async #wait(): Promise<void> {
    await this.#part?.wait(() => keptSteps(this.snapshot(), this.#plan.stepsAnEpoch));
  }

  async #runEpochs(): Promise<StepFitResult> {
    const { residentEpochs } = this.#rows;
    let [order, nextOrder] = this.#rows.orders;
    const { passes } = this.#before;
    const first = this.#epoch;
    order.fill(passes + first, this.#epochsFrom(first));
    for (let epoch = first; epoch <= this.#span.last; epoch += residentEpochs) {
      const count = this.#epochsFrom(epoch);
      this.#checkNotEmpty(epoch, order);
      const residency = this.#runResidency(epoch, count, order);
      // Awaited below; a failure until then must not count as unhandled.
      residency.catch(() => {});
      try {
        // Make the next order while the workers compute: by the next turn of the event loop they have started.
        await setImmediate();
        nextOrder.fill(passes + epoch + count, this.#epochsFrom(epoch + count));
      } finally {
        // Memory must not be freed while somebody computes on it.
        await Promise.allSettled([residency]);
      }
      await residency;
      if (this.#earlyStopping?.isOver) break;
      [order, nextOrder] = [nextOrder, order];
    }
    return stepsResult({
      model: this.#model,
      targets: this.#targets,
      training: this.#training,
      loss: this.#loss,
      options: this.#options,
      stepsAnEpoch: this.#plan.stepsAnEpoch,
      epochs: this.#reports,
      early: this.#earlyStopping,
      validated: this.#validated,
      isPartial: this.#memory !== undefined,
    });
  }

  /** Epochs of the residency that begins with `epoch`. */
  #epochsFrom(epoch: number): number {
    return Math.max(0, Math.min(this.#rows.residentEpochs, this.#span.last - epoch + 1));
  }

  #checkNotEmpty(epoch: number, { emptyStep }: StepOrder): void {
    if (emptyStep === undefined || this.#loss.onEmpty !== 'throw') return;
    const step = this.#before.steps + (epoch - 1) * this.#plan.stepsAnEpoch + emptyStep + 1;
    const message =
      `all rows of step ${step} are ignored or have weight 0: choose options.onEmpty 'zero' or a larger ` +
      `options.batchSize, or check targets and weights. The model keeps its weights from before ${this.#nameOf(epoch)}`;
    throw new SoftshardError('ERR_EMPTY', message, { argument: 'targets' });
  }

  /** For messages: partialFit knows of no epochs. */
  #nameOf(epoch: number): string {
    return this.#memory ? 'this call' : `epoch ${epoch}`;
  }

  /** Trains `count` epochs from `epoch` on, publishes the weights and reports the epochs. */
  async #runResidency(epoch: number, count: number, order: StepOrder): Promise<void> {
    const steps = count * this.#plan.stepsAnEpoch;
    this.#residencyEpoch = epoch;
    this.#epoch = epoch;
    this.#order = order;
    do {
      await this.#runSteps(epoch, steps, order);
      await this.#reportEpochs(order);
      const isLast = this.#earlyStopping?.isOver || this.#epoch > this.#span.last;
      if (!isLast && !this.#isShared) await this.#keep();
    } while (this.#stepsDone < steps);
    this.#order = undefined;
    this.#stepsAtPoint -= steps;
    this.#stepsDone = 0;
    this.#stepsReported = 0;
  }

  /** Those of the residency that have ended. */
  async #reportEpochs(order: StepOrder, isStopped = false): Promise<void> {
    const end = this.#residencyEpoch + Math.floor(this.#stepsDone / this.#plan.stepsAnEpoch);
    const count = end - this.#epoch;
    if (count <= 0) return;
    const durationMs = this.#durationMs / count;
    this.#durationMs = 0;
    while (this.#epoch < end) {
      await this.#reportEpoch(order, durationMs);
      if (!isStopped) this.#options.signal?.throwIfAborted();
    }
  }

  /** Takes the steps of a residency that are left, or those until a checkpoint is due. */
  async #runSteps(epoch: number, steps: number, order: StepOrder): Promise<void> {
    const first = this.#stepsDone;
    const until = this.#isShared ? steps : Math.min(steps, first + (this.#part?.stepsLeft ?? steps));
    const begin = performance.now();
    try {
      await this.#train(epoch, { first, until }, order);
    } catch (cause) {
      // Workers that are asked to stop leave at the end of a step, so the parameters are whole. After a lost worker they
      // may not be, and after a diverged step they are useless: then the model keeps those of the last residency.
      if (!(cause instanceof StopRequest)) {
        this.#canBeKept = false;
        throw cause;
      }
      if (this.#head.areFinite) this.#publish();
      throw cause.reason;
    } finally {
      this.#durationMs += performance.now() - begin;
    }
    // No loss shows yet what the last step did to the weights.
    if (!this.#head.areFinite) throw await this.#diverged(epoch, this.#stepsDone, order);
    if (this.#stepsDone === steps) this.#publish();
  }

  async #train(
    epoch: number,
    { first, until }: { first: number; until: number },
    order: StepOrder,
  ): Promise<void> {
    const { pool } = this.#resources;
    const { fullStep, stepsAnEpoch } = this.#plan;
    const stepsBefore = this.#before.steps + (epoch - 1) * stepsAnEpoch;
    const residency = { order, first, steps: until, stepsBefore, learningRate: this.#learningRate };
    const members = Math.min(pool.threads, fullStep.shards);
    const onSteps = (stepsDone: number) => this.#reportSteps(epoch, stepsDone);
    const isDue = this.#isShared ? undefined : () => this.#part?.isDue === true;
    const point = {
      meet: () => {
        this.#count();
        return this.#meet();
      },
      isDue: () => this.#part?.isDue === true,
      wait: () => this.#wait(),
    };
    const stopped = await withStopSignal(this.#options.signal, (signal) =>
      this.#rows.train(residency, { members, signal, onSteps, isDue, point }),
    );
    if (stopped?.stop === Stop.diverged) throw await this.#diverged(epoch, stopped.nextStep, order);
    this.#stepsDone = stopped?.nextStep ?? until;
  }

  #publish(): void {
    this.#head.publish();
    this.#head.remember(this.#memory ?? this.#options.span?.optimizer, this.#stepsDone);
  }

  #reportSteps(epoch: number, stepsDone: number): void {
    const { onStep, epochs } = this.#options;
    this.#stepsDone = Math.max(this.#stepsDone, stepsDone);
    if (onStep === undefined) return;
    const before = this.#before.steps + (epoch - 1) * this.#plan.stepsAnEpoch;
    const steps = this.#before.steps + epochs * this.#plan.stepsAnEpoch;
    while (this.#stepsReported < stepsDone) {
      const [loss] = this.#head.stepLosses(this.#stepsReported, this.#stepsReported + 1);
      this.#stepsReported++;
      try {
        onStep({ step: before + this.#stepsReported, steps, loss: loss! });
      } catch (error) {
        throw new StopRequest(error);
      }
    }
  }

  /** Of the epoch that has just ended. */
  async #reportEpoch(order: StepOrder, durationMs: number): Promise<void> {
    const { onEpochEnd, epochs } = this.#options;
    const epoch = this.#epoch;
    const evaluation = await this.#validateEpoch();
    this.#validated = evaluation;
    const report: EpochReport = {
      epoch,
      epochs,
      loss: this.#epochLoss(epoch - this.#residencyEpoch, order),
      ...(evaluation && { validationLoss: evaluation.loss, validationAccuracy: evaluation.accuracy }),
      learningRate: this.#learningRateOf(epoch),
      durationMs,
      rowsPerSecond: (this.#training.length / durationMs) * 1000,
    };
    this.#reports.push(report);
    this.#plateau?.observe(report.validationLoss ?? report.loss);
    this.#earlyStopping?.observe(report, this.#model);
    this.#epoch++;
    await onEpochEnd?.(report);
  }

  /** Rows that are not finite show in the first epoch. */
  async #validateEpoch(): Promise<ValidationResult | undefined> {
    const { weights, bias } = this.#model;
    try {
      return await this.#validate?.(this.#options.signal);
    } catch (error) {
      const former = this.#former;
      if (error instanceof SoftshardError && error.code === 'ERR_NOT_FINITE' && former !== undefined) {
        if (weights.length > 0) weights.set(former.weights);
        if (bias.length > 0) bias.set(former.bias);
      }
      throw error;
    } finally {
      this.#former = undefined;
    }
  }

  #learningRateOf(epoch: number): number {
    const terms = { learningRate: this.#learningRate, schedule: this.#schedule };
    const step = this.#before.steps + epoch * this.#plan.stepsAnEpoch - 1;
    return learningRateAt(terms, step, this.#allSteps);
  }

  /** The mean over the epoch's rows: the means of steps, weighted by their rows or the weight of those. */
  #epochLoss(epochOfResidency: number, order: StepOrder): number {
    const { stepsAnEpoch, fullStep, lastStep } = this.#plan;
    const begin = epochOfResidency * stepsAnEpoch;
    const losses = this.#head.stepLosses(begin, begin + stepsAnEpoch);
    if (!this.#usesPlainKernels) {
      return combineSteps(losses, order.weightsOf(epochOfResidency), this.#loss.reduction);
    }
    let lossSum = losses.at(-1)! * lastStep.rows;
    for (const loss of losses.subarray(0, -1)) lossSum += loss * fullStep.rows;
    return lossSum / this.#training.length;
  }

  #diverged(epoch: number, stepsDone: number, order: StepOrder): Promise<SoftshardError> {
    const run = {
      inputs: this.#inputs,
      targets: this.#targets,
      training: this.#training,
      plan: this.#plan,
      options: this.#options,
    };
    const step = stepsDone - 1;
    return divergedError(run, {
      step,
      order: order.rows,
      number: this.#before.steps + (epoch - 1) * this.#plan.stepsAnEpoch + stepsDone,
      since: this.#nameOf(epoch),
      loss: this.#head.stepLosses(step, stepsDone)[0]!,
    });
  }
}

const placeRows = (setup: TrainingSetup): TrainingRows =>
  RowsInArena.place(setup) ?? WindowedRows.place(setup) ?? new StagedRows(setup);
