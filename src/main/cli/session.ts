// What a command works with: an engine, progress on standard error, a signal that Ctrl-C aborts, and maybe a model.

import { Engine, readModelFile, SoftmaxClassifier, type Training, writeTextFile } from '../index.js';
import { type EngineFlags, engineOptions, mostRowBytes, type ReportFlags } from './command-options.js';
import { interruptible } from './interruption.js';
import { count, counted } from './output.js';
import { createProgress, type Progress } from './progress.js';
import { ownTransport } from './ranks.js';

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
  /** What the file has. */
  readonly model: Training.Model;
  /** Of the model, but without its labelType: the command line makes class indices of labels itself. */
  readonly classifier: SoftmaxClassifier;
}

type SessionFlags = EngineFlags & Omit<ReportFlags, 'json'>;

export const withSession = (flags: SessionFlags, work: (session: Session) => Promise<void>): Promise<void> =>
  interruptible(async (signal) => {
    const progress = await createProgress(flags);
    const distributed = ownTransport();
    const engine = await Engine.create({ ...engineOptions(flags), ...(distributed && { distributed }) });
    const openFiles: Session['openFiles'] = [];
    try {
      // A rank reads its own rows alone, where a file's rows can be read one by one.
      const most = engine.ranks > 1 ? 0 : mostRowBytes(flags);
      await work({ engine, progress, signal, mostRowBytes: most, openFiles });
    } finally {
      progress.stop();
      // Other ranks have traces of their own, which no one file holds.
      if (flags.trace !== undefined && engine.rank === 0) await writeTrace(flags.trace, engine, progress);
      for (const file of openFiles) await file.close();
      await engine.close();
    }
  });

/** Also of work that fails or is interrupted, whose own error stays the one that is told. */
async function writeTrace(path: string, engine: Engine, progress: Progress): Promise<void> {
  const trace = engine.trace();
  const { dropped } = trace.otherData;
  try {
    await writeTextFile(path, JSON.stringify(trace));
  } catch (error) {
    return progress.warn(`warning: the trace is not written: ${(error as Error).message}`);
  }
  if (dropped === 0) return;
  progress.note(`the trace has the newest spans of each thread: ${count(dropped)} older ones were dropped`);
}

export const withModel = (
  path: string,
  flags: SessionFlags,
  work: (session: ModelSession) => Promise<void>,
): Promise<void> =>
  withSession(flags, async (session) => {
    const model = await readModelFile(path);
    const classifier = SoftmaxClassifier.fromModel(session.engine, { ...model, labelType: undefined });
    await work({ ...session, model, classifier });
  });

/** Ranks may have different numbers of threads. */
export const workersOf = ({ threads, ranks }: Engine): string =>
  ranks > 1 ? counted(ranks, 'rank') : counted(threads, 'thread');

/** What each JSON report says of machine and time. */
export const runFacts = ({ threads, ranks, numerics }: Engine, rows: number, durationMs: number) => ({
  threads,
  ...(ranks > 1 && { ranks }),
  numerics,
  node: process.versions.node,
  durationMs,
  rowsPerSecond: (1000 * rows) / durationMs,
});
