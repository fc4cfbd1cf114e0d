// One head of a full-batch training: from its rows' weights to a certified minimum of its objective.
import { SoftshardError } from '../../../errors.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { ColumnStatistics } from '../../models/column-statistics.js';
import type { LinearModel } from '../../models/linear-model.js';
import { type RowTargets, weightSumOf } from '../../models/row-targets.js';
import type { CheckpointPosition, CheckpointState } from '../checkpoint/checkpoint.js';
import type { FitLoss } from '../fit-loss.js';
import { dualityGap } from './certificate.js';
import { Head } from './head.js';
import { type KeptPredictions, keptPredictions } from './kept-predictions.js';
import { minimizeByLbfgs } from './lbfgs.js';
import { type HistoryState, LbfgsHistory } from './lbfgs-history.js';
import { minimizeByNewtonCg } from './newton-cg.js';
import { Objective, type ObjectiveState } from './objective.js';
import { minimizeByOwlQn } from './owl-qn.js';
import type { Problem } from './problem.js';
import { type CheckedSolverOptions, penaltyOf, type SolverReport } from './solver-options.js';
import type { Ending, KeptSolver, SolverLimits, StopReason } from './watch.js';

export interface FullBatchResult extends Omit<SolverReport, 'iteration' | 'maxPasses'>, KeptPredictions {
  readonly tol: number;
  readonly converged: boolean;
  readonly stopReason: StopReason;
  /** Undefined: there is no L2 penalty. */
  readonly C: number | undefined;
  readonly l2: number;
  readonly l1: number;
  readonly zeroWeights: number;
}

export interface FullBatchHeadTerms {
  readonly resources: Resources;
  readonly problem: Problem;
  /** See Passes. */
  readonly name?: string;
  /** Its shape and its feature scaling. */
  readonly model: LinearModel;
  readonly statistics: ColumnStatistics;
  readonly targets: RowTargets;
  readonly loss: FitLoss;
  /** Numbers of the rows that the head is trained on. */
  readonly rows: Uint32Array;
  /** [rows of the problem]: what their weights are multiplied by; undefined: 1. */
  readonly parts?: ArrayLike<number> | undefined;
}

export type FullBatchHeadState = {
  readonly passesBefore: number;
  /** Solvers begun before the present one, the iteration that it began with, and the last one that was told. */
  readonly times: number;
  readonly before: number;
  readonly last: number;
  readonly objective: ObjectiveState;
  readonly history: HistoryState;
  readonly solver: CheckpointState;
};

/** How a head is kept while it is solved; `position` of what was told. */
export interface KeptHead {
  readonly from: FullBatchHeadState | undefined;
  readonly isDue: boolean;
  meet(objective: number): Promise<void> | undefined;
  point(
    position: Pick<CheckpointPosition, 'iteration' | 'passes'>,
    objective: number,
    state: () => Promise<FullBatchHeadState>,
  ): Promise<void> | undefined;
}

/** Of a solver whose end does not stand up to a second look. */
const MOST_RESTARTS = 3;

export class FullBatchHead {
  readonly head: Head;
  readonly #objective: Objective;
  readonly #history: LbfgsHistory;
  readonly #classes: number;
  /** Of the rows, for the mean loss. */
  readonly #rowWeight: number;
  /** See FullBatchHeadTerms. */
  readonly #trained: Pick<FullBatchHeadTerms, 'targets' | 'rows' | 'parts'>;
  /** Of solutions before the present one. */
  #passesBefore = 0;
  #hasBegun = false;

  /** Takes memory of the scope: see bytesOf. */
  constructor(
    { resources, problem, name, model, statistics, targets, loss, rows, parts }: FullBatchHeadTerms,
    scope: ArenaScope,
  ) {
    this.#classes = model.classes;
    this.#trained = { targets, rows, parts };
    this.#rowWeight = weightSumOf(targets, loss.weight, rows);
    this.head = new Head(problem.passes, scope, problem.placeRows(scope, parts, loss), name);
    this.#objective = new Objective(this.head, problem.objectiveTerms(statistics, parts, loss), 1);
    this.#history = new LbfgsHistory(resources, scope, this.#objective.historyTerms);
  }

  /** The most pieces of memory of a head, in bytes. */
  static bytesOf(problem: Problem, { features, classes }: LinearModel): readonly number[] {
    return [...problem.headBytes, ...LbfgsHistory.bytesOf((features + 1) * classes)];
  }

  /** Begins at the model's parameters; where they are 0, with the bias that the classes' shares ask for. */
  async begin({ weights, bias }: LinearModel, options: CheckedSolverOptions): Promise<void> {
    this.#takePenalties(options);
    this.#passesBefore = this.#objective.passes;
    await this.#objective.begin();
    if (weights.some((weight) => weight !== 0) || bias.some((value) => value !== 0)) {
      const { value } = this.#objective;
      await this.#objective.goOnFrom(weights, bias);
      // Parameters that are worse than none: of other rows, or diverged.
      if (!(this.#objective.value <= value)) await this.#objective.begin();
    }
    this.#hasBegun = true;
  }

  /** Writes the present parameters, where there are any and they are finite. */
  publish(model: LinearModel): void {
    if (!this.#hasBegun) return;
    const { weights, bias } = this.#objective.parameters();
    if (!weights.every(Number.isFinite) || !bias.every(Number.isFinite)) return;
    model.weights.set(weights);
    model.bias.set(bias);
  }

  /**
   * Minimizes the objective of these options from where the head is, and writes the model. Again: from its last solution, with
   * what it has learned of the curvature. `isWorse` is asked after each iteration, and may end it.
   */
  async solve(
    options: CheckedSolverOptions,
    model: LinearModel,
    isWorse: (iteration: number) => Promise<boolean> = async () => false,
    kept?: KeptHead,
  ): Promise<FullBatchResult> {
    const objective = this.#objective;
    const { tol } = options;
    this.#takePenalties(options);
    const from = kept?.from;
    if (from !== undefined) await this.#restore(from);
    let ending: Ending;
    let { last, times } = from ?? { last: 0, times: 0 };
    const begun = times;
    do {
      const isGoingOn = from !== undefined && times === begun;
      const before = isGoingOn ? from.before : times === 0 ? 0 : last + 1;
      const counts = () => ({ times, before, last });
      const limits: SolverLimits = {
        tol,
        maxPasses: this.#passesBefore + options.maxPasses,
        onIteration: async (iteration, gap) => {
          last = before + iteration;
          await options.onProgress?.(this.#report(options, last, gap));
          return (await isWorse(iteration)) ? 'stop' : undefined;
        },
        kept: kept && this.#keptSolver(kept, counts, isGoingOn ? from.solver : undefined),
      };
      ending = await this.#minimize(options, limits);
      // Of the parameters as they are kept: what came of adding up steps may have drifted.
      const { weights, bias } = objective.parameters();
      if (!objective.isExact) await objective.evaluate(weights, bias);
    } while (ending === 'converged' && !this.#isConverged(tol) && ++times < MOST_RESTARTS);
    if (!Number.isFinite(objective.value)) throw notFinite(objective.value);
    this.publish(model);
    const { iteration: _, maxPasses: __, ...final } = this.#report(options, last, dualityGap(objective));
    const converged = this.#isConverged(tol);
    const stopReason = converged ? 'converged' : reasonOf(ending);
    this.#passesBefore = objective.passes;
    const { penalty } = objective;
    const C = penalty === 0 ? undefined : (options.C ?? penaltyOf(penalty, this.#classes));
    const zeroWeights = model.weights.reduce((sum, weight) => sum + (weight === 0 ? 1 : 0), 0);
    const { l1 } = options;
    const { targets, rows, parts } = this.#trained;
    const predictions = await keptPredictions(this.head, targets.classes, rows, this.#classes, parts);
    const l2 = penalty / this.#rowWeight;
    return { ...final, ...predictions, tol, converged, stopReason, C, l2, l1, zeroWeights };
  }

  /** The solver as a part of the head. */
  #keptSolver(
    kept: KeptHead,
    counts: () => Pick<FullBatchHeadState, 'times' | 'before' | 'last'>,
    from: CheckpointState,
  ): KeptSolver {
    const objective = this.#objective;
    return {
      from,
      get isDue() {
        return kept.isDue;
      },
      meet: () => kept.meet(objective.value),
      point: (solver, hasDirection = false) => {
        const position = { iteration: counts().last, passes: objective.passes - this.#passesBefore };
        return kept.point(position, objective.value, async () => ({
          ...counts(),
          passesBefore: this.#passesBefore,
          objective: await objective.snapshot(hasDirection),
          history: this.#history.snapshot(),
          solver: solver(),
        }));
      },
    };
  }

  /** Instead of `begin`; penalties are taken already. */
  async #restore({ passesBefore, objective, history }: FullBatchHeadState): Promise<void> {
    this.#passesBefore = passesBefore;
    await this.#objective.restore(objective);
    this.#history.restore(history);
    this.#hasBegun = true;
  }

  #report({ maxPasses }: CheckedSolverOptions, iteration: number, gap: number | undefined): SolverReport {
    const { passes, value, loss } = this.#objective;
    return {
      iteration,
      passes: passes - this.#passesBefore,
      maxPasses,
      objective: value,
      loss: loss / this.#rowWeight,
      gap,
      gapRelative: gap === undefined ? undefined : gap / value,
    };
  }

  #isConverged(tol: number): boolean {
    const objective = this.#objective;
    const gap = dualityGap(objective);
    if (gap !== undefined) return gap <= tol * objective.value;
    return objective.isFlat(objective.totalGradient(new Float64Array(objective.point.length)), tol);
  }

  #minimize({ solver }: CheckedSolverOptions, limits: SolverLimits): Promise<Ending> {
    const objective = this.#objective;
    if (solver === 'newton-cg') return minimizeByNewtonCg(objective, limits);
    const minimize = objective.l1 > 0 ? minimizeByOwlQn : minimizeByLbfgs;
    return minimize(objective, this.#history, limits);
  }

  /** Of the objective in sums. */
  #takePenalties({ C, l2, l1 }: CheckedSolverOptions): void {
    this.#objective.l1 = l1 * this.#rowWeight;
    this.#objective.lowerBound = Number.NEGATIVE_INFINITY;
    if (l2 !== undefined) this.#objective.penalty = l2 * this.#rowWeight;
    else if (C === undefined && l1 > 0) this.#objective.penalty = 0;
    else this.#objective.penalty = penaltyOf(C ?? 1, this.#classes);
  }
}

function reasonOf(ending: Ending): StopReason {
  if (ending === 'stop') return 'worse';
  // One that did not stand up to a second look: float32 shows no more.
  return ending === 'converged' ? 'floor' : ending;
}

function notFinite(objective: number): SoftshardError {
  const message =
    `the objective became ${objective}, which float32 cannot hold: scale the features (options.scale 'standard'), choose a ` +
    'smaller options.C, or row and class weights nearer to 1. The model keeps its weights';
  return new SoftshardError('ERR_DIVERGED', message, { argument: 'inputs', value: objective });
}
