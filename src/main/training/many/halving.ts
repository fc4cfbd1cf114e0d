// Successive halving (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016): all
// heads are trained for a few epochs, the best part of them goes on, until the last have all their epochs.

import { zeroModel } from '../../models/linear-model.js';
import { OptimizerMemory } from '../optimizer-memory.js';
import type { HeadReport } from './head-report.js';
import type { HeadsTerms } from './heads.js';
import type { CheckedManyOptions, HeadPlan } from './many-options.js';
import { ranked } from './ranking.js';
import type { HeadState, StateOf } from './step-heads.js';

/** The epoch after which heads are dropped, and how many of those then left go on. */
export interface Rung {
  readonly epoch: number;
  readonly keep: number;
}

/**
 * From few epochs to all, each time `eta` times as many for 1 / eta of the heads, rounded down; the last rung drops none. As many
 * rungs as leave a head for the last and an epoch for the first.
 */
export function rungsOf(heads: number, epochs: number, eta: number): readonly Rung[] {
  const counts = [heads];
  const ends = [epochs];
  for (let [left, first] = [heads, epochs]; left >= eta && first >= eta; ) {
    [left, first] = [Math.floor(left / eta), Math.floor(first / eta)];
    counts.push(left);
    ends.unshift(first);
  }
  return ends.map((epoch, index) => ({ epoch, keep: counts[index + 1] ?? counts[index] ?? heads }));
}

const copyOf = ({ model, span }: HeadState) => ({
  weights: model.weights.slice(),
  bias: model.bias.slice(),
  optimizer: span.optimizer.snapshot(),
  reports: span.reports.map((report) => ({ ...report })),
});

/** What heads have between two rungs. */
export class RungStates {
  readonly #shape: HeadsTerms['shape'];
  /** Of each head, by split. */
  readonly #states = new Map<HeadPlan, HeadState[]>();
  /** With what they have begun the present rung. */
  readonly #begun = new Map<HeadPlan, ReturnType<typeof copyOf>[]>();

  constructor(shape: HeadsTerms['shape']) {
    this.#shape = shape;
  }

  /** Of heads that are to be trained up to an epoch. */
  upTo(last: number): StateOf {
    this.#begun.clear();
    return (head, split) => {
      const states = this.#states.get(head) ?? [];
      this.#states.set(head, states);
      const before = states[split];
      const reports = before?.span.reports ?? [];
      const optimizer = before?.span.optimizer ?? new OptimizerMemory();
      const span = { first: reports.length + 1, last, optimizer, reports };
      const state = { model: before?.model ?? zeroModel(this.#shape), span };
      states[split] = state;
      const begun = this.#begun.get(head) ?? [];
      this.#begun.set(head, begun);
      begun[split] ??= copyOf(state);
      return state;
    };
  }

  /** Of heads that are not done with the rung, what they began it with: what they have since is theirs to keep. */
  snapshot(isDone: (head: HeadPlan, split: number) => boolean) {
    return [...this.#states].flatMap(([head, states]) =>
      states.map((state, split) => {
        const begun = isDone(head, split) ? undefined : this.#begun.get(head)?.[split];
        return { head: head.index, split, ...(begun ?? copyOf(state)) };
      }),
    );
  }

  restore(heads: readonly HeadPlan[], states: ReturnType<RungStates['snapshot']>): void {
    for (const { head, split, weights, bias, optimizer: vectors, reports } of states) {
      const plan = heads.find(({ index }) => index === head);
      if (plan === undefined) continue;
      const own = this.#states.get(plan) ?? [];
      this.#states.set(plan, own);
      const optimizer = new OptimizerMemory();
      optimizer.restore(vectors);
      const model = { ...zeroModel(this.#shape), weights: weights.slice(), bias: bias.slice() };
      own[split] = { model, span: { first: 1, last: reports.length, optimizer, reports: [...reports] } };
    }
  }

  drop(head: HeadPlan): void {
    this.#states.delete(head);
  }
}

/** The numbers of the heads that go on: of equals those that were given first; none that has failed. */
export function survivorsOf(
  reports: readonly HeadReport[],
  keep: number,
  ranking: Pick<CheckedManyOptions, 'rankBy'>,
): ReadonlySet<number> {
  return new Set(
    ranked(reports, ranking)
      .slice(0, keep)
      .map(({ head }) => head),
  );
}
