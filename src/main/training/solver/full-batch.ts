// One full-batch training: a model of given scaling and penalty, to a certified distance from the best there is.
import type { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { PlacedRun, RunTerms } from '../../memory/call-memory.js';
import type { Inputs } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import { type RowTargets, weightSumOf } from '../../models/row-targets.js';
import type { FitLoss } from '../fit-loss.js';
import { dualityGap } from './certificate.js';
import { type ColumnStatistics, scaledMeans, scaledVariances } from './column-statistics.js';
import { type Ending, minimizeByLbfgs, type StopReason } from './lbfgs.js';
import { LbfgsHistory } from './lbfgs-history.js';
import { Objective } from './objective.js';
import type { Head } from './passes.js';
import { isConvex, Problem } from './problem.js';
import type { CheckedSolverOptions, SolverReport } from './solver-options.js';

export interface FullBatchTerms {
  readonly resources: Resources;
  readonly model: LinearModel;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: FitLoss;
  /** Numbers of the rows that count. */
  readonly rows: Uint32Array;
  readonly statistics: ColumnStatistics;
  readonly options: CheckedSolverOptions;
  readonly signal: Cancellation | undefined;
}

export interface FullBatchResult extends Omit<SolverReport, 'iteration' | 'maxPasses'> {
  readonly converged: boolean;
  readonly stopReason: StopReason;
  readonly C: number;
  readonly l2: number;
}

/** Trains the model in place. Rejects with signal.reason. */
export function trainFullBatch(terms: FullBatchTerms): Promise<FullBatchResult> {
  const { resources, inputs, signal } = terms;
  const place = (runTerms: RunTerms) => {
    const scope = resources.arena.scope();
    try {
      return new FullBatchRun(terms, scope, runTerms);
    } catch (error) {
      scope.release();
      throw error;
    }
  };
  return resources.callMemory.train([inputs.ptr], signal, place, (run) => run.run());
}

/** Of a solver whose end does not stand up to a second look. */
const MOST_RESTARTS = 3;

class FullBatchRun implements PlacedRun {
  readonly reserve: readonly number[] = [];
  readonly #terms: FullBatchTerms;
  readonly #scope: ArenaScope;
  readonly #problem: Problem;
  readonly #head: Head;
  readonly #history: LbfgsHistory;
  /** Once there is something to publish. */
  #objective: Objective | undefined;
  /** Of the rows, for the mean loss. */
  readonly #rowWeight: number;

  constructor(terms: FullBatchTerms, scope: ArenaScope, runTerms: RunTerms) {
    const { resources, model, inputs, targets, loss, rows, signal } = terms;
    this.#terms = terms;
    this.#scope = scope;
    const reserve = runTerms.reserve(this.reserve);
    this.#problem = new Problem({
      resources,
      scope,
      model,
      inputs,
      targets,
      loss,
      rows,
      heads: 1,
      reserve,
      signal,
    });
    this.#head = this.#problem.passes.open(scope, this.#problem.placeRows(scope));
    this.#rowWeight = weightSumOf(targets, loss.weight, rows);
    const { features, classes } = model;
    const length = (features + (this.#head.hasBiasCurvature ? 0 : 1)) * classes;
    this.#history = new LbfgsHistory(resources, scope, {
      features,
      classes,
      length,
    });
  }

  async run(): Promise<FullBatchResult> {
    try {
      return await this.#minimize();
    } catch (error) {
      // Whoever aborts a training has the model of its last iteration.
      if (this.#terms.signal?.aborted) this.#publish();
      throw error;
    } finally {
      this.#scope.release();
    }
  }

  async #minimize(): Promise<FullBatchResult> {
    const { model, statistics, options, loss, targets } = this.#terms;
    const { features, classes } = model;
    const penalty = this.#penalty();
    const terms = {
      features,
      classes,
      means: scaledMeans(statistics, model.featureScaling),
      scales: undefined,
      variances: scaledVariances(statistics, model.featureScaling),
      isConvex: isConvex(loss) && targets.mask === undefined,
      ...this.#problem.sums(),
      temperature: loss.temperature,
    };
    const objective = new Objective(this.#head, terms, penalty);
    this.#objective = objective;
    await objective.begin();
    if (model.weights.some((weight) => weight !== 0) || model.bias.some((value) => value !== 0)) {
      await objective.goOnFrom(model.weights, model.bias);
    }
    const report = (iteration: number, gap: number | undefined): SolverReport => ({
      iteration,
      passes: objective.passes,
      maxPasses: options.maxPasses,
      objective: objective.value,
      loss: objective.loss / this.#rowWeight,
      gap,
      gapRelative: gap === undefined ? undefined : gap / objective.value,
    });
    let last = 0;
    let ending: Ending;
    let times = 0;
    do {
      const before = times === 0 ? 0 : last + 1;
      ending = await minimizeByLbfgs(objective, this.#history, {
        tol: options.tol,
        maxPasses: options.maxPasses,
        onIteration: async (iteration, gap) => {
          last = before + iteration;
          await options.onProgress?.(report(last, gap));
          return undefined;
        },
      });
      // Of the parameters as they are kept: what came of adding up steps may have drifted.
      const { weights, bias } = objective.parameters();
      if (!objective.isExact) await objective.evaluate(weights, bias);
    } while (ending === 'converged' && !this.#isConverged(objective) && ++times < MOST_RESTARTS);
    this.#publish();
    const { iteration: _, maxPasses: __, ...final } = report(last, dualityGap(objective));
    const converged = this.#isConverged(objective);
    const stopReason = converged ? 'converged' : ending === 'maxPasses' ? 'maxPasses' : 'floor';
    const C = options.C ?? this.#penalties() / penalty;
    return { ...final, converged, stopReason, C, l2: penalty / this.#rowWeight };
  }

  #publish(): void {
    const { model } = this.#terms;
    const parameters = this.#objective?.parameters();
    if (parameters === undefined || !parameters.weights.every(Number.isFinite)) return;
    model.weights.set(parameters.weights);
    model.bias.set(parameters.bias);
  }

  #isConverged(objective: Objective): boolean {
    const { tol } = this.#terms.options;
    const gap = dualityGap(objective);
    if (gap !== undefined) return gap <= tol * objective.value;
    return objective.isFlat(objective.totalGradient(new Float64Array(objective.point.length)), tol);
  }

  /** λ of the objective in sums. */
  #penalty(): number {
    const { C, l2 } = this.#terms.options;
    if (l2 !== undefined) return l2 * this.#rowWeight;
    return this.#penalties() / (C ?? 1);
  }

  /** λ · C. Of two classes scikit-learn penalises the difference of their weights: half as much as both, each half of it. */
  #penalties(): number {
    return this.#terms.model.classes === 2 ? 2 : 1;
  }
}
