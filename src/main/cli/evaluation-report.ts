// The page of one evaluation: its figures, and where they come from.

import { stat } from 'node:fs/promises';
import { cpus } from 'node:os';
import {
  evaluationFacts,
  listDataFiles,
  type Reports,
  SoftmaxClassifier,
  type Training,
  version,
  writeReport,
} from '../index.js';
import { type ModelSession, runFacts } from './session.js';
import { shownPath } from './shown-paths.js';

/** `inputs`, `targets` and `options` are of this rank's rows, the evaluation of all. */
export interface EvaluatedRows {
  readonly inputs: Training.FeatureRows;
  readonly targets: Int32Array;
  readonly options: Training.EvaluateOptions;
  readonly evaluation: Training.Evaluation;
  readonly durationMs: number;
}

interface Flags {
  readonly model: string;
  readonly data: string;
  readonly labels?: string;
}

/** All ranks evaluate, and rank 0 writes. */
export async function writeEvaluationReport(
  path: string,
  flags: Flags,
  session: ModelSession,
  rows: EvaluatedRows,
): Promise<void> {
  const { engine, classifier, signal, model } = session;
  const { evaluation, durationMs } = rows;
  const { features, classes, classNames } = classifier;
  const { temperature } = model;
  const beforeTemperature = await evaluateBefore(session, rows);
  if (engine.rank > 0) return;
  const facts: Reports.ReportFacts = {
    config: { command: 'evaluate', options: optionFacts(flags) },
    environment: {
      softshard: version,
      node: process.versions.node,
      platform: process.platform,
      arch: process.arch,
      cpu: cpus()[0]?.model.trim() ?? null,
      threads: engine.threads,
      ...(engine.ranks > 1 && { ranks: engine.ranks }),
      numerics: engine.numerics,
      wideSimd: engine.wideSimd,
      blas: engine.blas?.version ?? null,
      data: await dataFacts(flags),
    },
    result: {
      features,
      classes,
      model: shownPath(flags.model),
      ...runFacts(engine, evaluation.rows, durationMs),
      evaluation: evaluationFacts(evaluation, {
        classNames,
        of: shownPath(flags.data),
        temperature,
        beforeTemperature,
      }),
    },
  };
  await writeReport(path, facts, { signal });
}

/** The same rows by a calibrated model as it was before; undefined of one that is not. */
async function evaluateBefore(
  { engine, model }: ModelSession,
  { inputs, targets, options }: EvaluatedRows,
): Promise<Training.Evaluation | undefined> {
  const { temperature, labelType: _, ...others } = model;
  if (temperature === undefined || temperature === 1) return undefined;
  const uncalibrated = SoftmaxClassifier.fromModel(engine, {
    ...others,
    weights: model.weights.map((weight) => weight * temperature),
    bias: model.bias.map((value) => value * temperature),
  });
  return uncalibrated.evaluate(inputs, targets, options);
}

/** How commands start and report, and no option of what is reported. */
const OF_COMMANDS = ['json', 'quiet', 'verbose', 'report', 'mpi', 'mpiLibrary', 'watchdog'];
const OF_FILES = ['model', 'data', 'labels', 'classWeight', 'sampleWeight', 'mask'];

const optionFacts = (flags: object): Reports.JsonFacts =>
  Object.fromEntries(
    Object.entries(flags)
      .filter(([name, value]) => value !== undefined && !OF_COMMANDS.includes(name))
      .map(([name, value]) => [name, OF_FILES.includes(name) ? shownPath(String(value)) : value]),
  );

async function dataFacts({ model, data, labels }: Flags): Promise<readonly Reports.DataFacts[]> {
  const files = { model, rows: data, labels };
  const facts: Reports.DataFacts[] = [];
  for (const [name, path] of Object.entries(files)) {
    if (path === undefined) continue;
    const sizes = await Promise.all((await listDataFiles(path)).map(async (file) => (await stat(file)).size));
    facts.push({ name, path: shownPath(path), bytes: sizes.reduce((sum, size) => sum + size, 0) });
  }
  return facts;
}
