// Full-batch solvers for many heads on the same rows: all that are at work read the rows together, each for itself. What does not
// fit the arena at once takes turns; no bit depends on who is at work beside a head.
import { Cancellation } from '../../cancellation.js';
import { allGatherValues, withOthers } from '../../distributed/together.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { PlacedRun, RunTerms } from '../../memory/call-memory.js';
import { type ColumnStatistics, scalingOf } from '../../models/column-statistics.js';
import { isPlainLoss } from '../../models/evaluate-model.js';
import { evaluationBytes, type LinearModel, zeroModel } from '../../models/linear-model.js';
import { IGNORED, weightSumOf } from '../../models/row-targets.js';
import type { CheckpointPart } from '../checkpoint/checkpoints.js';
import { countClasses } from '../class-counts.js';
import { concernsAll } from '../concerns-all.js';
import { type FitLoss, withClassWeights } from '../fit-loss.js';
import { rowsWithout } from '../rows/folds.js';
import { nothingToTrainOn } from '../rows/row-order.js';
import { columnStatistics } from '../solver/column-statistics.js';
import { fullBatchFitResult, scalesFor } from '../solver/fit-full-batch.js';
import { FullBatchHead, type FullBatchHeadState, type KeptHead } from '../solver/full-batch-head.js';
import type { Head } from '../solver/head.js';
import { HeldOutLosses } from '../solver/held-out.js';
import { predictionsOf } from '../solver/kept-predictions.js';
import { LbfgsHistory } from '../solver/lbfgs-history.js';
import type { HeadRows } from '../solver/passes.js';
import { Problem } from '../solver/problem.js';
import type { CheckedSolverOptions, Scale } from '../solver/solver-options.js';
import { type ValidationResult, validateApart, validateInWindows } from '../validation.js';
import { COMPARED_TOL, mayTurn, PathTurn } from './comparison.js';
import type { HeadsTerms, Outcome } from './heads.js';
import type { HeadPlan } from './many-options.js';
import type { Splits } from './splits.js';

/** Options that heads of one problem may differ in. */
export const FULL_BATCH_HEAD_OPTIONS: readonly string[] = ['C', 'l2', 'l1', 'tol', 'maxPasses', 'weight'];

/** Of the arena, what is left free for other calls where heads could take all of it. */
const CALLS_SHARE = 1 / 8;

/** `chains`: heads to be solved one after the other, each from the solution before it. Rejects with signal.reason. */
export async function trainFullBatchHeads(
  terms: HeadsTerms,
  chains: readonly (readonly HeadPlan[])[],
): Promise<void> {
  const { resources, shape, inputs, targets, splits, signal } = terms;
  const lanes = lanesOf(terms, chains);
  if (lanes.length === 0) return;
  const [split] = splits;
  const [options] = chains.flatMap((chain) => chain.flatMap(({ checked }) => checked.fullBatch ?? []));
  if (options === undefined) return;
  const counts = (row: number) => targets.classes[row] !== IGNORED && targets.sampleWeight?.[row] !== 0;
  const all = splits.length === 1 ? split.training : Uint32Array.from(targets.classes.keys());
  const rows = all.filter(counts);
  if (rows.length === 0) throw nothingToTrainOn(inputs.rows, split.validation.length);
  const statistics = await columnStatistics(resources, inputs, rows);
  signal?.throwIfAborted();
  const [scale = 'none'] = scalesFor(shape, options);
  const featureScaling = scale === 'standard' ? scalingOf(statistics) : shape.featureScaling;
  const setup = { terms, rows, statistics, scale, zero: zeroModel({ ...shape, featureScaling }) };
  const place = (runTerms: RunTerms) => {
    const scope = resources.arena.scope();
    try {
      return new FullBatchHeads(setup, lanes, scope, runTerms);
    } catch (error) {
      scope.release();
      throw error;
    }
  };
  await resources.callMemory.train([inputs.ptr], signal, place, (run) => run.run());
}

interface Setup {
  readonly terms: HeadsTerms;
  /** Those that count, of all splits. */
  readonly rows: Uint32Array;
  readonly statistics: ColumnStatistics;
  readonly scale: Scale;
  /** The model that heads begin with. */
  readonly zero: LinearModel;
}

/** Heads that are solved one after the other for one split. */
interface Chain {
  /** The first of all, which names it. */
  readonly first: HeadPlan;
  /** Those that are left. */
  readonly heads: readonly HeadPlan[];
  readonly split: number;
  readonly from: LaneState | undefined;
}

type LaneState = {
  /** The number of the head that is solved. */
  readonly at: number;
  readonly head: FullBatchHeadState;
  readonly turn: ReturnType<PathTurn['snapshot']> | undefined;
};

/** Without those that are done. */
const lanesOf = ({ splits, kept }: HeadsTerms, chains: readonly (readonly HeadPlan[])[]): readonly Chain[] =>
  splits.flatMap((_, split) =>
    chains.flatMap((heads): Chain[] => {
      const [first] = heads;
      if (first === undefined || heads.every((head) => kept.isDone(head, split))) return [];
      const from = kept.from(first, split) as LaneState | undefined;
      // Each goes on from the one before it: without a state, all are solved anew.
      const begin = from === undefined ? 0 : heads.findIndex(({ index }) => index === from.at);
      return [{ first, heads: heads.slice(begin), split, from }];
    }),
  );

interface Lane extends Chain {
  readonly loss: FitLoss;
  /** Numbers of the rows that it is trained on. */
  readonly rows: Uint32Array;
}

/** A lane that has its memory. */
interface OpenLane extends Lane {
  readonly scope: ArenaScope;
  readonly head: FullBatchHead;
  /** Of several splits. */
  readonly heldOut: HeldOut | undefined;
}

interface HeldOut {
  /** Positions among the rows of the problem. */
  readonly positions: Uint32Array;
  readonly rows: HeadRows;
  readonly weightSum: number;
  /** Of a path whose losses may turn. */
  readonly turn: PathTurn | undefined;
}

class FullBatchHeads implements PlacedRun {
  readonly reserve: readonly number[];
  readonly #setup: Setup;
  readonly #scope: ArenaScope;
  readonly #problem: Problem;
  readonly #waiting: Lane[];
  readonly #open = new Set<OpenLane>();
  /** Of one lane, in bytes. */
  readonly #laneBytes: readonly number[];
  readonly #running = new Set<Promise<void>>();
  /** With several ranks, as many as they have agreed on are open at a time. */
  #lanes: number | undefined;
  /** The caller's, or because a lane has failed in a way that concerns all. */
  readonly #stop = new Cancellation();

  constructor(setup: Setup, lanes: readonly Chain[], scope: ArenaScope, runTerms: RunTerms) {
    const { terms, rows, zero } = setup;
    const { resources, inputs, targets, splits } = terms;
    this.#setup = setup;
    this.#scope = scope;
    this.#waiting = lanes.map((chain) => this.#lane(chain));
    this.reserve = this.#validationBytes();
    const [first] = this.#waiting;
    if (first === undefined) throw new Error('no heads');
    const { features, classes } = zero;
    const heldOutBytes =
      splits.length > 1
        ? [...Problem.rowBytes(rows.length, classes), ...HeldOutLosses.bytesOf(mostHeldOut(splits), classes)]
        : [];
    const historyBytes = LbfgsHistory.bytesOf((features + 1) * classes);
    this.#problem = new Problem({
      resources,
      scope,
      model: zero,
      inputs,
      targets,
      loss: first.loss,
      rows,
      heads: 1,
      reserve: [...historyBytes, ...heldOutBytes, ...runTerms.reserve(this.reserve)],
      signal: this.#stop,
    });
    this.#laneBytes = [...FullBatchHead.bytesOf(this.#problem, zero), ...heldOutBytes];
    try {
      this.#openLanes();
    } catch (error) {
      this.#releaseLanes();
      throw error;
    }
  }

  /** Frees its memory at the end. */
  async run(): Promise<void> {
    const { signal, hardSignal, kept } = this.#setup.terms;
    const onAbort = () => this.#stop.abort(hardSignal?.reason);
    hardSignal?.addListener(onAbort);
    try {
      await this.#agreeOnLanes();
      for (;;) {
        for (const lane of this.#open) this.#start(lane);
        if (this.#running.size === 0) break;
        await Promise.race(this.#running);
        if (!this.#stop.aborted && !kept.isStopping) this.#openLanes();
      }
      this.#stop.throwIfAborted();
      signal?.throwIfAborted();
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    } finally {
      // Memory must not be freed while somebody computes on it.
      await Promise.allSettled(this.#running);
      hardSignal?.removeListener(onAbort);
      this.#releaseLanes();
      this.#scope.release();
    }
  }

  #lane(chain: Chain): Lane {
    const { heads, split } = chain;
    const { terms, rows: all } = this.#setup;
    const { targets, shape, splits } = terms;
    const [head] = heads;
    if (head === undefined) throw new Error('a lane without heads');
    const rows = splits.length === 1 ? all : rowsWithout(all, splits[split]?.validation ?? new Uint32Array());
    const loss = withClassWeights(head.loss, targets, rows, shape.classes);
    return { ...chain, loss, rows };
  }

  /** Of rows that are not held out in what heads keep. */
  #validationBytes(): readonly number[] {
    const { terms, zero } = this.#setup;
    const { resources, inputs, targets, splits, validation } = terms;
    const [{ validation: heldOut }] = splits;
    const general = this.#waiting.some(({ loss }) => !isPlainLoss(loss, targets));
    const rows = validation === undefined ? heldOut.length : inputs.rows;
    return splits.length > 1 || rows === 0 ? [] : evaluationBytes(resources, zero, inputs, rows, general);
  }

  /** Ranks have the same lanes open, though their memory differs. */
  async #agreeOnLanes(): Promise<void> {
    const transport = withOthers(this.#setup.terms.resources.transport);
    if (transport === undefined) return;
    this.#lanes = Math.min(...(await allGatherValues(transport, this.#open.size)));
    for (const lane of [...this.#open].slice(this.#lanes).reverse()) {
      this.#open.delete(lane);
      lane.scope.release();
      this.#waiting.unshift(lane);
    }
  }

  /** As many of those that wait as fit. */
  #openLanes(): void {
    const { arena } = this.#setup.terms.resources;
    const free = [...this.#laneBytes, ...this.reserve, arena.limitBytes * CALLS_SHARE];
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const open = this.#open.size + this.#running.size;
      // One that has ended leaves its memory to the next.
      const hasRoom = this.#lanes === undefined ? arena.hasRoomFor(free) : open < this.#lanes;
      if (open > 0 && !hasRoom) return;
      this.#open.add(this.#openLane(next));
      this.#waiting.shift();
    }
  }

  #openLane(lane: Lane): OpenLane {
    const { terms, rows, statistics, zero } = this.#setup;
    const { resources, targets, splits } = terms;
    const scope = resources.arena.scope();
    const name = `head ${lane.first.index} of split ${lane.split}`;
    try {
      if (splits.length === 1) {
        const headTerms = { resources, problem: this.#problem, name, model: zero, statistics, targets };
        return {
          ...lane,
          scope,
          head: new FullBatchHead({ ...headTerms, ...lane }, scope),
          heldOut: undefined,
        };
      }
      const isHeldOut = new Uint8Array(targets.rows);
      for (const row of splits[lane.split]?.validation ?? []) isHeldOut[row] = 1;
      const held = Float32Array.from(rows, (row) => isHeldOut[row]!);
      const parts = held.map((share) => 1 - share);
      const headTerms = { resources, problem: this.#problem, name, model: zero, statistics, targets, parts };
      const head = new FullBatchHead({ ...headTerms, ...lane }, scope);
      const positions = Uint32Array.from(held.keys()).filter((position) => held[position] === 1);
      const heldOut: HeldOut = {
        positions,
        turn: this.#turnOf(lane, head.head, positions, scope),
        rows: this.#problem.placeRows(scope, held, lane.loss),
        weightSum: weightSumOf(
          targets,
          lane.loss.weight,
          positions.map((position) => rows[position]!),
        ),
      };
      return { ...lane, scope, head, heldOut };
    } catch (error) {
      scope.release();
      throw error;
    }
  }

  #turnOf(
    { heads, loss }: Lane,
    head: Head,
    positions: Uint32Array,
    scope: ArenaScope,
  ): PathTurn | undefined {
    const { terms, rows, zero: model } = this.#setup;
    const { resources, targets, comparedBy } = terms;
    const isGiven = heads.some(({ options }) => options.tol !== undefined);
    if (comparedBy === undefined || heads.length === 1 || isGiven || !mayTurn(comparedBy, loss))
      return undefined;
    const lossTerms = { resources, model, targets, loss };
    const { rowWeights } = this.#problem;
    return new PathTurn(
      new HeldOutLosses(lossTerms, rows, rowWeights, scope, positions.length),
      head,
      positions,
    );
  }

  #releaseLanes(): void {
    for (const { scope } of this.#open) scope.release();
    this.#open.clear();
  }

  #start(lane: OpenLane): void {
    this.#open.delete(lane);
    const running = this.#runLane(lane)
      .catch((error: unknown) => this.#stop.abort(error))
      .finally(() => {
        lane.scope.release();
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  async #runLane(lane: OpenLane): Promise<void> {
    const part = this.#setup.terms.kept.enter(lane.first, lane.split);
    try {
      await this.#solveLane(lane, part);
      // Its end takes different times on different ranks, and what comes next is to be the same on all.
      await part.meet(0);
    } catch (error) {
      part.fail(error);
      throw error;
    } finally {
      part.leave();
    }
  }

  async #solveLane(lane: OpenLane, part: CheckpointPart): Promise<void> {
    const { terms, zero } = this.#setup;
    const { head, heads, split, from, heldOut } = lane;
    if (from === undefined) await head.begin(zero, this.#solverOf(heads[0]!));
    else if (from.turn !== undefined) heldOut?.turn?.restore(from.turn);
    for (const plan of heads) {
      let outcome: Outcome;
      try {
        outcome = await this.#solve(lane, plan, part);
      } catch (error) {
        if (this.#stop.aborted || terms.signal?.aborted || concernsAll(error, terms.resources)) throw error;
        outcome = { error };
      }
      terms.report(plan, split, outcome);
    }
  }

  #keptHead({ from, heldOut }: OpenLane, { index }: HeadPlan, part: CheckpointPart): KeptHead {
    return {
      from: from?.at === index ? from.head : undefined,
      get isDue() {
        return part.isDue;
      },
      meet: (objective) => part.meet(objective),
      point: (_, objective, head) =>
        part.point(async () => {
          const state: LaneState = { at: index, head: await head(), turn: heldOut?.turn?.snapshot() };
          return { position: { stage: 'solver' }, state };
        }, objective),
    };
  }

  async #solve(lane: OpenLane, plan: HeadPlan, part: CheckpointPart): Promise<Outcome> {
    const { zero, scale } = this.#setup;
    const solver = { ...this.#solverOf(plan), onProgress: this.#progressOf(lane, plan) };
    const model = zeroModel(zero);
    const turn = lane.heldOut?.turn;
    const isWorse = async (iteration: number) => (await turn?.isWorse(iteration)) === true;
    const trained = await lane.head.solve(solver, model, isWorse, this.#keptHead(lane, plan, part));
    await turn?.add();
    const evaluation =
      lane.heldOut === undefined ? await this.#validate(lane, model) : await this.#look(lane, lane.heldOut);
    const { terms, statistics } = this.#setup;
    const { targets, shape } = terms;
    const solved = {
      result: trained,
      options: solver,
      model: { ...model, classNames: shape.classNames },
      targets,
      loss: lane.loss,
      rows: lane.rows,
      variances: statistics.variances,
      chosen: undefined,
    };
    return { model, result: fullBatchFitResult(solved, scale, evaluation) };
  }

  #progressOf({ split }: Lane, { index }: HeadPlan): CheckedSolverOptions['onProgress'] {
    const { onProgress } = this.#setup.terms;
    return onProgress && ((solver) => onProgress({ head: index, part: split, epoch: undefined, solver }));
  }

  #solverOf({ checked, options }: HeadPlan): CheckedSolverOptions {
    const { fullBatch } = checked;
    if (fullBatch === undefined) throw new Error('a head without a full-batch solver');
    const isCompared = this.#setup.terms.comparedBy !== undefined && options.tol === undefined;
    return isCompared ? { ...fullBatch, tol: COMPARED_TOL } : fullBatch;
  }

  /** On rows that the problem does not have. */
  async #validate({ loss }: Lane, model: LinearModel): Promise<ValidationResult | undefined> {
    const { resources, inputs, targets, splits, validation } = this.#setup.terms;
    const [{ validation: heldOut }] = splits;
    if (validation === undefined) {
      if (heldOut.length === 0) return undefined;
      return validateInWindows(resources, model, loss, targets, inputs, heldOut)(this.#stop);
    }
    const scope = resources.arena.scope();
    try {
      return await validateApart(resources, scope, model, loss, validation, this.#stop).validate(this.#stop);
    } finally {
      scope.release();
    }
  }

  /** On held-out rows, whose logits the head keeps too. */
  async #look({ head }: OpenLane, { positions, rows, weightSum }: HeldOut): Promise<ValidationResult> {
    const { terms, rows: all } = this.#setup;
    const { targets, shape } = terms;
    const { classes } = shape;
    const { loss } = await head.head.run({ name: 'look', step: 0, extend: undefined }, { rows });
    const predicted = await predictionsOf(head.head, positions, classes);
    let correct = 0;
    for (const [i, position] of positions.entries()) {
      if (predicted[i] === targets.classes[all[position]!]) correct++;
    }
    const rowNumbers = positions.map((position) => all[position]!);
    const counts = countClasses(targets, rowNumbers, classes);
    // What is predicted of the rows trained on says more.
    return { loss: loss / weightSum, accuracy: correct / positions.length, prediction: undefined, counts };
  }
}

const mostHeldOut = (splits: Splits): number =>
  splits.reduce((most, { validation }) => Math.max(most, validation.length), 0);
