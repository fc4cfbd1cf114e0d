// An epoch over Fashion-MNIST's 60,000 images, softshard in turns with PyTorch: softmax regression, SGD with momentum,
// shuffled anew each epoch on both sides.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EPOCH } from '../targets.js';
import type { PeerOptions } from './options.js';
import { PeerProcess, PeerUnavailable } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Sides } from './sides.js';
import { type Contender, type PeerRow, takeTurns } from './turns.js';

interface Files {
  readonly images: string;
  readonly labels: string;
}

const SGD = { learningRate: 0.01, momentum: 0.9 };

/**
 * Before each that counts; as many for all, so that their models stay comparable. One that took 23.5 ms took 25.7 as the first
 * after a pause, 24.1 as the second.
 */
const WAKE_EPOCHS = 4;
/** Epochs in row order before any timing: from zeros and in the same order, both must arrive at the same model. */
const CHECKED_EPOCHS = 2;
const SAME_ORDER = { loss: 1e-4, accuracy: 1e-3 };
/** After the timed epochs, each in an order of its own. */
const OWN_ORDER = { loss: 0.05, accuracy: 0.02 };

interface Score {
  readonly loss: number;
  readonly accuracy: number;
}

export async function compareFashionMnist(
  sides: Sides,
  options: PeerOptions,
  pythons: Pythons,
): Promise<void> {
  const { images, labels } = fashionMnist(options);
  await sides.addOurs('fashion-mnist-ours.js', ['softshard', 'softshard wide']);
  if (options.peers.includes('torch')) {
    await sides.add('PyTorch', async () =>
      PeerProcess.python(pythons.with('torch'), 'fashion-mnist-torch.py'),
    );
  }
  await sides.attempt('loading the images', async () => {
    await sides.get('PyTorch')?.ask({ do: 'load', images_path: images, labels_path: labels });
    for (const [, peer] of sides.ours()) {
      await peer.ask({ do: 'load', images, labels, threads: options.threads });
    }
  });
  for (const batch of options.batches) {
    await sides.measure(`${EPOCH}, batch ${batch}`, async () => {
      const checked = await checkSameOrder(sides, batch, options);
      const { rows, remarks } = await compareEpochs(sides, batch, options);
      return { rows, remarks: [checked, ...remarks] };
    });
  }
}

/** The training images; of a quick run the test images, which are bundled. Throws PeerUnavailable. */
export function fashionMnist({ data, quick }: Pick<PeerOptions, 'data' | 'quick'>): Files {
  const part = quick ? 't10k' : 'train';
  const images = join(data, `${part}-images-idx3-ubyte.gz`);
  const labels = join(data, `${part}-labels-idx1-ubyte.gz`);
  for (const path of [images, labels]) {
    if (existsSync(path)) continue;
    const remedy = 'install it (Debian: apt install dataset-fashion-mnist), or name its folder with --data';
    throw new PeerUnavailable(`Fashion-MNIST is not complete, ${path} is missing: ${remedy}`);
  }
  return { images, labels };
}

const torchModel = (model: string, batch: number, gather: 'index' | 'into' | 'bytes') => ({
  do: 'create',
  model,
  batch,
  gather,
  learning_rate: SGD.learningRate,
  momentum: SGD.momentum,
});

async function checkSameOrder(sides: Sides, batch: number, { threads }: PeerOptions): Promise<string> {
  const scores: [who: string, score: Score][] = [];
  const pytorch = sides.get('PyTorch');
  if (pytorch !== undefined) {
    await pytorch.ask(torchModel('check', batch, 'index'));
    const epoch = { do: 'epoch', model: 'check', threads: 1, blas_threads: 1, shuffle: false };
    for (let count = 0; count < CHECKED_EPOCHS; count++) await pytorch.ask(epoch);
    scores.push(['PyTorch', await pytorch.ask<Score>({ do: 'evaluate', model: 'check' })]);
  }
  const fit = { ...SGD, batchSize: batch, epochs: CHECKED_EPOCHS, shuffle: false };
  for (const [by, peer] of sides.ours()) {
    for (const count of threads) {
      await peer.ask({ do: 'create', model: 'check', threads: count, images: 'bytes', fit });
      for (let epoch = 0; epoch < CHECKED_EPOCHS; epoch++) await peer.ask({ do: 'epoch', model: 'check' });
      await peer.ask({ do: 'finish', model: 'check' });
      scores.push([`${by}, ${count} threads`, await peer.ask<Score>({ do: 'evaluate', model: 'check' })]);
    }
  }
  const [[first, expected]] = scores as [[string, Score]];
  for (const [who, score] of scores) {
    expectSame(`batch ${batch}, row order`, [who, score], [first, expected], SAME_ORDER);
  }
  return `Batch ${batch}: after ${CHECKED_EPOCHS} epochs in row order all have the loss ${expected.loss.toFixed(5)} within ${SAME_ORDER.loss}, and the accuracy ${expected.accuracy.toFixed(4)} within ${SAME_ORDER.accuracy}.`;
}

async function compareEpochs(
  sides: Sides,
  batch: number,
  { rounds, threads }: PeerOptions,
): Promise<{ rows: PeerRow[]; remarks: string[] }> {
  const contenders: Contender[] = [];
  const epochs = (WAKE_EPOCHS + 1) * (rounds + 1);
  for (const [by, peer] of sides.ours()) {
    for (const { model, threads: count, images } of oursOf(threads)) {
      const fit = { ...SGD, batchSize: batch, epochs };
      await peer.ask({ do: 'create', model, threads: count, images, fit });
      const turn = () => peer.ask<{ ms: number }>({ do: 'epoch', model });
      contenders.push({ by, setting: images, threads: count, turn });
    }
  }
  const pytorch = sides.get('PyTorch');
  if (pytorch !== undefined) contenders.push(...(await torchEpochs(pytorch, batch, threads)));
  const rows = await takeTurns({ work: EPOCH, shape: `batch ${batch}` }, contenders, rounds, {
    turns: WAKE_EPOCHS,
  });

  const theirs = await pytorch?.ask<Score>({ do: 'evaluate', model: BEST_GATHER });
  let remark: string | undefined;
  for (const [by, peer] of sides.ours()) {
    for (const { model } of oursOf(threads)) {
      await peer.ask({ do: 'finish', model });
      const score = await peer.ask<Score>({ do: 'evaluate', model });
      if (theirs === undefined) continue;
      const who = `${by}, ${model}`;
      expectSame(`batch ${batch}, shuffled`, [who, score], ['PyTorch', theirs], OWN_ORDER);
      remark = `Batch ${batch}: after ${epochs} shuffled epochs softshard's loss is ${score.loss.toFixed(4)} (accuracy ${score.accuracy.toFixed(4)}), PyTorch's ${theirs.loss.toFixed(4)} (${theirs.accuracy.toFixed(4)}).`;
    }
  }
  return { rows, remarks: remark === undefined ? [] : [remark] };
}

const oursOf = (threads: readonly number[]) =>
  threads.flatMap((count) =>
    (['bytes', 'float32'] as const).map((images) => ({
      model: `${images}, ${count} threads`,
      threads: count,
      images,
    })),
  );

const BEST_GATHER = 'index_select';

/**
 * X[idx] is what most write, index_select into a buffer the fastest way we know, of float32 or of bytes that are then
 * scaled into another buffer. PyTorch's own threads and those of its BLAS are set apart where they can be, for the fastest mix
 * depends on both.
 */
async function torchEpochs(
  pytorch: PeerProcess,
  batch: number,
  threads: readonly number[],
): Promise<Contender[]> {
  const most = Math.max(...threads);
  const settings = [
    { name: 'X[idx]', gather: 'index', threads: 1, blasThreads: 1 },
    { name: BEST_GATHER, gather: 'into', threads: 1, blasThreads: 1 },
    { name: 'index_select of bytes', gather: 'bytes', threads: 1, blasThreads: 1 },
    { name: 'index_select, threads of BLAS', gather: 'into', threads: 1, blasThreads: most },
    { name: 'index_select of bytes, threads of BLAS', gather: 'bytes', threads: 1, blasThreads: most },
    { name: 'index_select, threads of both', gather: 'into', threads: most, blasThreads: most },
    { name: 'index_select of bytes, threads of both', gather: 'bytes', threads: most, blasThreads: most },
  ] as const;
  const possible = settings.filter(
    (setting) => setting.blasThreads === setting.threads || pytorch.blasHasOwnThreads,
  );
  const contenders: Contender[] = [];
  for (const { name, gather, threads: own, blasThreads } of possible.slice(0, most === 1 ? 3 : undefined)) {
    await pytorch.ask(torchModel(name, batch, gather));
    const request = { do: 'epoch', model: name, threads: own, blas_threads: blasThreads };
    contenders.push({
      by: 'PyTorch',
      setting: name,
      threads: Math.max(own, blasThreads),
      turn: () => pytorch.ask<{ ms: number }>(request),
    });
  }
  return contenders;
}

function expectSame(
  what: string,
  [who, ours]: readonly [string, Score],
  [whose, theirs]: readonly [string, Score],
  tolerance: Score,
): void {
  const lossApart = Math.abs(ours.loss - theirs.loss) / theirs.loss;
  const accuracyApart = Math.abs(ours.accuracy - theirs.accuracy);
  if (lossApart <= tolerance.loss && accuracyApart <= tolerance.accuracy) return;
  throw new Error(
    `${what}: ${who} has loss ${ours.loss} and accuracy ${ours.accuracy}, ${whose} ${theirs.loss} and ${theirs.accuracy}`,
  );
}
