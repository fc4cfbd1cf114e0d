// Cross-entropy over a linear layer with all gradients, the head of a language model: softshard, which never holds the
// logits, in turns with PyTorch, which does.
import { checkClose, sampleRows } from '../cases/values.js';
import { LINEAR, LINEAR_SHAPE } from '../targets.js';
import type { Elements } from './linear-cross-entropy-ours.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Sides } from './sides.js';
import { type Contender, NO_WAKE, type PeerRow, takeTurns } from './turns.js';

const QUICK_SHAPE = '256 × 64 × 2048';
/** A turn takes seconds. */
const MOST_ROUNDS = 2;
/** Elements of each gradient that are compared. */
const ELEMENTS_CHECKED = 500;

type Reply = { readonly loss: number } & Elements;

export async function compareLinearCrossEntropy(
  sides: Sides,
  options: PeerOptions,
  pythons: Pythons,
): Promise<void> {
  await sides.addOurs('linear-cross-entropy-ours.js', ['softshard', 'softshard wide', 'softshard BLAS']);
  if (options.peers.includes('torch')) {
    await sides.add('PyTorch', async () =>
      PeerProcess.python(pythons.with('torch'), 'linear-cross-entropy-torch.py'),
    );
  }
  const shape = options.quick ? QUICK_SHAPE : LINEAR_SHAPE;
  await sides.measure(`${LINEAR}, ${shape}`, async () => ({
    rows: await timeLayers(sides, shape, options),
    remarks: [
      `${LINEAR}: loss within 1e-5, ${ELEMENTS_CHECKED} elements of each gradient within 1e-4 of the largest.`,
    ],
  }));
}

async function timeLayers(sides: Sides, shape: string, options: PeerOptions): Promise<PeerRow[]> {
  const [rows, features, classes] = shape.split(' × ').map(Number) as [number, number, number];
  const threads = Math.max(...options.threads);
  await sides.get('PyTorch')?.ask({ do: 'prepare', rows, features, classes });
  for (const [, peer] of sides.ours()) await peer.ask({ do: 'prepare', rows, features, classes, threads });
  await checkLayers(sides, {
    gradInputs: sampleRows(rows * features, ELEMENTS_CHECKED),
    gradWeights: sampleRows(features * classes, ELEMENTS_CHECKED),
    gradBias: sampleRows(classes, ELEMENTS_CHECKED),
  });
  const contenders = sides.all().map(
    ([by, peer]): Contender => ({
      by,
      setting: '',
      threads,
      turn: () => peer.ask<{ ms: number }>({ do: 'run', threads }),
    }),
  );
  return takeTurns({ work: LINEAR, shape }, contenders, Math.min(MOST_ROUNDS, options.rounds), NO_WAKE);
}

/** `elements`: flat indices. */
async function checkLayers(sides: Sides, elements: Elements): Promise<void> {
  // PyTorch last: it is what the others are compared with, where it is there.
  const replies: [by: string, reply: Reply][] = [];
  for (const [by, peer] of sides.all()) {
    replies.push([by, await peer.ask<Reply>({ do: 'check', elements })]);
  }
  const [, expected] = replies.at(-1)!;
  for (const [by, reply] of replies) {
    checkClose(`${by}: loss`, [reply.loss], [expected.loss], { relative: 1e-5, absolute: 0 });
    for (const name of ['gradInputs', 'gradWeights', 'gradBias'] as const) {
      const largest = Math.max(...expected[name].map(Math.abs));
      const tolerance = { relative: 0, absolute: 1e-4 * largest };
      checkClose(`${by}: ${name}`, reply[name], expected[name], tolerance);
    }
  }
}
