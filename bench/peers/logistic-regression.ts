// How long softshard takes to reach the objective that scikit-learn's LogisticRegression has after a number of iterations,
// on Fashion-MNIST. The problem is the same (mean cross-entropy + penalty, float32 pixels, zeros to begin with), the method
// is not: mini-batches with momentum here, all rows and L-BFGS there.

import { LOGISTIC } from '../targets.js';
import { fashionMnist } from './fashion-mnist.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Part } from './results.js';
import type { Sides } from './sides.js';
import { type Contender, NO_WAKE, takeTurns } from './turns.js';

const ITERATIONS = 100;
const QUICK_ITERATIONS = 10;
/** Of half the sum of squares, as with scikit-learn's C = 1: 1 / 60,000. The bias is not penalized. */
const PENALTY = 1 / 60000;
const FIT = { batchSize: 256, learningRate: 0.02, momentum: 0.9, weightDecay: PENALTY };
/** Epochs in which softshard must get there. */
const MOST_EPOCHS = 80;
/** A turn of L-BFGS takes some ten seconds. */
const MOST_ROUNDS = 1;

interface Trained {
  readonly ms: number;
  readonly objective: number;
  readonly accuracy: number;
}

export async function compareLogisticRegression(
  sides: Sides,
  options: PeerOptions,
  pythons: Pythons,
): Promise<void> {
  if (!options.peers.includes('sklearn')) return;
  const { images, labels } = fashionMnist(options);
  const threads = Math.max(...options.threads);
  await sides.add('scikit-learn', async () =>
    PeerProcess.python(pythons.with('sklearn'), 'logistic-regression-sklearn.py'),
  );
  // Without scikit-learn there is nothing to arrive at.
  if (sides.get('scikit-learn') === undefined) return;
  await sides.addOurs('fashion-mnist-ours.js', ['softshard', 'softshard wide']);
  await sides.measure(LOGISTIC, async () => {
    const sklearn = sides.get('scikit-learn');
    if (sklearn === undefined) return {};
    await sklearn.ask({ do: 'load', images_path: images, labels_path: labels });
    for (const [, peer] of sides.ours()) await peer.ask({ do: 'load', images, labels, threads: [threads] });
    return timeTraining(sides, sklearn, threads, options);
  });
}

async function timeTraining(
  sides: Sides,
  sklearn: PeerProcess,
  threads: number,
  { quick, rounds }: PeerOptions,
): Promise<Partial<Part>> {
  const iterations = quick ? QUICK_ITERATIONS : ITERATIONS;
  const request = { do: 'run', iterations, penalty: PENALTY, threads };
  const theirs = await sklearn.ask<Trained>(request);
  const contenders: Contender[] = [
    { by: 'scikit-learn', setting: '', threads, turn: () => sklearn.ask<Trained>(request) },
  ];
  const remarks = [
    `${LOGISTIC}: ${iterations} iterations of L-BFGS end at ${theirs.objective.toFixed(5)}, accuracy ${theirs.accuracy.toFixed(4)}.`,
  ];
  for (const [by, peer] of sides.ours()) {
    const { epochs, accuracy } = await trainTo(peer, threads, theirs.objective);
    remarks.push(
      `${by} is below it after ${epochs} epochs (accuracy ${accuracy.toFixed(4)}) of batches of ${FIT.batchSize}, learning rate ${FIT.learningRate}, momentum ${FIT.momentum}; its evaluations between epochs are not timed, those of L-BFGS are its iterations.`,
    );
    const turn = () => trainTo(peer, threads, theirs.objective);
    contenders.push({ by, setting: '', threads, turn });
  }
  const shape = `${iterations} iterations of L-BFGS`;
  const rows = await takeTurns({ work: LOGISTIC, shape }, contenders, Math.min(MOST_ROUNDS, rounds), NO_WAKE);
  return { rows, remarks };
}

/** Epochs from zeros until the objective is no larger than that. */
async function trainTo(
  peer: PeerProcess,
  threads: number,
  objective: number,
): Promise<{ ms: number; cpuMs: number; epochs: number; accuracy: number }> {
  const model = 'to the objective';
  await peer.ask({ do: 'create', model, threads, images: 'bytes', fit: { ...FIT, epochs: MOST_EPOCHS } });
  let [ms, cpuMs] = [0, 0];
  for (let epochs = 1; epochs <= MOST_EPOCHS; epochs++) {
    const timed = await peer.ask<{ ms: number }>({ do: 'epoch', model });
    ms += timed.ms;
    cpuMs += timed.cpuMs;
    type Reply = { readonly loss: number; readonly squares: number; readonly accuracy: number };
    const { loss, squares, accuracy } = await peer.ask<Reply>({ do: 'evaluate', model });
    if (loss + (PENALTY / 2) * squares > objective) continue;
    await peer.ask({ do: 'abandon', model });
    return { ms, cpuMs, epochs, accuracy };
  }
  throw new Error(`${MOST_EPOCHS} epochs do not bring the objective down to ${objective}`);
}
