// A training step of many parameters, softshard in turns with PyTorch and with OpenBLAS's share of it: the two products
// of the step alone.
import { checkClose, sampleRows } from '../cases/values.js';
import { STEP, STEP_SHAPE } from '../targets.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Comparison } from './results.js';
import { type Sides, TORCH_REMEDY, withSides } from './sides.js';
import { type Contender, SHORT_WAKE, takeTurns } from './turns.js';

const [rows, features, classes] = STEP_SHAPE.split(' × ').map(Number) as [number, number, number];
const SGD = { learningRate: 0.01, momentum: 0.9 };
const STEPS_CHECKED = 2;
const WEIGHTS_CHECKED = 500;

export const compareSteps = (options: PeerOptions): Promise<Comparison> =>
  withSides(async (sides) => {
    process.stderr.write(`${STEP}, ${STEP_SHAPE}\n`);
    const { threads, rounds } = options;
    await sides.addOurs('step-ours.js', ['softshard', 'softshard wide', 'softshard BLAS']);
    await sides.add('PyTorch', () => PeerProcess.python(options.python, 'step-torch.py', TORCH_REMEDY));
    const shape = { rows, features, classes };
    for (const [, peer] of sides.ours()) await peer.ask({ do: 'prepare', ...shape, sgd: SGD, threads });
    const pytorch = sides.get('PyTorch');
    const sgd = { learning_rate: SGD.learningRate, momentum: SGD.momentum };
    await pytorch?.ask({ do: 'prepare', ...shape, ...sgd });
    await checkSteps(sides, threads);

    const timed = (by: Contender['by'], peer: PeerProcess, count: number, work: string): Contender => ({
      by,
      setting: '',
      threads: count,
      turn: () => peer.ask<{ ms: number }>({ do: 'run', threads: count, work }),
    });
    const contenders = threads.flatMap((count) => [
      ...sides.all().map(([by, peer]) => timed(by, peer, count, 'step')),
      ...(pytorch === undefined ? [] : [timed('OpenBLAS', pytorch, count, 'products')]),
    ]);
    return {
      rows: await takeTurns({ work: STEP, shape: STEP_SHAPE }, contenders, rounds, SHORT_WAKE),
      remarks: [
        `${STEP}: after ${STEPS_CHECKED} steps the loss agrees within 1e-5, ${WEIGHTS_CHECKED} weights within 1e-4 of the largest.`,
      ],
    };
  });

async function checkSteps(sides: Sides, threads: readonly number[]): Promise<void> {
  type Reply = { readonly loss: number; readonly weights: number[] };
  const at = sampleRows(features * classes, WEIGHTS_CHECKED);
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
  for (const [who, { loss, weights }] of replies) {
    checkClose(`${who}: loss`, [loss], [expected.loss], { relative: 1e-5, absolute: 0 });
    checkClose(`${who}: weights`, weights, expected.weights, { relative: 0, absolute: 1e-4 * largest });
  }
}
