// Training step by step for many heads on the same rows.
import type { LinearModel } from '../../models/linear-model.js';
import { train } from '../trainer.js';
import { concernsAll, type HeadsTerms, type Outcome } from './full-batch-heads.js';
import type { HeadPlan } from './many-options.js';

/** Rejects with signal.reason. */
export async function trainStepHeads(terms: HeadsTerms, heads: readonly HeadPlan[]): Promise<void> {
  for (const split of terms.splits.keys()) {
    await Promise.all(
      heads.map(async (head) => terms.report(head, split, await outcomeOf(terms, head, split))),
    );
  }
}

async function outcomeOf(terms: HeadsTerms, head: HeadPlan, split: number): Promise<Outcome> {
  const { resources, shape, inputs, targets, splits, validation, signal } = terms;
  const rows = splits[split] ?? splits[0];
  const { features, classes } = shape;
  const weights = new Float32Array(features * classes);
  const model: LinearModel = { ...shape, weights, bias: new Float32Array(classes) };
  const options = { ...head.checked, validationSplit: 0, split: rows, validation, signal };
  try {
    const result = await train(resources, model, inputs, targets, head.loss, options);
    return { model, result };
  } catch (error) {
    if (signal?.aborted || concernsAll(error)) throw error;
    return { error };
  }
}
