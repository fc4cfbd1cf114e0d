// What many heads that are trained together have in common, whatever their solver, and how each comes out.
import type { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import type { FeatureModel, Inputs } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { RowTargets } from '../../models/row-targets.js';
import type { ReadyValidation } from '../fit-options.js';
import type { FitResult } from '../fit-result.js';
import type { NamedClasses } from '../warnings.js';
import type { HeadProgress } from './head-report.js';
import type { KeptHeads } from './kept-heads.js';
import type { HeadPlan, RankedBy } from './many-options.js';
import type { Splits } from './splits.js';

/** What heads that are trained together have in common. */
export interface HeadsTerms {
  readonly resources: Resources;
  readonly shape: FeatureModel & NamedClasses & { readonly classes: number };
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly splits: Splits;
  /** Rows of their own to evaluate on. */
  readonly validation: ReadyValidation | undefined;
  /** How heads are compared, where their models are of no further use (comparison.ts); undefined: they are. */
  readonly comparedBy: RankedBy | undefined;
  /** Ends what can be left at any step, and waiting for memory. */
  readonly signal: Cancellation | undefined;
  /** Ends passes: see Checkpoints. */
  readonly hardSignal: Cancellation | undefined;
  readonly kept: KeptHeads;
  /** Told of epochs and iterations; must not throw. Undefined: nobody wants to know. */
  readonly onProgress: ((progress: HeadProgress) => void) | undefined;
  /** `outcome` of a head for one of the splits. What it throws ends all. */
  readonly report: (head: HeadPlan, split: number, outcome: Outcome) => void;
}

export type Outcome =
  | { readonly model: LinearModel; readonly result: FitResult }
  | { readonly error: unknown };
