// Which full-batch heads are solved one after the other, each from the solution before it.
import type { HeadOptions } from './head-options.js';
import type { HeadPlan } from './many-options.js';
import { groupedBy } from './ranking.js';

/** Options that heads of one path may differ in. */
const PATH_OPTIONS: readonly string[] = ['C', 'l2', 'l1'];

/** From strong penalties to weak ones; those that are given in other units are another path. */
export function pathsOf(heads: readonly HeadPlan[]): readonly (readonly HeadPlan[])[] {
  const paths = (own: readonly HeadPlan[], weakness: (options: HeadOptions) => number) =>
    groupedBy(own, PATH_OPTIONS).map((path) =>
      [...path].sort((a, b) => weakness(a.options) - weakness(b.options)),
    );
  return [
    ...paths(
      heads.filter(({ options }) => options.C !== undefined),
      ({ C = 0 }) => C,
    ),
    ...paths(
      heads.filter(({ options }) => options.C === undefined),
      ({ l2 = 0, l1 = 0 }) => -l1 - l2,
    ),
  ];
}
