// Full-batch solvers for many heads on the same rows: all that are at work read the rows together, each for itself. What does not
// fit the arena at once takes turns; no bit depends on who is at work beside a head.
import { SoftshardError } from '../../../errors.js';
import { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { PlacedRun, RunTerms } from '../../memory/call-memory.js';
import { isPlainLoss } from '../../models/evaluate-model.js';
import type { FeatureModel, Inputs } from '../../models/inputs.js';
import { evaluationBytes, type LinearModel } from '../../models/linear-model.js';
import { IGNORED, type RowTargets, weightSumOf } from '../../models/row-targets.js';
import { countClasses } from '../class-counts.js';
import { type FitLoss, withClassWeights } from '../fit-loss.js';
import type { ReadyValidation } from '../fit-options.js';
import type { FitResult } from '../fit-result.js';
import { nothingToTrainOn, type Split } from '../rows/row-order.js';
import { type ColumnStatistics, columnStatistics, standardScaling } from '../solver/column-statistics.js';
import { fullBatchFitResult, scalesFor } from '../solver/fit-full-batch.js';
import { FullBatchHead } from '../solver/full-batch-head.js';
import { HeldOutLosses } from '../solver/held-out.js';
import { LbfgsHistory } from '../solver/lbfgs-history.js';
import type { Head, HeadRows } from '../solver/passes.js';
import { Problem } from '../solver/problem.js';
import type { CheckedSolverOptions, Scale } from '../solver/solver-options.js';
import { type ValidationResult, validateApart, validateInWindows } from '../validation.js';
import type { NamedClasses } from '../warnings.js';
import { COMPARED_TOL, mayTurn, PathTurn } from './comparison.js';
import type { HeadPlan, RankedBy } from './many-options.js';

/** What heads that are trained together have in common. */
export interface HeadsTerms {
  readonly resources: Resources;
  readonly shape: FeatureModel & NamedClasses & { readonly classes: number };
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  /** One: heads are trained on its rows alone. Several: each head once for each of them. */
  readonly splits: readonly [Split, ...Split[]];
  /** Rows of their own to evaluate on. */
  readonly validation: ReadyValidation | undefined;
  /** How heads are compared, where their models are of no further use (comparison.ts); undefined: they are. */
  readonly comparedBy: RankedBy | undefined;
  readonly signal: Cancellation | undefined;
  /** `outcome` of a head for one of the splits. What it throws ends all. */
  readonly report: (head: HeadPlan, split: number, outcome: Outcome) => void;
}

export type Outcome =
  | { readonly model: LinearModel; readonly result: FitResult }
  | { readonly error: unknown };

/** Options that heads of one problem may differ in. */
export const FULL_BATCH_HEAD_OPTIONS: readonly string[] = ['C', 'l2', 'l1', 'tol', 'maxPasses', 'weight'];
/** And heads of one path. */
export const PATH_OPTIONS: readonly string[] = ['C', 'l2', 'l1'];

/** Of the arena, what is left free for other calls where heads could take all of it. */
const CALLS_SHARE = 1 / 8;

/** `chains`: heads to be solved one after the other, each from the solution before it. Rejects with signal.reason. */
export async function trainFullBatchHeads(
  terms: HeadsTerms,
  chains: readonly (readonly HeadPlan[])[],
): Promise<void> {
  const { resources, shape, inputs, targets, splits, signal } = terms;
  const [split] = splits;
  const [options] = chains.flatMap((chain) => chain.flatMap(({ checked }) => checked.fullBatch ?? []));
  if (options === undefined) return;
  const counts = (row: number) => targets.classes[row] !== IGNORED && targets.sampleWeight?.[row] !== 0;
  const all = splits.length === 1 ? split.training : Uint32Array.from(targets.classes.keys());
  const rows = all.filter(counts);
  if (rows.length === 0) throw nothingToTrainOn(inputs.rows, split.validation.length);
  const statistics = await columnStatistics(inputs, rows);
  signal?.throwIfAborted();
  const [scale = 'none'] = scalesFor(shape, options);
  const featureScaling = scale === 'standard' ? standardScaling(statistics) : shape.featureScaling;
  const setup = { terms, rows, statistics, scale, zero: zeroModel({ ...shape, featureScaling }) };
  const place = (runTerms: RunTerms) => {
    const scope = resources.arena.scope();
    try {
      return new FullBatchHeads(setup, chains, scope, runTerms);
    } catch (error) {
      scope.release();
      throw error;
    }
  };
  await resources.callMemory.train([inputs.ptr], signal, place, (run) => run.run());
}

interface Setup {
  readonly terms: HeadsTerms;
  /** Those that count, of all splits. */
  readonly rows: Uint32Array;
  readonly statistics: ColumnStatistics;
  readonly scale: Scale;
  /** The model that heads begin with. */
  readonly zero: LinearModel;
}

/** Heads that are solved one after the other for one split. */
interface Lane {
  readonly heads: readonly HeadPlan[];
  readonly split: number;
  readonly loss: FitLoss;
  /** Numbers of the rows that it is trained on. */
  readonly rows: Uint32Array;
}

/** A lane that has its memory. */
interface OpenLane extends Lane {
  readonly scope: ArenaScope;
  readonly head: FullBatchHead;
  /** Of several splits. */
  readonly heldOut: HeldOut | undefined;
}

interface HeldOut {
  /** Positions among the rows of the problem. */
  readonly positions: Uint32Array;
  readonly rows: HeadRows;
  readonly weightSum: number;
  /** Of a path whose losses may turn. */
  readonly turn: PathTurn | undefined;
}

class FullBatchHeads implements PlacedRun {
  readonly reserve: readonly number[];
  readonly #setup: Setup;
  readonly #scope: ArenaScope;
  readonly #problem: Problem;
  readonly #waiting: Lane[];
  readonly #open = new Set<OpenLane>();
  /** Of one lane, in bytes. */
  readonly #laneBytes: readonly number[];
  readonly #running = new Set<Promise<void>>();
  /** The caller's, or because a lane has failed in a way that concerns all. */
  readonly #stop = new Cancellation();

  constructor(setup: Setup, chains: readonly (readonly HeadPlan[])[], scope: ArenaScope, runTerms: RunTerms) {
    const { terms, rows, zero } = setup;
    const { resources, inputs, targets, splits } = terms;
    this.#setup = setup;
    this.#scope = scope;
    this.#waiting = splits.flatMap((_, split) => chains.map((heads) => this.#lane(heads, split)));
    this.reserve = this.#validationBytes();
    const [first] = this.#waiting;
    if (first === undefined) throw new Error('no heads');
    const { features, classes } = zero;
    const heldOutBytes =
      splits.length > 1
        ? [...Problem.rowBytes(rows.length, classes), ...HeldOutLosses.bytesOf(mostHeldOut(splits), classes)]
        : [];
    const historyBytes = LbfgsHistory.bytesOf((features + 1) * classes);
    this.#problem = new Problem({
      resources,
      scope,
      model: zero,
      inputs,
      targets,
      loss: first.loss,
      rows,
      heads: 1,
      reserve: [...historyBytes, ...heldOutBytes, ...runTerms.reserve(this.reserve)],
      signal: this.#stop,
    });
    this.#laneBytes = [...FullBatchHead.bytesOf(this.#problem, zero), ...heldOutBytes];
    try {
      this.#openLanes();
    } catch (error) {
      this.#releaseLanes();
      throw error;
    }
  }

  /** Frees its memory at the end. */
  async run(): Promise<void> {
    const { signal } = this.#setup.terms;
    const onAbort = () => this.#stop.abort(signal?.reason);
    signal?.addListener(onAbort);
    try {
      for (;;) {
        for (const lane of this.#open) this.#start(lane);
        if (this.#running.size === 0) break;
        await Promise.race(this.#running);
        if (!this.#stop.aborted) this.#openLanes();
      }
      this.#stop.throwIfAborted();
    } finally {
      signal?.removeListener(onAbort);
      this.#releaseLanes();
      this.#scope.release();
    }
  }

  #lane(heads: readonly HeadPlan[], split: number): Lane {
    const { terms, rows: all } = this.#setup;
    const { targets, shape, splits } = terms;
    const [head] = heads;
    if (head === undefined) throw new Error('a lane without heads');
    const isHeldOut = new Uint8Array(targets.rows);
    if (splits.length > 1) for (const row of splits[split]?.validation ?? []) isHeldOut[row] = 1;
    const rows = all.filter((row) => isHeldOut[row] === 0);
    const loss = withClassWeights(head.loss, targets, rows, shape.classes);
    return { heads, split, loss, rows };
  }

  /** Of rows that are not held out in what heads keep. */
  #validationBytes(): readonly number[] {
    const { terms, zero } = this.#setup;
    const { resources, inputs, targets, splits, validation } = terms;
    const [{ validation: heldOut }] = splits;
    const general = this.#waiting.some(({ loss }) => !isPlainLoss(loss, targets));
    const rows = validation === undefined ? heldOut.length : inputs.rows;
    return splits.length > 1 || rows === 0 ? [] : evaluationBytes(resources, zero, inputs, rows, general);
  }

  /** As many of those that wait as fit. */
  #openLanes(): void {
    const { arena } = this.#setup.terms.resources;
    const free = [...this.#laneBytes, ...this.reserve, arena.limitBytes * CALLS_SHARE];
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const isFirst = this.#open.size + this.#running.size === 0;
      if (!isFirst && !arena.hasRoomFor(free)) return;
      this.#open.add(this.#openLane(next));
      this.#waiting.shift();
    }
  }

  #openLane(lane: Lane): OpenLane {
    const { terms, rows, statistics, zero } = this.#setup;
    const { resources, targets, splits } = terms;
    const scope = resources.arena.scope();
    try {
      if (splits.length === 1) {
        const headTerms = { resources, problem: this.#problem, model: zero, statistics, targets };
        return {
          ...lane,
          scope,
          head: new FullBatchHead({ ...headTerms, ...lane }, scope),
          heldOut: undefined,
        };
      }
      const isHeldOut = new Uint8Array(targets.rows);
      for (const row of splits[lane.split]?.validation ?? []) isHeldOut[row] = 1;
      const held = Float32Array.from(rows, (row) => isHeldOut[row]!);
      const parts = held.map((share) => 1 - share);
      const headTerms = { resources, problem: this.#problem, model: zero, statistics, targets, parts };
      const head = new FullBatchHead({ ...headTerms, ...lane }, scope);
      const positions = Uint32Array.from(held.keys()).filter((position) => held[position] === 1);
      const heldOut: HeldOut = {
        positions,
        turn: this.#turnOf(lane, head.head, positions, scope),
        rows: this.#problem.placeRows(scope, held, lane.loss),
        weightSum: weightSumOf(
          targets,
          lane.loss.weight,
          positions.map((position) => rows[position]!),
        ),
      };
      return { ...lane, scope, head, heldOut };
    } catch (error) {
      scope.release();
      throw error;
    }
  }

  #turnOf(
    { heads, loss }: Lane,
    head: Head,
    positions: Uint32Array,
    scope: ArenaScope,
  ): PathTurn | undefined {
    const { terms, rows, zero: model } = this.#setup;
    const { resources, targets, comparedBy } = terms;
    const isGiven = heads.some(({ options }) => options.tol !== undefined);
    if (comparedBy === undefined || heads.length === 1 || isGiven || !mayTurn(comparedBy, loss))
      return undefined;
    const lossTerms = { resources, model, targets, loss };
    const { rowWeights } = this.#problem;
    return new PathTurn(
      new HeldOutLosses(lossTerms, rows, rowWeights, scope, positions.length),
      head,
      positions,
    );
  }

  #releaseLanes(): void {
    for (const { scope } of this.#open) scope.release();
    this.#open.clear();
  }

  #start(lane: OpenLane): void {
    this.#open.delete(lane);
    const running = this.#runLane(lane)
      .catch((error: unknown) => this.#stop.abort(error))
      .finally(() => {
        lane.scope.release();
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  async #runLane(lane: OpenLane): Promise<void> {
    const { terms, zero } = this.#setup;
    const { head, heads, split } = lane;
    await head.begin(zero, this.#solverOf(heads[0]!));
    for (const plan of heads) {
      let outcome: Outcome;
      try {
        outcome = await this.#solve(lane, plan);
      } catch (error) {
        if (this.#stop.aborted || concernsAll(error)) throw error;
        outcome = { error };
      }
      terms.report(plan, split, outcome);
    }
  }

  async #solve(lane: OpenLane, plan: HeadPlan): Promise<Outcome> {
    const { zero, scale } = this.#setup;
    const solver = this.#solverOf(plan);
    const model = zeroModel(zero);
    const turn = lane.heldOut?.turn;
    const trained = await lane.head.solve(solver, model, (iteration) => turn?.isWorse(iteration) === true);
    turn?.add();
    const evaluation =
      lane.heldOut === undefined ? await this.#validate(lane, model) : await this.#look(lane, lane.heldOut);
    const { terms, statistics } = this.#setup;
    const { targets, shape } = terms;
    const solved = {
      result: trained,
      options: solver,
      model: { ...model, classNames: shape.classNames },
      targets,
      loss: lane.loss,
      rows: lane.rows,
      variances: statistics.variances,
      chosen: undefined,
    };
    return { model, result: fullBatchFitResult(solved, scale, evaluation) };
  }

  #solverOf({ checked, options }: HeadPlan): CheckedSolverOptions {
    const { fullBatch } = checked;
    if (fullBatch === undefined) throw new Error('a head without a full-batch solver');
    const isCompared = this.#setup.terms.comparedBy !== undefined && options.tol === undefined;
    return isCompared ? { ...fullBatch, tol: COMPARED_TOL } : fullBatch;
  }

  /** On rows that the problem does not have. */
  async #validate({ loss }: Lane, model: LinearModel): Promise<ValidationResult | undefined> {
    const { resources, inputs, targets, splits, validation } = this.#setup.terms;
    const [{ validation: heldOut }] = splits;
    if (validation === undefined) {
      if (heldOut.length === 0) return undefined;
      return validateInWindows(resources, model, loss, targets, inputs, heldOut)(this.#stop);
    }
    const scope = resources.arena.scope();
    try {
      return await validateApart(resources, scope, model, loss, validation, this.#stop).validate(this.#stop);
    } finally {
      scope.release();
    }
  }

  /** On held-out rows, whose logits the head keeps too. */
  async #look({ head }: OpenLane, { positions, rows, weightSum }: HeldOut): Promise<ValidationResult> {
    const { terms, rows: all } = this.#setup;
    const { targets, shape } = terms;
    const { classes } = shape;
    const { loss } = await head.head.run({ name: 'look', step: 0, extend: undefined }, { rows });
    const { values, stride } = head.head.logits;
    let correct = 0;
    for (const position of positions) {
      const logits = values.subarray(position * stride, position * stride + classes);
      let largest = 0;
      for (let column = 1; column < classes; column++) {
        if (logits[column]! > logits[largest]!) largest = column;
      }
      if (largest === targets.classes[all[position]!]) correct++;
    }
    const counts = countClasses(
      targets,
      positions.map((position) => all[position]!),
      classes,
    );
    // What is predicted of the rows trained on says more.
    return { loss: loss / weightSum, accuracy: correct / positions.length, prediction: undefined, counts };
  }
}

export const zeroModel = ({ features, classes, featureScaling }: HeadsTerms['shape']): LinearModel => ({
  features,
  classes,
  featureScaling,
  weights: new Float32Array(features * classes),
  bias: new Float32Array(classes),
});

/** Whoever runs heads or reads their rows has failed, not the head. */
export const concernsAll = (error: unknown): boolean =>
  !(error instanceof SoftshardError) ||
  ['ERR_WORKER', 'ERR_CLOSED', 'ERR_FILE', 'ERR_FORMAT'].includes(error.code);

const mostHeldOut = (splits: HeadsTerms['splits']): number =>
  splits.reduce((most, { validation }) => Math.max(most, validation.length), 0);
