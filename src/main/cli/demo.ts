// softshard demo: trains on the bundled images, writes the model, reads it back and evaluates it.

import { access } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  readFeatures,
  readIdxLabels,
  readModelFile,
  SoftmaxClassifier,
  SoftshardError,
  selectRows,
  splitRows,
} from '../index.js';
import { readClassNames } from './classes.js';
import type { EngineFlags, ReportFlags } from './command-options.js';
import { textOf } from './evaluate.js';
import { UsageError } from './failures.js';
import { chooseOutput, type OutFlags } from './files.js';
import { count, counted, print } from './output.js';
import { type Session, withSession, workersOf } from './session.js';
import { runSolver, solverText, throwIfSolverInterrupted } from './solver-training.js';

export interface DemoFlags extends EngineFlags, OutFlags, Omit<ReportFlags, 'json'> {
  folder?: string;
}

/** From dist/main/cli/. */
const BUNDLED_FOLDER = fileURLToPath(new URL('../../../examples/fashion-mnist/', import.meta.url));

const IMAGES = 't10k-images-idx3-ubyte.gz';
const LABELS = 't10k-labels-idx1-ubyte.gz';
const CLASS_NAMES = 'class-names.txt';

const TRAINING = { validationSplit: 0.2, seed: 1 } as const;

export async function demo(flags: DemoFlags): Promise<void> {
  const folder = flags.folder ?? BUNDLED_FOLDER;
  await checkFolder(folder);
  const inputs = [IMAGES, LABELS, CLASS_NAMES].map((file) => join(folder, file));
  const { path: out, target } = await chooseOutput(flags, 'fashion-mnist.safetensors', inputs, isDemoModel);
  if (target.kind !== 'file') {
    throw new UsageError(`--output is ${out}: the demo reads its model back, so it must be a file`);
  }
  await withSession(flags, (session) => demonstrate(session, folder, out));
}

/** Whether the demo wrote the file; of 0.1.0, too. */
async function isDemoModel(path: string): Promise<boolean> {
  const { trainingOptions } = await readModelFile(path).catch(() => ({ trainingOptions: undefined }));
  if (trainingOptions === undefined) return false;
  const { demo, epochs, weightDecay } = trainingOptions;
  return demo === true || (epochs === 30 && weightDecay === 0.001 && !('scale' in trainingOptions));
}

async function checkFolder(folder: string): Promise<void> {
  for (const file of [IMAGES, LABELS, CLASS_NAMES]) {
    try {
      await access(join(folder, file));
    } catch (cause) {
      const message =
        `${join(folder, file)} is not there. The example images come with softshard. Elsewhere: fetch the t10k files from ` +
        'https://github.com/zalandoresearch/fashion-mnist (data/fashion), ' +
        `put a ${CLASS_NAMES} with ten lines beside them and name the folder with --folder; or try your own data with ` +
        'softshard train';
      throw new SoftshardError('ERR_FILE', message, { value: folder, cause });
    }
  }
}

async function demonstrate(session: Session, folder: string, out: string): Promise<void> {
  const { engine, progress, signal } = session;
  const images = join(folder, IMAGES);
  const labels = join(folder, LABELS);
  const { names } = await readClassNames(join(folder, CLASS_NAMES));
  const { matrix: inputs } = await readFeatures(engine, images, {
    signal,
    onProgress: progress.reading(images),
  });
  const targets = await readIdxLabels(labels, { signal });
  const featureScaling = { shift: 0, scale: 1 / 255 };
  const [rows, features] = inputs.dims;
  const { training, validation } = splitRows(rows, TRAINING.validationSplit, TRAINING.seed);
  await print(
    `Fashion-MNIST: ${count(rows)} images of clothes in ${names!.length} classes, ${count(features)} pixels each.\n` +
      `Training on ${count(training.length)} of them with ${counted(engine.threads, 'thread')} ` +
      `(${engine.numerics} numerics);\n${count(validation.length)} are kept for validation. ` +
      'The penalty is chosen by rows held out.\n\n',
  );
  const shape = { features, classes: names!.length, classNames: names!, featureScaling };
  const classifier = new SoftmaxClassifier(engine, shape);
  const split = { training, validation };
  const options = { seed: TRAINING.seed, split, signal };
  const solved = await runSolver(classifier, inputs, targets, options, progress);
  const { trainingRows } = solved;
  await classifier.save(out, {
    trainingOptions: { ...TRAINING, demo: true, numerics: engine.numerics, trainingRows },
  });
  throwIfSolverInterrupted(solved, out);
  await print(
    `${solverText(solved, undefined, workersOf(engine))}\nThe model is in ${resolve(out)}\n\n` +
      `Read back from that file, on the ${count(validation.length)} images it was not trained on:\n\n`,
  );
  const readBack = await SoftmaxClassifier.load(engine, out);
  const held = selectRows<'float32' | 'uint8'>(inputs, validation);
  const heldTargets = Int32Array.from(validation, (row) => targets[row]!);
  await print(textOf(await readBack.evaluate(held, heldTargets, { signal, topK: 3 }), names));
  await print(nextCommands(images, labels, out));
}

function nextCommands(images: string, labels: string, out: string): string {
  const [data, targets, model] = [images, labels, out].map(shellWord);
  const softshard = commandHere();
  return `
Next, try:
  ${softshard} predict --model ${model} --data ${data} --top-k 3
  ${softshard} info --model ${model}
  ${softshard} train --data ${data} --labels ${targets} --validation-split 0.2
  ${softshard} train --help
`;
}

/** How this program was run. */
function commandHere(): string {
  const script = process.argv[1] ?? '';
  if (basename(script) !== 'softshard') return `node ${shellWord(script)}`;
  return script.includes(join('node_modules', '.bin')) ? 'npx softshard' : 'softshard';
}

/** The path, relative if that is shorter, and quoted if a shell needs it. */
function shellWord(path: string): string {
  const near = relative(process.cwd(), path);
  const word = near !== '' && near.length < path.length ? near : path;
  return /^[\w./@:+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
