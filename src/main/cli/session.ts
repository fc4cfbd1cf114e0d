// What a command works with: an engine, progress on standard error, a signal that Ctrl-C aborts, and maybe a model.

import { Engine, readModelFile, SoftmaxClassifier } from '../index.js';
import { type EngineFlags, engineOptions, mostRowBytes, type ReportFlags } from './command-options.js';
import { interruptible } from './interruption.js';
import { createProgress, type Progress } from './progress.js';

export interface Session {
  readonly engine: Engine;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Rows of more bytes than this stay on disk. */
  readonly mostRowBytes: number;
  /** Files that are closed at the end. */
  readonly openFiles: { close(): Promise<void> }[];
}

export interface ModelSession extends Session {
  readonly classifier: SoftmaxClassifier;
}

type SessionFlags = EngineFlags & Omit<ReportFlags, 'json'>;

export const withSession = (flags: SessionFlags, work: (session: Session) => Promise<void>): Promise<void> =>
  interruptible(async (signal) => {
    const progress = await createProgress(flags);
    const engine = await Engine.create(engineOptions(flags));
    const openFiles: Session['openFiles'] = [];
    try {
      await work({ engine, progress, signal, mostRowBytes: mostRowBytes(flags), openFiles });
    } finally {
      progress.stop();
      for (const file of openFiles) await file.close();
      await engine.close();
    }
  });

export const withModel = (
  path: string,
  flags: SessionFlags,
  work: (session: ModelSession) => Promise<void>,
): Promise<void> =>
  withSession(flags, async (session) =>
    work({ ...session, classifier: await loadClassifier(session.engine, path) }),
  );

/** Without labelType: the command line makes class indices of labels itself. */
async function loadClassifier(engine: Engine, path: string): Promise<SoftmaxClassifier> {
  const model = await readModelFile(path);
  const { features, classes, classNames, featureNames, featureScaling } = model;
  const shape = { features, classes, classNames, featureNames, featureScaling };
  const classifier = new SoftmaxClassifier(engine, shape);
  classifier.weights.set(model.weights);
  classifier.bias.set(model.bias);
  return classifier;
}

/** What each JSON report says of machine and time. */
export const runFacts = ({ threads, numerics }: Engine, rows: number, durationMs: number) => ({
  threads,
  numerics,
  node: process.versions.node,
  durationMs,
  rowsPerSecond: (1000 * rows) / durationMs,
});
