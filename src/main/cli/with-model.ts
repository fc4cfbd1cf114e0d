// What evaluate and predict have in common: an engine, a model read from a file, rows scaled as the model's were.

import { Engine, type FeatureMatrix, SoftmaxClassifier } from '../index.js';
import { type EngineFlags, engineOptions, type ReportFlags } from './command-options.js';
import { checkFeatures, type ReadContext, scaleRows } from './dataset.js';
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

/** Checks the number of features, then scales the rows in place where they are not bytes. */
export function prepareRows(
  classifier: SoftmaxClassifier,
  path: string,
  inputs: FeatureMatrix,
  model: string,
): void {
  checkFeatures(path, inputs, classifier.features, model);
  scaleRows(inputs, classifier.featureScaling);
}
