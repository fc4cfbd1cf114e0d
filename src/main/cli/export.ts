// softshard export: a model for other programs, and what it is.

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exportOnnx, exportSklearn, hashFiles, modelCard, readModelFile, type Training } from '../index.js';
import type { ReportFlags } from './command-options.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { interruptible } from './interruption.js';
import { count, printBeside, printJson } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { shownPath } from './shown-paths.js';

export interface ExportFlags extends ReportFlags {
  model: string;
  onnx?: string;
  ml?: true;
  sklearn?: string;
  force?: true;
}

export const exportModel = (flags: ExportFlags): Promise<void> =>
  withPipedInputs(flags, ['model'], exportFromFile);

async function exportFromFile(flags: ExportFlags): Promise<void> {
  const { model: path, onnx, sklearn, ml, json, force } = flags;
  if (onnx === undefined && sklearn === undefined && !json) {
    throw new UsageError('nothing to export: give --onnx, --sklearn, or --json for the model card');
  }
  if (ml && onnx === undefined) throw new UsageError('--ml says how --onnx is written: add --onnx');
  await checkInputs([path], flags);
  const targets = await checkOutputs({ '--onnx': onnx, '--sklearn': sklearn }, [path], json);
  const there = targets.find((target) => target.kind === 'file' && target.exists);
  if (there !== undefined && !force) {
    throw new UsageError(
      `${there.path} is there already: name another file, or let it be replaced with --force`,
    );
  }
  await interruptible(async (signal) => {
    const model = await readModelFile(path);
    const lines: string[] = [];
    if (onnx !== undefined) {
      await exportOnnx(model, onnx, { ml: ml === true, signal });
      lines.push(`ONNX model: ${resolve(onnx)}`, onnxText(model, ml));
    }
    if (sklearn !== undefined) {
      await exportSklearn(model, sklearn, { signal });
      lines.push(`LogisticRegression of scikit-learn: ${resolve(sklearn)}`, LOADER);
    }
    if (json) return printJson(await cardOf(flags, model, signal));
    const text = lines.map((line) => `${line}\n`).join('');
    await printBeside(text, targets.some(isStandardOutput), flags.quiet);
  });
}

async function cardOf(
  { model: path, onnx, sklearn }: ExportFlags,
  model: Training.Model,
  signal: AbortSignal,
): Promise<object> {
  const file = async (name: string) => ({
    path: resolve(shownPath(name)),
    // A pipe is read once.
    ...((await stat(name)).isFile() && (await hashFiles(name, { signal }))),
  });
  return {
    ...modelCard(model),
    model: await file(path),
    onnx: onnx === undefined ? null : await file(onnx),
    sklearn: sklearn === undefined ? null : await file(sklearn),
  };
}

function onnxText({ features, classes }: Training.Model, ml: true | undefined): string {
  const operators = ml ? 'LinearClassifier of ai.onnx.ml' : 'standard operators';
  return `  input inputs float32 [rows × ${count(features)}], outputs label [rows] and\n  probabilities float32 [rows × ${count(classes)}]; ${operators}`;
}

const LOADER = '  model = LogisticRegression(); vars(model).update(numpy.load(file))';
