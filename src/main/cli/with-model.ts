// What evaluate and predict have in common: an engine and a model read from a file.

import { Engine, SoftmaxClassifier } from '../index.js';
import { type EngineFlags, engineOptions, type ReportFlags } from './command-options.js';
import type { ReadContext } from './dataset.js';
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
