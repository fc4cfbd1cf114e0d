// A training step of many parameters, softshard in turns with PyTorch and with its BLAS's share of it: the two products
// of the step alone.
import { checkClose, sampleRows } from '../cases/values.js';
import { STEP, STEP_SHAPE } from '../targets.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Sides } from './sides.js';
import { type Contender, NO_WAKE, type PeerRow, SHORT_WAKE, takeTurns } from './turns.js';

const QUICK_SHAPE = '512 × 64 × 100';
const SGD = { learningRate: 0.01, momentum: 0.9 };
const STEPS_CHECKED = 2;
const WEIGHTS_CHECKED = 500;

export async function compareSteps(sides: Sides, options: PeerOptions, pythons: Pythons): Promise<void> {
  await sides.addOurs('step-ours.js', ['softshard', 'softshard wide', 'softshard BLAS']);
  if (options.peers.includes('torch')) {
    await sides.add('PyTorch', async () => PeerProcess.python(pythons.with('torch'), 'step-torch.py'));
  }
  const shape = options.quick ? QUICK_SHAPE : STEP_SHAPE;
  await sides.measure(`${STEP}, ${shape}`, async () => ({
    rows: await timeSteps(sides, shape, options),
    remarks: [
      `${STEP}: after ${STEPS_CHECKED} steps the loss agrees within 1e-5, ${WEIGHTS_CHECKED} weights within 1e-4 of the largest.`,
    ],
  }));
}

async function timeSteps(
  sides: Sides,
  shape: string,
  { threads, rounds, quick }: PeerOptions,
): Promise<PeerRow[]> {
  const [rows, features, classes] = shape.split(' × ').map(Number) as [number, number, number];
  const sizes = { rows, features, classes };
  for (const [, peer] of sides.ours()) await peer.ask({ do: 'prepare', ...sizes, sgd: SGD, threads });
  const pytorch = sides.get('PyTorch');
  const sgd = { learning_rate: SGD.learningRate, momentum: SGD.momentum };
  await pytorch?.ask({ do: 'prepare', ...sizes, ...sgd });
  await checkSteps(sides, features * classes, threads);

  const contenders = threads.flatMap((count) => {
    const timed = (by: Contender['by'], peer: PeerProcess, work: string, setting = ''): Contender => ({
      by,
      setting,
      threads: count,
      turn: () => peer.ask<{ ms: number }>({ do: 'run', threads: count, work }),
    });
    return [
      ...sides.all().map(([by, peer]) => timed(by, peer, 'step')),
      ...(pytorch === undefined ? [] : [timed('BLAS', pytorch, 'products', pytorch.blas)]),
    ];
  });
  return takeTurns({ work: STEP, shape }, contenders, rounds, quick ? NO_WAKE : SHORT_WAKE);
}

async function checkSteps(sides: Sides, weights: number, threads: readonly number[]): Promise<void> {
  type Reply = { readonly loss: number; readonly weights: number[] };
  const at = sampleRows(weights, WEIGHTS_CHECKED);
  const request = { do: 'check', steps: STEPS_CHECKED, weights_at: at };
  const replies: [who: string, reply: Reply][] = [];
  for (const [by, peer] of sides.ours()) {
    for (const count of threads) {
      const reply = await peer.ask<Reply>({ ...request, threads: count });
      replies.push([`${by}, ${count} threads`, reply]);
    }
  }
  const expected = (await sides.get('PyTorch')?.ask<Reply>(request)) ?? replies[0]![1];
  const largest = Math.max(...expected.weights.map(Math.abs));
  for (const [who, { loss, weights: got }] of replies) {
    checkClose(`${who}: loss`, [loss], [expected.loss], { relative: 1e-5, absolute: 0 });
    checkClose(`${who}: weights`, got, expected.weights, { relative: 0, absolute: 1e-4 * largest });
  }
}
