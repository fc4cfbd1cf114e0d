// Many penalties on the same rows: 32 values of C, each to a certificate, against as many LogisticRegressions; and
// cross-validation of 10 values against LogisticRegressionCV.
import { join } from 'node:path';
import { repositoryFile } from '../result-files.js';
import { CROSS_VALIDATION, PENALTY_PATH } from '../targets.js';
import { fashionMnist } from './fashion-mnist.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Part } from './results.js';
import type { Sides } from './sides.js';
import { type By, type Contender, NO_WAKE, takeTurns } from './turns.js';

const TOL = 1e-4;
const [STRONGEST, WEAKEST] = [1e-4, 10];
const FOLDS = 5;
/** Of scikit-learn's Cs = 10. */
const CV_VALUES: Values = { count: 10, strongest: 1e-4, weakest: 1e4 };
const QUICK_VALUES: Values = { count: 2, strongest: 0.1, weakest: 1 };
/** Of Fashion-MNIST, for cross-validation. */
const CV_ROWS = 10_000;
const QUICK_ROWS = 2000;
/** What scikit-learn fits in one request: all of them would take longer than a request may. */
const AT_A_TIME = 4;
/** It takes seconds to minutes, and is long enough to need no warm-up. */
const ONE_TURN = 0;

interface Values {
  readonly count: number;
  readonly strongest: number;
  readonly weakest: number;
}

interface Path {
  readonly ms: number;
  readonly objectives: readonly number[];
}

interface OurPath extends Path {
  readonly passes: number;
  readonly gapsRelative: readonly number[];
}

interface CrossValidated {
  readonly ms: number;
  readonly C: number;
  /** For each C, the mean over the folds, and its standard error. */
  readonly losses: readonly number[];
  readonly errors: readonly number[];
}

interface Rows {
  readonly name: string;
  readonly x: string;
  readonly y: string;
  readonly divisor?: number;
  readonly rows?: number;
}

export async function comparePenalties(sides: Sides, options: PeerOptions, pythons: Pythons): Promise<void> {
  if (!options.peers.includes('sklearn')) return;
  await sides.add('scikit-learn', async () =>
    PeerProcess.python(pythons.with('sklearn'), 'linear-models-sklearn.py'),
  );
  if (sides.get('scikit-learn') === undefined) return;
  await sides.addOurs('linear-models-ours.js', ['softshard', 'softshard BLAS']);
  const threads = Math.max(...options.threads);
  const { images: x, labels: y } = fashionMnist(options);
  const images = { x, y, divisor: 255, ...(options.quick && { rows: QUICK_ROWS }) };
  const brown = repositoryFile('.peers/first-model');
  await sides.attempt('writing the embeddings', async () => {
    await sides.get('scikit-learn')?.ask({ do: 'firstModelData', folder: brown, fashion: null });
  });
  const count = options.quick ? 4 : 32;
  await sides.measure(PENALTY_PATH, async () => {
    await load(sides, { name: 'images', ...images }, threads);
    return comparePaths(sides, spaced(count, STRONGEST, options.quick ? 0.01 : WEAKEST), threads);
  });
  const file = (what: string) => join(brown, `brown-minilm-train-${what}.npy`);
  const crossValidated: Rows[] = [
    { name: 'brown-minilm', x: file('x'), y: file('y') },
    ...(options.quick ? [] : [{ name: 'fashion-mnist', ...images, rows: CV_ROWS }]),
  ];
  for (const rows of crossValidated) {
    await sides.measure(`${CROSS_VALIDATION}, ${rows.name}`, async () => {
      await load(sides, rows, threads);
      return compareFolds(sides, rows.name, options.quick ? QUICK_VALUES : CV_VALUES, threads);
    });
  }
}

async function load(sides: Sides, rows: Rows, threads: number): Promise<void> {
  for (const [by, peer] of sides.all()) {
    await peer.ask({ do: 'load', ...rows, ...(by !== 'scikit-learn' && { threads }) });
  }
}

/** From strong to weak penalties, in equal steps of the logarithm. */
function spaced(count: number, strongest: number, weakest: number): number[] {
  const step = Math.log(weakest / strongest) / (count - 1);
  return Array.from({ length: count }, (_, index) => strongest * Math.exp(step * index));
}

async function comparePaths(sides: Sides, Cs: readonly number[], threads: number): Promise<Partial<Part>> {
  const remarks: string[] = [];
  const contenders: Contender[] = [];
  const weakest = Cs.at(-1)!;
  for (const [by, peer] of sides.ours()) {
    const request = { do: 'path', name: 'images', Cs, tol: TOL };
    const path = await peer.ask<OurPath>(request);
    const cold = { do: 'fit', name: 'images', options: { C: weakest, scale: 'none', tol: TOL } };
    const { ms, passes } = await peer.ask<{ ms: number; passes: number }>(cold);
    const worst = Math.max(...path.gapsRelative).toExponential(1);
    remarks.push(
      `${PENALTY_PATH}: ${by} takes ${path.passes} passes for ${Cs.length} values, each certified (${worst} at most), and ${passes} for the weakest penalty alone: ${(path.ms / ms).toFixed(2)} times the time.`,
    );
    contenders.push({ by, setting: '', threads, turn: () => peer.ask<OurPath>(request) });
  }
  const sklearn = sides.get('scikit-learn');
  if (sklearn !== undefined) {
    const turn = () => pathInParts(sklearn, Cs, threads);
    contenders.push({ by: 'scikit-learn', setting: `n_jobs=${threads}`, threads, turn });
  }
  const shape = `${Cs.length} values`;
  return { rows: await takeTurns({ work: PENALTY_PATH, shape }, contenders, ONE_TURN, NO_WAKE), remarks };
}

async function pathInParts(
  sklearn: PeerProcess,
  Cs: readonly number[],
  threads: number,
): Promise<{ ms: number; cpuMs: number }> {
  let [ms, cpuMs] = [0, 0];
  for (let begin = 0; begin < Cs.length; begin += AT_A_TIME) {
    const part = Cs.slice(begin, begin + AT_A_TIME);
    const path = await sklearn.ask<Path>({ do: 'path', name: 'images', Cs: part, threads, jobs: threads });
    ms += path.ms;
    cpuMs += path.cpuMs;
  }
  return { ms, cpuMs };
}

async function compareFolds(
  sides: Sides,
  name: string,
  { count, strongest, weakest }: Values,
  threads: number,
): Promise<Partial<Part>> {
  const Cs = spaced(count, strongest, weakest);
  const request = { do: 'crossValidate', name, Cs, folds: FOLDS };
  const contenders: Contender[] = [];
  const chosen = new Map<By, string>();
  for (const [by, peer] of sides.all()) {
    const asked = by === 'scikit-learn' ? { ...request, threads, jobs: threads } : request;
    const turn = async () => {
      const reply = await peer.ask<CrossValidated>(asked);
      chosen.set(by, choiceText(reply));
      return reply;
    };
    contenders.push({ by, setting: '', threads, turn });
  }
  const rows = await takeTurns({ work: CROSS_VALIDATION, shape: name }, contenders, ONE_TURN, NO_WAKE);
  const texts = [...chosen].map(([by, text]) => `${by} ${text}`);
  return { rows, remarks: [`${CROSS_VALIDATION}, ${name}: ${texts.join('; ')}.`] };
}

function choiceText({ C, losses, errors }: CrossValidated): string {
  const best = losses.indexOf(Math.min(...losses));
  return `C ${C.toPrecision(3)} (loss ${losses[best]!.toFixed(4)} ± ${errors[best]!.toFixed(4)})`;
}
