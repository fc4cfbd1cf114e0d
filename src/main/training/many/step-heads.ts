// Training step by step for many heads on the same rows. Heads whose steps have the same rows share them (rows/shared-rows.ts);
// others are trained side by side.
import { SoftshardError } from '../../../errors.js';
import { allGatherValues, withOthers } from '../../distributed/together.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { PlacedRun, RunTerms } from '../../memory/call-memory.js';
import { type LinearModel, zeroModel } from '../../models/linear-model.js';
import { usesBlas } from '../../plans/tiles.js';
import { planTraining } from '../../plans/training.js';
import { warnOfSteps } from '../checkpoint/rank-agreement.js';
import { concernsAll } from '../concerns-all.js';
import { FIT_LOSS_OPTION_NAMES } from '../fit-loss.js';
import { type EpochReport, type EpochSpan, FIT_OPTION_NAMES } from '../fit-options.js';
import { SharedRows } from '../rows/shared-rows.js';
import type { StepsState } from '../steps-state.js';
import { TrainingRun, train } from '../trainer.js';
import type { HeadsTerms, Outcome } from './heads.js';
import type { HeadPlan } from './many-options.js';
import { groupedBy } from './ranking.js';

/** What decides which rows a step has, and what they weigh. Heads may differ in everything else. */
const STEP_OPTIONS: readonly string[] = ['epochs', 'batchSize', 'shuffle', 'seed', ...FIT_LOSS_OPTION_NAMES];

const HEAD_OPTIONS: readonly string[] = FIT_OPTION_NAMES.filter((name) => !STEP_OPTIONS.includes(name));

/** A head between two spans of its epochs. */
export interface HeadState {
  readonly model: LinearModel;
  readonly span: EpochSpan;
}

/** Where a head of a split goes on from, and up to which epoch; undefined: from zero to its end. */
export type StateOf = (head: HeadPlan, split: number) => HeadState | undefined;

/** Rejects with signal.reason. */
export async function trainStepHeads(
  terms: HeadsTerms,
  heads: readonly HeadPlan[],
  stateOf: StateOf,
): Promise<void> {
  warnOfSteps(terms.resources.transport);
  for (const split of terms.splits.keys()) {
    const left = heads.filter((head) => !terms.kept.isDone(head, split));
    const parts = groupedBy(left, HEAD_OPTIONS)
      .flatMap((group) => groupedByPosition(terms, group, split))
      .flatMap((group) => partsOf(terms, group, left.length));
    const begin = (part: Part) => trainPart({ ...terms, stateOf }, part, split);
    if (withOthers(terms.resources.transport) !== undefined) {
      // Which of several are at work at a time depends on memory, and is to be the same on all ranks.
      for (const part of parts) await begin(part);
      continue;
    }
    const ends = await Promise.allSettled(parts.map(begin));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}

interface StepTerms extends HeadsTerms {
  readonly stateOf: StateOf;
}

/** Heads that go on from the same step: only these have the same rows in their steps. */
function groupedByPosition(
  { kept }: HeadsTerms,
  heads: readonly HeadPlan[],
  split: number,
): readonly (readonly HeadPlan[])[] {
  const groups = new Map<string, HeadPlan[]>();
  for (const head of heads) {
    const from = kept.from(head, split) as StepsState | undefined;
    const position = `${from?.epoch} ${from?.losses.length}`;
    groups.set(position, [...(groups.get(position) ?? []), head]);
  }
  return [...groups.values()];
}

/** Heads that share their rows, and the most threads that work on them. */
interface Part {
  readonly heads: readonly HeadPlan[];
  readonly members: number;
}

/** So many heads a thread keep all threads at work till the end, or nearly so. */
const HEADS_A_THREAD = 2;

/**
 * Where there are enough heads for all threads, each thread has heads of its own: nobody waits for others at the ends of steps.
 * Few heads, or large ones, which would each need much memory, are shared out as a fit is.
 */
function partsOf(
  { resources, shape, splits }: HeadsTerms,
  group: readonly HeadPlan[],
  allHeads: number,
): readonly Part[] {
  const { threads } = resources.pool;
  const [{ checked }] = group as readonly [HeadPlan];
  const { features, classes } = shape;
  const [{ training }] = splits;
  const step = { rows: training.length, batchSize: checked.batchSize, features, classes };
  const isSmall = planTraining({ ...step, blas: usesBlas(resources, shape) }).by === 'data-parallel';
  const areShared = withOthers(resources.transport) !== undefined;
  if (!isSmall || areShared || allHeads < HEADS_A_THREAD * threads) {
    return [{ heads: group, members: threads }];
  }
  const size = Math.ceil(allHeads / threads);
  const count = Math.ceil(group.length / size);
  return Array.from({ length: count }, (_, part) => ({
    heads: group.filter((_, index) => index % count === part),
    members: 1,
  }));
}

/** Fewer at a time where they do not all fit the arena. */
async function trainPart(terms: StepTerms, part: Part, split: number): Promise<void> {
  const { heads, members } = part;
  const [head] = heads;
  if (head === undefined) return;
  const { resources, inputs, targets, signal } = terms;
  if (heads.length === 1) {
    const { model, options } = fitOf(terms, head, split, false);
    const run = train(resources, model, inputs, targets, head.loss, options);
    terms.report(head, split, await outcomeOf(terms, model, run));
    return;
  }
  const held = [inputs.ptr, targets.softTargets?.ptr, targets.mask?.ptr];
  const place = (runTerms: RunTerms) => new StepHeads(terms, part, split, runTerms);
  try {
    await resources.callMemory.train(held, signal, place, (run) => run.run());
  } catch (error) {
    if (!(error instanceof TooManyHeads)) throw error;
    if (!error.isAgreed) await checkRoom(terms, false).catch(() => {});
    const half = Math.ceil(heads.length / 2);
    await trainPart(terms, { heads: heads.slice(0, half), members }, split);
    await trainPart(terms, { heads: heads.slice(half), members }, split);
  }
}

/** There is no room for all of them at once. */
class TooManyHeads extends Error {
  /** All ranks know it. */
  isAgreed = false;
}

/** Throws TooManyHeads where any of the ranks has no room. */
async function checkRoom({ resources }: HeadsTerms, hasRoom: boolean): Promise<void> {
  const transport = withOthers(resources.transport);
  if (transport === undefined) return;
  const all = await allGatherValues(transport, hasRoom);
  if (all.every(Boolean)) return;
  const error = new TooManyHeads();
  error.isAgreed = true;
  throw error;
}

/** A run, or why there is none. */
interface Member {
  readonly head: HeadPlan;
  readonly model: LinearModel;
  readonly run: TrainingRun | SoftshardError;
}

class StepHeads implements PlacedRun {
  readonly reserve: readonly number[];
  readonly #terms: StepTerms;
  readonly #split: number;
  /** Of what all share. */
  readonly #scope: ArenaScope;
  /** Of the heads. */
  readonly #scopes: readonly ArenaScope[];
  readonly #members: readonly Member[];

  constructor(terms: StepTerms, { heads, members }: Part, split: number, runTerms: RunTerms) {
    const { arena } = terms.resources;
    this.#terms = terms;
    this.#split = split;
    this.#scope = arena.scope();
    const shared = new SharedRows(arena, this.#scope, members);
    // Several short epochs are taken at a time unless somebody looks at their ends: all heads must agree.
    const isWatched = heads.some(
      ({ checked }) => checked.earlyStopping !== undefined || checked.schedule.kind === 'reduce-on-plateau',
    );
    const scopes: ArenaScope[] = [];
    this.#scopes = scopes;
    try {
      this.#members = heads.map((head) => {
        const scope = arena.scope();
        scopes.push(scope);
        return this.#place(head, isWatched, scope, shared, runTerms);
      });
    } catch (error) {
      this.#release();
      throw error;
    }
    const [first] = this.#members.flatMap(({ run }) => (run instanceof TrainingRun ? [run.reserve] : []));
    this.reserve = first ?? [];
  }

  /** Frees its memory at the end. Throws TooManyHeads. */
  async run(): Promise<void> {
    const { report } = this.#terms;
    try {
      await checkRoom(this.#terms, true);
      const ends = await Promise.allSettled(
        this.#members.map(async ({ head, model, run }) => {
          const result = run instanceof TrainingRun ? run.run() : Promise.reject(run);
          report(head, this.#split, await outcomeOf(this.#terms, model, result));
        }),
      );
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    } finally {
      this.#release();
    }
  }

  /** A scope that is released already has nothing left. */
  #release(): void {
    for (const scope of this.#scopes) scope.release();
    this.#scope.release();
  }

  #place(head: HeadPlan, isWatched: boolean, scope: ArenaScope, shared: SharedRows, terms: RunTerms): Member {
    const { resources, inputs, targets } = this.#terms;
    const { model, options: own } = fitOf(this.#terms, head, this.#split, true);
    const options = isWatched ? { ...own, onEpochEnd: own.onEpochEnd ?? (() => {}) } : own;
    const memory = { resources, scope, terms, shared };
    try {
      return { head, model, run: new TrainingRun(memory, model, inputs, targets, head.loss, options) };
    } catch (error) {
      if (!(error instanceof SoftshardError)) throw error;
      // Alone, each might fit; others that hold memory are not worth waiting for.
      if (error.code === 'ERR_ARENA_FULL') throw new TooManyHeads();
      scope.release();
      return { head, model, run: error };
    }
  }
}

function fitOf(
  { shape, splits, validation, signal, stateOf, kept: heads, onProgress }: StepTerms,
  head: HeadPlan,
  split: number,
  isShared: boolean,
) {
  const { model = zeroModel(shape), span } = stateOf(head, split) ?? {};
  const from = heads.from(head, split) as StepsState | undefined;
  const kept = { enter: () => heads.enter(head, split), isShared, from };
  const own = { validationSplit: 0, split: splits[split] ?? splits[0], validation, signal, kept };
  const onEpochEnd =
    onProgress &&
    ((epoch: EpochReport) => onProgress({ head: head.index, part: split, epoch, solver: undefined }));
  return { model, options: { ...head.checked, ...own, onEpochEnd, ...(span && { span }) } };
}

async function outcomeOf(
  { signal, resources }: HeadsTerms,
  model: LinearModel,
  run: ReturnType<typeof train>,
): Promise<Outcome> {
  try {
    return { model, result: await run };
  } catch (error) {
    if (signal?.aborted || concernsAll(error, resources)) throw error;
    return { error };
  }
}
