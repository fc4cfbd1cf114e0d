// How long softshard and scikit-learn's LogisticRegression take to equally good models of the same problem: sum of losses +
// sum of squares / 2C, all rows in each step, from zeros. softshard ends with a certificate of how far the optimum can be;
// scikit-learn does more and more iterations until its objective is no larger.
import { join } from 'node:path';
import { repositoryFile } from '../result-files.js';
import { CERTIFIED_SHAPE, DEFAULT_SHAPE, LOGISTIC, LOGISTIC_MANY } from '../targets.js';
import { fashionMnist } from './fashion-mnist.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Part } from './results.js';
import type { Sides } from './sides.js';
import { type Contender, NO_WAKE, takeTurns } from './turns.js';

interface Theirs {
  readonly ms: number;
  readonly objective: number;
  readonly iterations: number;
}

interface Ours {
  readonly ms: number;
  readonly objective: number;
  readonly gapRelative: number;
  readonly passes: number;
  readonly solver: string;
  readonly stopReason: string;
}

const TOL = 1e-4;
/** A fit of the default takes some ten seconds. */
const MOST_ROUNDS = 1;
/** To a certificate it may take minutes; both sides have fitted before. */
const ONE_TURN = 0;
/** How far the objective that fit reports may be from that of its model, which rounds to float32. */
const OBJECTIVE_WITHIN = 1e-5;
/** Iterations of one attempt over those of the attempt before. */
const MORE = 1.4;
const MOST_ATTEMPTS = 9;
const QUICK_ATTEMPTS = 1;
const MOST_EXTRA_PASSES = 10;
const QUICK_ROWS = 2000;

type Solver = 'lbfgs' | 'newton-cg';

interface Problem {
  readonly name: string;
  readonly work: string;
  readonly shape: string;
  readonly C: number;
  /** The iterations of scikit-learn's first attempt, by solver. */
  readonly first: Readonly<Partial<Record<Solver, number>>>;
  readonly files: {
    readonly x: string;
    readonly y: string;
    readonly divisor: number;
    readonly rows?: number;
  };
}

export async function compareLogisticRegression(
  sides: Sides,
  options: PeerOptions,
  pythons: Pythons,
): Promise<void> {
  if (!options.peers.includes('sklearn')) return;
  const run = new Run(sides, pythons, options);
  await run.startSklearn();
  // Without scikit-learn there is nothing to arrive at.
  if (sides.get('scikit-learn') === undefined) return;
  await sides.addOurs('linear-models-ours.js', ['softshard', 'softshard wide', 'softshard BLAS']);
  const { images: x, labels: y } = fashionMnist(options);
  const fashion: Problem = {
    name: 'fashion',
    work: LOGISTIC,
    shape: CERTIFIED_SHAPE,
    C: 1,
    first: { 'newton-cg': 10 },
    files: { x, y, divisor: 255, ...(options.quick && { rows: QUICK_ROWS }) },
  };
  await run.load(fashion);
  await sides.measure(`${LOGISTIC}: LogisticRegression()`, () => run.againstDefault(fashion));
  await run.toCertificate(fashion);
  if (!options.quick) await run.toCertificate(await run.manyClasses());
}

class Run {
  readonly #sides: Sides;
  readonly #pythons: Pythons;
  readonly #threads: number;
  readonly #mostAttempts: number;

  constructor(sides: Sides, pythons: Pythons, { threads, quick }: PeerOptions) {
    this.#sides = sides;
    this.#pythons = pythons;
    this.#threads = Math.max(...threads);
    this.#mostAttempts = quick ? QUICK_ATTEMPTS : MOST_ATTEMPTS;
  }

  /** Anew where it has been ended: what one solver takes too long for, another may do. */
  async startSklearn(): Promise<void> {
    if (this.#sides.get('scikit-learn') !== undefined) return;
    const start = async () => PeerProcess.python(this.#pythons.with('sklearn'), 'linear-models-sklearn.py');
    await this.#sides.add('scikit-learn', start);
  }

  async load({ name, files }: Problem): Promise<void> {
    await this.#sides.attempt(`loading ${name}`, async () => {
      for (const [by, peer] of this.#sides.all()) {
        const threads = by === 'scikit-learn' ? {} : { threads: this.#threads };
        await peer.ask({ do: 'load', name, ...files, ...threads });
      }
    });
  }

  async manyClasses(): Promise<Problem> {
    const folder = repositoryFile('.peers/many-classes');
    const [x, y] = [join(folder, 'x.npy'), join(folder, 'y.npy')];
    await this.#sides.attempt('making many classes', async () => {
      const request = { do: 'manyClasses', folder, rows: 12_811, features: 384, classes: 1000, seed: 1 };
      await this.#sides.get('scikit-learn')?.ask(request);
    });
    const first = { 'newton-cg': 4, lbfgs: 40 };
    const files = { x, y, divisor: 1 };
    return { name: 'many', work: LOGISTIC_MANY, shape: CERTIFIED_SHAPE, C: 10, first, files };
  }

  /** What scikit-learn's default ends at, and how long softshard takes to that objective. */
  async againstDefault({ name, work, C }: Problem): Promise<Partial<Part>> {
    const sklearn = this.#sides.get('scikit-learn');
    if (sklearn === undefined) return {};
    const threads = this.#threads;
    const request = { do: 'fit', name, solver: 'lbfgs', iterations: null, C, threads };
    const theirs = await sklearn.ask<Theirs>(request);
    const turn = () => sklearn.ask<Theirs>(request);
    const contenders: Contender[] = [{ by: 'scikit-learn', setting: '', threads, turn }];
    const reached: string[] = [];
    for (const [by, peer] of this.#sides.ours()) {
      const reach = { do: 'reach', name, C, objective: theirs.objective };
      const { passes } = await peer.ask<{ passes: number }>(reach);
      const fitUpTo = (maxPasses: number) =>
        peer.ask<Ours>({ do: 'fit', name, options: { C, scale: 'none', maxPasses } });
      // A fit that ends there may be told to end an iteration before the one that was reported.
      for (let most = passes; most <= passes + MOST_EXTRA_PASSES; most++) {
        const { objective } = await fitUpTo(most);
        if (objective > theirs.objective) continue;
        contenders.push({ by, setting: '', threads, turn: () => fitUpTo(most) });
        reached.push(`${by} at ${objective.toFixed(1)} after ${most} passes`);
        break;
      }
    }
    const ended = `LogisticRegression() ends after ${theirs.iterations} iterations at ${theirs.objective.toFixed(1)}`;
    const rows = await takeTurns({ work, shape: DEFAULT_SHAPE }, contenders, MOST_ROUNDS, NO_WAKE);
    return { rows, remarks: [`${work}: ${[ended, ...reached].join('; ')}.`] };
  }

  /** Our certified fits, and scikit-learn's solvers with as many iterations as bring them to the same objective. */
  async toCertificate(problem: Problem): Promise<void> {
    const { name, work, shape, C } = problem;
    const threads = this.#threads;
    await this.startSklearn();
    await this.load(problem);
    let target = Number.NEGATIVE_INFINITY;
    await this.#sides.measure(`${work}, ${shape}: our certificates`, async () => {
      const ours = await this.#certify(problem);
      target = ours.objective;
      return { remarks: ours.remarks };
    });
    const theirs: [solver: Solver, iterations: number][] = [];
    for (const solver of Object.keys(problem.first) as Solver[]) {
      const iterations = await this.#climb(problem, solver, target);
      if (iterations !== undefined) theirs.push([solver, iterations]);
    }
    await this.#sides.measure(`${work}, ${shape}`, async () => {
      const sklearn = this.#sides.get('scikit-learn');
      const contenders = this.#sides.ours().map(([by, peer]): Contender => {
        const request = { do: 'fit', name, options: { C, scale: 'none', tol: TOL } };
        return { by, setting: '', threads, turn: () => peer.ask<Ours>(request) };
      });
      for (const [solver, iterations] of sklearn === undefined ? [] : theirs) {
        const turn = () => sklearn!.ask<Theirs>({ do: 'fit', name, solver, iterations, C, threads });
        contenders.push({ by: 'scikit-learn', setting: solver, threads, turn });
      }
      return { rows: await takeTurns({ work, shape }, contenders, ONE_TURN, NO_WAKE) };
    });
  }

  /** The lowest objective of ours; those that fits report must be those of their models. */
  async #certify({ name, work, shape, C }: Problem): Promise<{ objective: number; remarks: string[] }> {
    const remarks: string[] = [];
    let lowest = Number.POSITIVE_INFINITY;
    for (const [by, peer] of this.#sides.ours()) {
      const request = { do: 'fit', name, options: { C, scale: 'none', tol: TOL } };
      const { objective, gapRelative, passes, solver, stopReason } = await peer.ask<Ours>(request);
      const model = await peer.ask<{ objective: number }>({ ...request, do: 'objective' });
      if (Math.abs(model.objective / objective - 1) > OBJECTIVE_WITHIN) {
        throw new Error(`${by} reports an objective of ${objective}, its model has ${model.objective}`);
      }
      lowest = Math.min(lowest, objective);
      const certified = `${objective.toFixed(1)}, certified to be at most ${gapRelative.toExponential(1)} of it above the optimum`;
      remarks.push(
        `${work}, ${shape}: ${by} (${solver}) ends after ${passes} passes (${stopReason}) at ${certified}.`,
      );
    }
    return { objective: lowest, remarks };
  }

  /** The iterations that reach the objective. Each attempt is a case of its own, so that what was found is kept. */
  async #climb(problem: Problem, solver: Solver, target: number): Promise<number | undefined> {
    const { name, work, shape, C, first } = problem;
    const threads = this.#threads;
    if (this.#sides.get('scikit-learn') === undefined) {
      await this.startSklearn();
      await this.load(problem);
    }
    let iterations = first[solver]!;
    for (let attempts = 0; attempts < this.#mostAttempts; attempts++) {
      let objective = Number.POSITIVE_INFINITY;
      await this.#sides.measure(`${work}, ${shape}: ${iterations} iterations of ${solver}`, async () => {
        const request = { do: 'fit', name, solver, iterations, C, threads };
        const theirs = await this.#sides.get('scikit-learn')?.ask<Theirs>(request);
        if (theirs === undefined) return {};
        objective = theirs.objective;
        const after = `end at ${objective.toFixed(1)} after ${(theirs.ms / 1000).toFixed(1)} s`;
        return { remarks: [`${work}, ${shape}: ${iterations} iterations of ${solver} ${after}.`] };
      });
      if (objective <= target) return iterations;
      if (this.#sides.get('scikit-learn') === undefined) return undefined;
      iterations = Math.ceil(iterations * MORE);
    }
    return undefined;
  }
}
