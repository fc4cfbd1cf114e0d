// Rows that several models share out among them: each is asked about its own, those that it was not trained on, say.
import type { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import type { Inputs } from './inputs.js';
import { type EvaluatedLoss, evaluateRows, type LinearModel, type RowResults } from './linear-model.js';
import { IGNORED, type RowTargets } from './row-targets.js';

export interface ModelOfRows {
  readonly model: LinearModel;
  /** Their numbers; undefined: all rows. No row has two models, and one without any has to be an ignored one. */
  readonly rowNumbers: Uint32Array | undefined;
}

/** Results of all rows, [rows]. */
export async function evaluateByModels(
  resources: Resources,
  models: readonly ModelOfRows[],
  inputs: Inputs,
  targets: RowTargets,
  options: EvaluatedLoss | undefined,
  signal: Cancellation | undefined,
): Promise<RowResults> {
  const [first] = models;
  if (first !== undefined && first.rowNumbers === undefined) {
    return evaluateRows(resources, first.model, inputs, targets, options, signal);
  }
  const { rows } = inputs;
  const all = {
    predictions: new Int32Array(rows).fill(IGNORED),
    ranks: new Int32Array(rows).fill(IGNORED),
    losses: new Float64Array(rows),
    confidences: new Float32Array(rows),
    lossesWithOptions: options && new Float32Array(rows),
    entropies: options?.withEntropies ? new Float32Array(rows) : undefined,
  } satisfies RowResults;
  for (const { model, rowNumbers = new Uint32Array() } of models) {
    const own = await evaluateRows(resources, model, inputs, targets, options, signal, rowNumbers);
    for (const [i, row] of rowNumbers.entries()) {
      all.predictions[row] = own.predictions[i]!;
      all.ranks[row] = own.ranks[i]!;
      all.losses[row] = own.losses[i]!;
      all.confidences[row] = own.confidences[i]!;
      if (all.lossesWithOptions) all.lossesWithOptions[row] = own.lossesWithOptions![i]!;
      if (all.entropies) all.entropies[row] = own.entropies![i]!;
    }
  }
  return all;
}

/** The model that is asked about a row. */
export const modelOfRow = (models: readonly ModelOfRows[], row: number): LinearModel | undefined =>
  models.find(({ rowNumbers }) => rowNumbers === undefined || rowNumbers.includes(row))?.model;
