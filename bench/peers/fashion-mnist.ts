// An epoch over Fashion-MNIST's 60,000 images, softshard against PyTorch in turns: softmax regression, SGD with
// momentum, shuffled anew each epoch on both sides.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NUMERICS, type Numerics, supportsNumerics } from '#softshard/kernels/load.js';
import { Engine, type FitOptions, type Matrix, SoftmaxClassifier } from '#softshard/main/index.js';
import { readLabels, readMatrix } from '#softshard/main/readers/index.js';
import { EpochTurns } from './epochs.js';
import type { PeerOptions } from './options.js';
import { PeerUnavailable, PythonPeer } from './python-peer.js';
import { type Contender, type PeerRow, takeTurns } from './turns.js';

const FILES = { images: 'train-images-idx3-ubyte.gz', labels: 'train-labels-idx1-ubyte.gz' };
const [FEATURES, CLASSES] = [784, 10];
const SGD = { learningRate: 0.01, momentum: 0.9 };

/** Epochs in row order before any timing: from zeros and in the same order, both must arrive at the same model. */
const CHECKED_EPOCHS = 2;
const SAME_ORDER = { loss: 1e-4, accuracy: 1e-3 };
/** After the timed epochs, each in an order of its own. */
const OWN_ORDER = { loss: 0.05, accuracy: 0.02 };

interface Score {
  readonly loss: number;
  readonly accuracy: number;
}

interface LoadedEngine {
  readonly engine: Engine;
  readonly numerics: Numerics;
  readonly inputs: Matrix;
}

export interface PeerCase {
  readonly rows: readonly PeerRow[];
  /** What was checked, with the figures. */
  readonly remarks: readonly string[];
  readonly version: string;
}

export async function compareFashionMnist(options: PeerOptions): Promise<PeerCase> {
  const paths = dataPaths(options.data);
  const peer = await PythonPeer.start(options.python, 'fashion-mnist-torch.py');
  const engines: LoadedEngine[] = [];
  try {
    await peer.ask({ do: 'load', images_path: paths.images, labels_path: paths.labels });
    const { targets } = await readLabels(paths.labels);
    for (const numerics of NUMERICS.filter(supportsNumerics)) {
      for (const threads of options.threads) engines.push(await load(numerics, threads, paths.images));
    }
    const rows: PeerRow[] = [];
    const remarks: string[] = [];
    for (const batch of options.batches) {
      process.stderr.write(`epoch of Fashion-MNIST, batch ${batch}\n`);
      remarks.push(await checkSameOrder(peer, engines, targets, batch));
      const compared = await compareEpochs(peer, engines, targets, batch, options);
      rows.push(...compared.rows);
      remarks.push(compared.remark);
    }
    return { rows, remarks, version: peer.version };
  } finally {
    await Promise.all([peer.close(), ...engines.map(({ engine }) => engine.close())]);
  }
}

function dataPaths(folder: string): typeof FILES {
  const paths = { images: join(folder, FILES.images), labels: join(folder, FILES.labels) };
  for (const path of Object.values(paths)) {
    if (existsSync(path)) continue;
    const remedy = 'install it (Debian: apt install dataset-fashion-mnist), or name its folder with --data';
    throw new PeerUnavailable(`Fashion-MNIST is not complete, ${path} is missing: ${remedy}`);
  }
  return paths;
}

async function load(numerics: Numerics, threads: number, imagesPath: string): Promise<LoadedEngine> {
  const engine = await Engine.create({ numerics, threads });
  const { matrix: inputs } = await readMatrix(engine, imagesPath);
  for (let index = 0; index < inputs.data.length; index++) inputs.data[index]! /= 255;
  return { engine, numerics, inputs };
}

const newClassifier = (engine: Engine): SoftmaxClassifier =>
  new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });

const torchModel = (model: string, batch: number, gather: 'index' | 'into') => ({
  do: 'create',
  model,
  batch,
  gather,
  learning_rate: SGD.learningRate,
  momentum: SGD.momentum,
});

async function checkSameOrder(
  peer: PythonPeer,
  engines: readonly LoadedEngine[],
  targets: Int32Array,
  batch: number,
): Promise<string> {
  await peer.ask(torchModel('check', batch, 'index'));
  const epoch = { do: 'epoch', model: 'check', threads: 1, blas_threads: 1, shuffle: false };
  for (let count = 0; count < CHECKED_EPOCHS; count++) await peer.ask(epoch);
  const theirs = await peer.ask<Score>({ do: 'evaluate', model: 'check' });
  for (const { engine, numerics, inputs } of engines) {
    const classifier = newClassifier(engine);
    const options: FitOptions = { ...SGD, batchSize: batch, epochs: CHECKED_EPOCHS, shuffle: false };
    await classifier.fit(inputs, targets, options);
    const ours = await classifier.evaluate(inputs, targets);
    expectSame(`${numerics}, ${engine.threads} threads, batch ${batch}, row order`, ours, theirs, SAME_ORDER);
  }
  return `Batch ${batch}: after ${CHECKED_EPOCHS} epochs in row order all have PyTorch's loss of ${theirs.loss.toFixed(5)} within ${SAME_ORDER.loss}, and its accuracy of ${theirs.accuracy.toFixed(4)} within ${SAME_ORDER.accuracy}.`;
}

async function compareEpochs(
  peer: PythonPeer,
  engines: readonly LoadedEngine[],
  targets: Int32Array,
  batch: number,
  { rounds, threads }: PeerOptions,
): Promise<{ rows: PeerRow[]; remark: string }> {
  const epochs = rounds + 1;
  const fits = engines.map(({ engine, numerics, inputs }) => {
    const classifier = newClassifier(engine);
    const turns = new EpochTurns((onEpochEnd) =>
      classifier.fit(inputs, targets, { ...SGD, batchSize: batch, epochs, onEpochEnd }),
    );
    return { classifier, inputs, turns, name: `softshard ${numerics}`, threads: engine.threads };
  });
  const ours = fits.map(
    ({ name, turns, threads }): Contender => ({ name, threads, isPeer: false, turn: () => turns.turn() }),
  );
  const rows = await takeTurns(
    `epoch, batch ${batch}`,
    [...ours, ...(await torchEpochs(peer, batch, threads))],
    rounds,
  );
  const theirs = await peer.ask<Score>({ do: 'evaluate', model: 'PyTorch, index_select' });
  let remark = '';
  for (const { classifier, inputs, turns, name, threads } of fits) {
    await turns.finish();
    const score = await classifier.evaluate(inputs, targets);
    expectSame(`${name}, ${threads} threads, batch ${batch}, shuffled`, score, theirs, OWN_ORDER);
    remark = `Batch ${batch}: after ${epochs} shuffled epochs softshard's loss is ${score.loss.toFixed(4)} (accuracy ${score.accuracy.toFixed(4)}), PyTorch's ${theirs.loss.toFixed(4)} (${theirs.accuracy.toFixed(4)}).`;
  }
  return { rows, remark };
}

/**
 * X[idx] is what most write, index_select into a buffer the fastest way we know. PyTorch's own threads and those of its
 * BLAS are set apart, for the fastest mix depends on both.
 */
async function torchEpochs(
  peer: PythonPeer,
  batch: number,
  threads: readonly number[],
): Promise<Contender[]> {
  const most = Math.max(...threads);
  const settings = [
    { name: 'PyTorch, X[idx]', gather: 'index', threads: 1, blasThreads: 1 },
    { name: 'PyTorch, index_select', gather: 'into', threads: 1, blasThreads: 1 },
    { name: 'PyTorch, index_select, threads of BLAS', gather: 'into', threads: 1, blasThreads: most },
    { name: 'PyTorch, index_select, threads of both', gather: 'into', threads: most, blasThreads: most },
  ] as const;
  const contenders: Contender[] = [];
  for (const { name, gather, threads: own, blasThreads } of settings.slice(0, most === 1 ? 2 : undefined)) {
    await peer.ask(torchModel(name, batch, gather));
    const request = { do: 'epoch', model: name, threads: own, blas_threads: blasThreads };
    contenders.push({
      name,
      threads: Math.max(own, blasThreads),
      isPeer: true,
      turn: () => peer.ask<{ ms: number }>(request),
    });
  }
  return contenders;
}

function expectSame(what: string, ours: Score, theirs: Score, tolerance: Score): void {
  const lossApart = Math.abs(ours.loss - theirs.loss) / theirs.loss;
  const accuracyApart = Math.abs(ours.accuracy - theirs.accuracy);
  if (lossApart <= tolerance.loss && accuracyApart <= tolerance.accuracy) return;
  throw new Error(
    `${what}: softshard has loss ${ours.loss} and accuracy ${ours.accuracy}, PyTorch ${theirs.loss} and ${theirs.accuracy}`,
  );
}
