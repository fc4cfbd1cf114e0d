// What evaluate and predict have in common: an engine, a model read from a file, rows scaled as the model's were.

import { Engine, type FeatureMatrix, SoftmaxClassifier } from '../index.js';
import { type CsvFlags, type EngineFlags, engineOptions, type ReportFlags } from './command-options.js';
import { checkFeatures, checkFinite, type ReadContext, scaleRows } from './dataset.js';
import { interruptible } from './interruption.js';
import { createProgress } from './progress.js';

export interface ModelContext extends ReadContext {
  readonly classifier: SoftmaxClassifier;
}

export async function withModel(
  path: string,
  flags: EngineFlags & ReportFlags,
  work: (context: ModelContext) => Promise<void>,
): Promise<void> {
  await interruptible(async (signal) => {
    const progress = await createProgress(flags);
    const engine = await Engine.create(engineOptions(flags));
    try {
      await work({ engine, progress, signal, classifier: await SoftmaxClassifier.load(engine, path) });
    } finally {
      progress.stop();
      await engine.close();
    }
  });
}

export interface ModelRows {
  readonly path: string;
  readonly inputs: FeatureMatrix;
  readonly featureNames: readonly string[] | undefined;
}

/**
 * Checks the number of features and that they are finite, but for rows that `targets` ignores, then scales the rows in
 * place where they are not bytes.
 */
export function prepareRows(
  classifier: SoftmaxClassifier,
  model: string,
  rows: ModelRows,
  targets?: Int32Array,
): void {
  checkFeatures(rows.path, rows.inputs, classifier.features, model);
  checkFinite(rows, targets);
  scaleRows(rows.inputs, classifier.featureScaling);
}

/** Columns that are chosen by hand are taken as they are, whatever they are called. */
export const featureNamesFor = (
  { featureNames }: SoftmaxClassifier,
  { featureColumns }: CsvFlags,
): readonly string[] | undefined => (featureColumns ? undefined : featureNames);
