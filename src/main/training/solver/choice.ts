// Chooses scaling and C by the loss of rows that are held out. No rule without looking at the data is right: some are best as
// they are, some standardised, and C has to suit rows and labels.
import { setImmediate } from 'node:timers/promises';
import type { ArenaScope } from '../../memory/arena.js';
import type { PlacedRun, RunTerms } from '../../memory/call-memory.js';
import type { Plain } from '../checkpoint/checkpoint.js';
import { foldsOf, stratifiedSample } from '../rows/folds.js';
import { scaledMeans, scaledVariances } from './column-statistics.js';
import type { FullBatchTerms } from './full-batch.js';
import { Head } from './head.js';
import { HeldOutLosses, pairedDifference } from './held-out.js';
import { minimizeByLbfgs } from './lbfgs.js';
import { type HistoryState, LbfgsHistory } from './lbfgs-history.js';
import { Objective, type ObjectiveState } from './objective.js';
import type { Parameters } from './parameters.js';
import { Problem } from './problem.js';
import { penaltyOf, type Scale, type TriedSetting } from './solver-options.js';

/** How scaling and C were chosen. */
export interface Choice {
  /** In the order they were tried. */
  readonly tried: readonly TriedSetting[];
  readonly folds: number;
  /** How many rows were looked at: not all where there are many. */
  readonly rows: number;
  /** Passes over all rows that it took, as many as all of its models together. */
  readonly passes: number;
}

export interface Chosen {
  readonly scale: Scale;
  readonly C: number;
  readonly choice: Choice;
  /** Parameters to begin with, of rows as the chosen scaling makes them; undefined: training has begun already. */
  readonly start: Parameters | undefined;
}

/** Below so many rows three folds take turns; beyond, a fifth of the rows is enough. */
const FEW_ROWS = 2000;
/** Rows that are looked at: a quarter of all, but at least, and at most, so many; and ten for each class. */
const LEAST_SAMPLE = 5000;
const MOST_SAMPLE = 20_000;
const SAMPLE_SHARE = 1 / 4;
const SAMPLE_A_CLASS = 10;
/** Of a gap to the objective: validation losses at 1e-3 are the same, far within their noise. */
const TOL = 0.1;
/** Where there is no gap: see isFlat. */
const TOL_OF_SLOPES = 1e-3;
const MOST_PASSES_A_POINT = 60;
/** Passes over all rows, all models together, after which the best so far is taken. */
const MOST_PASSES = 400;
/** By how much a validation loss may exceed the best before the path ends. */
const MARGIN = 1.005;
/** Where columns deviate by hardly different amounts, standardising is a matter of C. */
const EVEN_SPREAD = 1.5;
/** C times the variance of a row beyond which there is hardly a penalty. */
const MOST_KAPPA = 1e5;
const MOST_STRONGER = 3;
/** By how much the better scaling must be ahead for the other to be given up. */
const RACE_MARGIN = 0.05;
/** Scalings whose best loss is this close to the best of all are looked at more closely. */
const REFINED = 1.01;
const SEED = 0;
/** Each of three folds has a row then. */
const LEAST_HELD_OUT = 3;

/**
 * `scales`: what may be chosen. Undefined where no class has rows enough to hold one out of each fold. Rejects with
 * signal.reason.
 */
export async function choose(
  terms: FullBatchTerms,
  scales: readonly Scale[],
  kept: KeptChoice,
): Promise<Chosen | undefined> {
  const { resources, inputs, signal, rows, targets, model } = terms;
  const counts = new Uint32Array(model.classes);
  for (const row of rows) counts[targets.classes[row]!]!++;
  const held = counts.reduce((sum, count) => sum + (count < 2 ? 0 : count), 0);
  if (held < LEAST_HELD_OUT) return undefined;
  const place = (runTerms: RunTerms) => {
    const scope = resources.arena.scope();
    try {
      return new Chooser(terms, scales, scope, runTerms);
    } catch (error) {
      scope.release();
      throw error;
    }
  };
  return resources.callMemory.train([inputs.ptr], signal, place, (run) => run.run(kept));
}

export type ChoiceState = {
  /** The round that comes next. */
  readonly round: number;
  readonly tried: readonly Plain<TriedSetting>[];
  readonly candidates: readonly {
    readonly points: readonly Point[];
    readonly isOpen: boolean;
    /** The index of that point; -1: none. */
    readonly at: number;
    readonly lanes: readonly { readonly objective: ObjectiveState; readonly history: HistoryState }[];
  }[];
};

/** How a choice is kept between its rounds; `tried`: how many settings were told; `loss` of the last. */
export interface KeptChoice {
  readonly from: ChoiceState | undefined;
  point(tried: number, loss: number, state: () => Promise<ChoiceState>): Promise<void> | undefined;
}

/** A model that is trained on all folds but one. */
interface Lane {
  readonly head: Head;
  readonly objective: Objective;
  readonly history: LbfgsHistory;
  readonly heldOut: Uint32Array;
}

/** A scaling, and what was tried with it. */
interface Candidate {
  readonly scale: Scale;
  readonly lanes: readonly Lane[];
  /** C times this is comparable between scalings. */
  readonly variance: number;
  readonly points: Point[];
  isOpen: boolean;
  /** The point whose solution the lanes are at. */
  at: Point | undefined;
}

type Point = {
  /** C is 10 to this. */
  readonly exponent: number;
  readonly loss: number;
  /** Of held-out rows, fold by fold. */
  readonly rowLosses: Float64Array;
  readonly foldLosses: readonly number[];
  readonly accuracy: number;
  readonly solutions: readonly Parameters[];
  /** Lanes that were ended early, as their validation loss rose. */
  readonly ended: number;
};

class Chooser implements PlacedRun {
  readonly reserve: readonly number[] = [];
  readonly #terms: FullBatchTerms;
  readonly #scope: ArenaScope;
  readonly #problem: Problem;
  readonly #heldOutLosses: HeldOutLosses;
  readonly #candidates: readonly Candidate[];
  readonly #tried: TriedSetting[] = [];
  readonly #rows: Uint32Array;
  readonly #folds: number;

  constructor(terms: FullBatchTerms, scales: readonly Scale[], scope: ArenaScope, runTerms: RunTerms) {
    const { resources, model, inputs, targets, loss, rows, statistics, hardSignal } = terms;
    this.#terms = terms;
    this.#scope = scope;
    const { classes } = model;
    const all = targets.classes;
    const classesOf = (numbers: Uint32Array) => Int32Array.from(numbers, (row) => all[row]!);
    const size = Math.max(LEAST_SAMPLE, rows.length * SAMPLE_SHARE, SAMPLE_A_CLASS * classes);
    const sample = stratifiedSample(classesOf(rows), classes, Math.min(MOST_SAMPLE, size), SEED);
    this.#rows = sample.map((index) => rows[index]!);
    this.#folds = rows.length < FEW_ROWS ? 3 : 1;
    const folds = foldsOf(classesOf(this.#rows), classes, this.#folds === 1 ? 5 : 3, SEED);
    const variances = scaledVariances(statistics, model.featureScaling);
    const candidates = scales.length > 1 && isEven(variances) ? scales.slice(0, 1) : scales;
    const heads = candidates.length * this.#folds;
    const reserve = runTerms.reserve(this.reserve);
    const length = (model.features + 1) * classes;
    const histories = Array<readonly number[]>(heads).fill(LbfgsHistory.bytesOf(length)).flat();
    this.#problem = new Problem({
      resources,
      scope,
      model,
      inputs,
      targets,
      loss,
      rows: this.#rows,
      heads,
      reserve: [...histories, ...reserve],
      signal: hardSignal,
    });
    this.#heldOutLosses = new HeldOutLosses(terms, this.#rows, this.#problem.rowWeights, scope);
    this.#candidates = candidates.map((scale) => this.#candidate(scale, folds, variances));
  }

  #candidate(scale: Scale, folds: Int32Array, variances: Float64Array): Candidate {
    const { resources, statistics } = this.#terms;
    const isStandard = scale === 'standard';
    const scaled = isStandard ? variances.map((variance) => (variance > 0 ? 1 : 0)) : variances;
    const scaling = isStandard
      ? {
          scales: variances.map((variance) => (variance > 0 ? 1 / Math.sqrt(variance) : 1)),
          variances: scaled,
        }
      : {};
    const lanes = Array.from({ length: this.#folds }, (_, fold): Lane => {
      const parts = Float64Array.from(folds, (own) => (own === fold ? 0 : 1));
      const head = new Head(this.#problem.passes, this.#scope, this.#problem.placeRows(this.#scope, parts));
      const terms = { ...this.#problem.objectiveTerms(statistics, parts), ...scaling };
      const objective = new Objective(head, terms, 1);
      return {
        head,
        objective,
        history: new LbfgsHistory(resources, this.#scope, objective.historyTerms),
        heldOut: Uint32Array.from(folds.keys()).filter((row) => folds[row] === fold),
      };
    });
    const variance = scaled.reduce((sum, value) => sum + value, 0);
    return { scale, lanes, variance, points: [], isOpen: true, at: undefined };
  }

  async run(kept: KeptChoice): Promise<Chosen> {
    try {
      return await this.#choose(kept);
    } finally {
      this.#scope.release();
    }
  }

  async #choose(kept: KeptChoice): Promise<Chosen> {
    const candidates = this.#candidates;
    const lanes = candidates.flatMap((candidate) => candidate.lanes);
    if (kept.from === undefined) await Promise.all(lanes.map(({ objective }) => objective.begin()));
    else await this.#restore(kept.from);
    for (let round = kept.from?.round ?? 1; candidates.some(({ isOpen }) => isOpen); round++) {
      if (lanes.every(({ objective }) => objective.canBeKept)) {
        await kept.point(this.#tried.length, this.#tried.at(-1)?.loss ?? 0, () => this.#snapshot(round));
      }
      const open = candidates.filter(({ isOpen }) => isOpen);
      await Promise.all(
        open.map(async (candidate) => {
          candidate.isOpen = await this.#goOn(candidate);
        }),
      );
      if (round >= 2) this.#race();
      if (this.#passes() > MOST_PASSES) break;
    }
    const least = Math.min(...candidates.map((candidate) => bestOf(candidate).loss));
    const refined = candidates.filter((candidate) => bestOf(candidate).loss <= REFINED * least);
    // Three folds of few rows do not tell half decades apart.
    if (this.#folds === 1 && this.#passes() <= MOST_PASSES)
      await Promise.all(refined.map((candidate) => this.#refine(candidate)));
    const winner = candidates.reduce((best, candidate) =>
      bestOf(candidate).loss < bestOf(best).loss ? candidate : best,
    );
    const point = this.#terms.options.oneStandardError ? strongestNear(winner) : bestOf(winner);
    return {
      scale: winner.scale,
      C: decades(point.exponent),
      start: this.#start(winner, point),
      choice: {
        tried: this.#tried,
        folds: this.#folds,
        rows: this.#rows.length,
        passes: this.#passes(),
      },
    };
  }

  async #snapshot(round: number): Promise<ChoiceState> {
    const candidates: ChoiceState['candidates'][number][] = [];
    for (const { points, isOpen, at, lanes } of this.#candidates) {
      const states: { readonly objective: ObjectiveState; readonly history: HistoryState }[] = [];
      for (const { objective, history } of lanes) {
        states.push({ objective: await objective.snapshot(false), history: history.snapshot() });
      }
      const place = at === undefined ? -1 : points.indexOf(at);
      candidates.push({ points: [...points], isOpen, at: place, lanes: states });
    }
    return { round, tried: this.#tried.map((setting) => ({ ...setting })), candidates };
  }

  async #restore({ tried, candidates }: ChoiceState): Promise<void> {
    this.#tried.push(...tried);
    for (const [index, { points, isOpen, at, lanes }] of candidates.entries()) {
      const candidate = this.#candidates[index]!;
      candidate.points.push(...points);
      candidate.isOpen = isOpen;
      candidate.at = candidate.points[at];
      for (const [fold, { objective, history }] of lanes.entries()) {
        const lane = candidate.lanes[fold]!;
        await lane.objective.restore(objective);
        lane.history.restore(history);
      }
    }
  }

  /** The next point of a path from strong penalties to weak ones. False at its end. */
  async #goOn(candidate: Candidate): Promise<boolean> {
    const { points, variance, lanes } = candidate;
    const first = Math.round(Math.log10(1 / Math.max(variance, Number.MIN_VALUE)));
    if (points.length === 0) {
      await this.#solve(candidate, first, undefined);
      return true;
    }
    const best = bestOf(candidate);
    const weakest = points.reduce((most, point) => (point.exponent > most.exponent ? point : most));
    const strongest = points.reduce((least, point) => (point.exponent < least.exponent ? point : least));
    const hasTurned = weakest.loss > best.loss * MARGIN || weakest.ended > lanes.length / 2;
    if (weakest === best || !hasTurned) {
      if (decades(weakest.exponent + 1) * variance > MOST_KAPPA) return false;
      if (weakest.exponent - best.exponent >= 2) return false;
      await this.#solve(candidate, weakest.exponent + 1, weakest);
      return true;
    }
    if (strongest === best && first - strongest.exponent < MOST_STRONGER) {
      await this.#solve(candidate, strongest.exponent - 1, undefined);
      return true;
    }
    return false;
  }

  /** Half a decade from the best, on the side of its better neighbour. */
  async #refine(candidate: Candidate): Promise<void> {
    const best = bestOf(candidate);
    const neighbour = (by: number) =>
      candidate.points.find(({ exponent }) => exponent === best.exponent + by);
    const [up, down] = [neighbour(1), neighbour(-1)];
    const isUp = up !== undefined && up.ended === 0 && (down === undefined || up.loss < down.loss);
    await this.#solve(candidate, best.exponent + (isUp ? 0.5 : -0.5), isUp ? best : down);
  }

  /** Gives the worse scaling up where the other does better at a penalty that is no weaker. */
  #race(): void {
    const [a, b] = this.#candidates;
    if (a === undefined || b === undefined || !a.isOpen || !b.isOpen) return;
    const [better, worse] = bestOf(a).loss <= bestOf(b).loss ? [a, b] : [b, a];
    const mine = bestOf(worse);
    const limit = decades(mine.exponent) * worse.variance * 1.001;
    const fair = better.points.filter(({ exponent }) => decades(exponent) * better.variance <= limit);
    if (fair.length === 0) return;
    const best = fair.reduce((least, point) => (point.loss < least.loss ? point : least));
    const { mean, error } = pairedDifference(mine.rowLosses, best.rowLosses);
    if (mean > RACE_MARGIN * best.loss && mean > 2 * error) worse.isOpen = false;
  }

  /** Trains the candidate's models at a C, from the solutions of another point, or from none. */
  async #solve(candidate: Candidate, exponent: number, from: Point | undefined): Promise<void> {
    const { lanes, scale } = candidate;
    const { features, classes } = this.#terms.model;
    const best = candidate.points.length === 0 ? undefined : bestOf(candidate);
    const C = decades(exponent);
    let ended = 0;
    await Promise.all(
      lanes.map(async ({ objective, history, head, heldOut }, index) => {
        objective.penalty = penaltyOf(C, classes);
        if (from === undefined && best !== undefined) {
          history.clear();
          await objective.begin();
        } else if (from !== undefined && candidate.at !== from) {
          await objective.goTo(from.solutions[index]!);
        }
        let last = Number.POSITIVE_INFINITY;
        await minimizeByLbfgs(objective, history, {
          tol: objective.terms.isConvex ? TOL : TOL_OF_SLOPES,
          maxPasses: objective.passes + MOST_PASSES_A_POINT,
          onIteration: async (iteration) => {
            if (from === undefined || best === undefined || exponent <= best.exponent) return undefined;
            const loss = await this.#heldOutLosses.lossOf(head, heldOut);
            const hasTurned = iteration >= 3 && loss > last && last > best.foldLosses[index]! * MARGIN;
            last = loss;
            if (!hasTurned) return undefined;
            ended++;
            return 'stop';
          },
        });
      }),
    );
    const results = await Promise.all(
      lanes.map(({ head, heldOut }) => this.#heldOutLosses.of(head, heldOut)),
    );
    const rowLosses = Float64Array.from(results.flatMap((result) => [...result.losses]));
    const weight = results.reduce((sum, result) => sum + result.weight, 0);
    const mean = (sumOf: (result: (typeof results)[number]) => number) =>
      results.reduce((sum, result) => sum + sumOf(result), 0) / weight;
    const point: Point = {
      exponent,
      loss: mean((result) => result.loss),
      rowLosses,
      foldLosses: results.map((result) => result.loss / result.weight),
      accuracy: mean((result) => result.correct),
      solutions: lanes.map(({ objective }) => objective.point.slice(0, (features + 1) * classes)),
      ended,
    };
    candidate.points.push(point);
    candidate.at = point;
    const { error } = pairedDifference(rowLosses, undefined);
    const setting = { scale, C, loss: point.loss, standardError: error, accuracy: point.accuracy };
    this.#tried.push(setting);
    this.#terms.options.onTried?.(setting);
    // Signals and other calls.
    await setImmediate();
  }

  /** The mean of the folds' solutions, of rows as the scaling makes them. */
  #start({ lanes, scale }: Candidate, { solutions }: Point): Parameters {
    const { statistics, model } = this.#terms;
    const { classes, features } = model;
    const start = new Float64Array((features + 1) * classes);
    for (const solution of solutions) {
      for (let i = 0; i < start.length; i++) start[i]! += solution[i]! / lanes.length;
    }
    // Standardised rows are centered; others are not.
    if (scale === 'standard') return start;
    const means = scaledMeans(statistics, model.featureScaling);
    for (let i = 0; i < features * classes; i++) {
      start[features * classes + (i % classes)]! -= means[Math.floor(i / classes)]! * start[i]!;
    }
    return start;
  }

  /** Over all rows. */
  #passes(): number {
    const lanes = this.#candidates.flatMap((candidate) => candidate.lanes);
    const passes = lanes.reduce((sum, { head }) => sum + head.passes, 0);
    return (passes * this.#rows.length) / this.#terms.rows.length;
  }
}

/** Whether standardising would change little but the unit: few columns deviate by much more than others. */
function isEven(variances: Float64Array): boolean {
  const deviations = variances
    .filter((variance) => variance > 0)
    .map(Math.sqrt)
    .sort();
  if (deviations.length === 0) return true;
  const last = deviations.length - 1;
  // Of few columns the least and the greatest.
  return deviations[Math.ceil(0.9 * last)]! < EVEN_SPREAD * deviations[Math.floor(0.1 * last)]!;
}

/** 10 to a power that is a multiple of a half, as one would write it down: powers of other numbers differ between machines. */
const decades = (exponent: number): number =>
  Number(`1e${Math.floor(exponent)}`) * (Number.isInteger(exponent) ? 1 : 3.162);

/** Of equals, the one with the stronger penalty. */
const bestOf = ({ points }: Candidate): Point =>
  points.reduce((best, point) =>
    point.loss < best.loss || (point.loss === best.loss && point.exponent < best.exponent) ? point : best,
  );

/** The strongest penalty whose loss is at most a standard error of the difference above the best. */
function strongestNear(candidate: Candidate): Point {
  const best = bestOf(candidate);
  const near = candidate.points.filter(({ rowLosses }) => {
    const { mean, error } = pairedDifference(rowLosses, best.rowLosses);
    return mean <= error;
  });
  return near.reduce((strongest, point) => (point.exponent < strongest.exponent ? point : strongest), best);
}
