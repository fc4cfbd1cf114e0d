// One full-batch training: a model of given scaling and penalty, to a certified distance from the best there is.
import type { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { PlacedRun, RunTerms } from '../../memory/call-memory.js';
import type { ColumnStatistics } from '../../models/column-statistics.js';
import type { Inputs } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { RowTargets } from '../../models/row-targets.js';
import type { FitLoss } from '../fit-loss.js';
import { FullBatchHead, type FullBatchResult, type KeptHead } from './full-batch-head.js';
import { LbfgsHistory } from './lbfgs-history.js';
import { Problem } from './problem.js';
import type { CheckedSolverOptions } from './solver-options.js';

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
  /** Ends waiting for memory. */
  readonly signal: Cancellation | undefined;
  /** Ends passes: see Checkpoints. */
  readonly hardSignal: Cancellation | undefined;
}

/** Trains the model in place. Rejects with signal.reason. */
export function trainFullBatch(terms: FullBatchTerms, kept: KeptHead): Promise<FullBatchResult> {
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
  return resources.callMemory.train([inputs.ptr], signal, place, (run) => run.run(kept));
}

class FullBatchRun implements PlacedRun {
  readonly reserve: readonly number[] = [];
  readonly #terms: FullBatchTerms;
  readonly #scope: ArenaScope;
  readonly #head: FullBatchHead;

  constructor(terms: FullBatchTerms, scope: ArenaScope, runTerms: RunTerms) {
    const { resources, model, inputs, targets, loss, rows, hardSignal } = terms;
    this.#terms = terms;
    this.#scope = scope;
    const reserve = runTerms.reserve(this.reserve);
    const problem = new Problem({
      resources,
      scope,
      model,
      inputs,
      targets,
      loss,
      rows,
      heads: 1,
      hasOneHead: true,
      reserve: [...LbfgsHistory.bytesOf((model.features + 1) * model.classes), ...reserve],
      signal: hardSignal,
    });
    this.#head = new FullBatchHead({ ...terms, problem }, scope);
  }

  async run(kept: KeptHead): Promise<FullBatchResult> {
    const { model, options } = this.#terms;
    try {
      if (kept.from === undefined) await this.#head.begin(model, options);
      return await this.#head.solve(options, model, undefined, kept);
    } catch (error) {
      // Whoever aborts a training has the model of its last iteration.
      if (this.#terms.signal?.aborted) this.#head.publish(model);
      throw error;
    } finally {
      this.#scope.release();
    }
  }
}
