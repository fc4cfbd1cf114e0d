// What a job tells on its way.
import type { EpochReport } from '../training/fit-options.js';
import type { HeadReport } from '../training/many/head-report.js';
import type { SolverReport, TriedSetting } from '../training/solver/solver-options.js';

export type JobProgress =
  | { readonly kind: 'epoch'; readonly report: EpochReport }
  | { readonly kind: 'iteration'; readonly report: SolverReport }
  | { readonly kind: 'tried'; readonly report: TriedSetting }
  | { readonly kind: 'head'; readonly report: HeadReport }
  | { readonly kind: 'task'; readonly report: unknown };
