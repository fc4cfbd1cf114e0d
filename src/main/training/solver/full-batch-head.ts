// One head of a full-batch training: from its rows' weights to a certified minimum of its objective.
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { LinearModel } from '../../models/linear-model.js';
import { type RowTargets, weightSumOf } from '../../models/row-targets.js';
import type { FitLoss } from '../fit-loss.js';
import { dualityGap } from './certificate.js';
import { type ColumnStatistics, scaledMeans, scaledVariances } from './column-statistics.js';
import { minimizeByLbfgs } from './lbfgs.js';
import { LbfgsHistory } from './lbfgs-history.js';
import { minimizeByNewtonCg } from './newton-cg.js';
import { Objective } from './objective.js';
import type { Head } from './passes.js';
import { isConvex, type Problem } from './problem.js';
import type { CheckedSolverOptions, SolverReport } from './solver-options.js';
import type { Ending, SolverLimits, StopReason } from './watch.js';

export interface FullBatchResult extends Omit<SolverReport, 'iteration' | 'maxPasses'> {
  readonly converged: boolean;
  readonly stopReason: StopReason;
  readonly C: number;
  readonly l2: number;
}

export interface FullBatchHeadTerms {
  readonly resources: Resources;
  readonly problem: Problem;
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

/** Of a solver whose end does not stand up to a second look. */
const MOST_RESTARTS = 3;

export class FullBatchHead {
  readonly head: Head;
  readonly #objective: Objective;
  readonly #history: LbfgsHistory;
  readonly #classes: number;
  /** Of the rows, for the mean loss. */
  readonly #rowWeight: number;
  /** Of solutions before the present one. */
  #passesBefore = 0;
  #hasBegun = false;

  /** Takes memory of the scope: see bytesOf. */
  constructor(
    { resources, problem, model, statistics, targets, loss, rows, parts }: FullBatchHeadTerms,
    scope: ArenaScope,
  ) {
    const { features, classes } = model;
    this.#classes = classes;
    this.#rowWeight = weightSumOf(targets, loss.weight, rows);
    this.head = problem.passes.open(scope, problem.placeRows(scope, parts, loss));
    const length = (features + (this.head.hasBiasCurvature ? 0 : 1)) * classes;
    this.#history = new LbfgsHistory(resources, scope, { features, classes, length });
    const terms = {
      features,
      classes,
      means: scaledMeans(statistics, model.featureScaling),
      scales: undefined,
      variances: scaledVariances(statistics, model.featureScaling),
      isConvex: isConvex(loss) && targets.mask === undefined,
      ...problem.sums(parts, loss),
      temperature: loss.temperature,
    };
    this.#objective = new Objective(this.head, terms, 1);
  }

  /** The most pieces of memory of a head, in bytes. */
  static bytesOf(problem: Problem, { features, classes }: LinearModel): readonly number[] {
    return [...problem.headBytes, ...LbfgsHistory.bytesOf((features + 1) * classes)];
  }

  /** Begins at the model's parameters; where they are 0, with the bias that the classes' shares ask for. */
  async begin({ weights, bias }: LinearModel, options: CheckedSolverOptions): Promise<void> {
    this.#objective.penalty = this.#penaltyOf(options);
    this.#passesBefore = this.#objective.passes;
    await this.#objective.begin();
    if (weights.some((weight) => weight !== 0) || bias.some((value) => value !== 0)) {
      await this.#objective.goOnFrom(weights, bias);
    }
    this.#hasBegun = true;
  }

  /** Writes the present parameters, where there are any and they are finite. */
  publish(model: LinearModel): void {
    if (!this.#hasBegun) return;
    const { weights, bias } = this.#objective.parameters();
    if (!weights.every(Number.isFinite)) return;
    model.weights.set(weights);
    model.bias.set(bias);
  }

  /**
   * Minimizes the objective of these options from where the head is, and writes the model. Again: from its last solution, with
   * what it has learned of the curvature.
   */
  async solve(options: CheckedSolverOptions, model: LinearModel): Promise<FullBatchResult> {
    const objective = this.#objective;
    const { tol } = options;
    objective.penalty = this.#penaltyOf(options);
    let last = 0;
    let ending: Ending;
    let times = 0;
    do {
      const before = times === 0 ? 0 : last + 1;
      const limits: SolverLimits = {
        tol,
        maxPasses: this.#passesBefore + options.maxPasses,
        onIteration: async (iteration, gap) => {
          last = before + iteration;
          await options.onProgress?.(this.#report(options, last, gap));
          return undefined;
        },
      };
      ending = await (options.solver === 'lbfgs'
        ? minimizeByLbfgs(objective, this.#history, limits)
        : minimizeByNewtonCg(objective, limits));
      // Of the parameters as they are kept: what came of adding up steps may have drifted.
      const { weights, bias } = objective.parameters();
      if (!objective.isExact) await objective.evaluate(weights, bias);
    } while (ending === 'converged' && !this.#isConverged(tol) && ++times < MOST_RESTARTS);
    this.publish(model);
    const { iteration: _, maxPasses: __, ...final } = this.#report(options, last, dualityGap(objective));
    const converged = this.#isConverged(tol);
    const stopReason = converged ? 'converged' : ending === 'maxPasses' ? 'maxPasses' : 'floor';
    this.#passesBefore = objective.passes;
    const { penalty } = objective;
    const C = options.C ?? this.#penalties / penalty;
    return { ...final, converged, stopReason, C, l2: penalty / this.#rowWeight };
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

  /** λ of the objective in sums. */
  #penaltyOf({ C, l2 }: CheckedSolverOptions): number {
    if (l2 !== undefined) return l2 * this.#rowWeight;
    return this.#penalties / (C ?? 1);
  }

  /** λ · C. Of two classes scikit-learn penalises the difference of their weights: half as much as both, each half of it. */
  get #penalties(): number {
    return this.#classes === 2 ? 2 : 1;
  }
}
