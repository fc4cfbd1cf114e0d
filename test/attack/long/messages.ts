// What the processes of a long run say to each other.
import type { Failure, Outcome, Range } from '../attack.js';

export interface Order {
  readonly attack: string;
  readonly range: Range;
  /** One case at a time, each told as it begins and ends: for those during which the process may end. */
  readonly careful: boolean;
}

export interface Counted {
  /** How often each outcome came. */
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly failures: readonly Failure[];
}

export type News =
  | { readonly kind: 'begun'; readonly seed: number }
  | ({ readonly kind: 'counted' } & Counted)
  | { readonly kind: 'done' };
