// The options of sweep: what they ask for, found to be wrong before any file is read; and the models that they are.

import type { Training } from '../index.js';
import { type EngineFlags, given, type ReportFlags } from './command-options.js';
import type { LabeledRows, Scale } from './dataset.js';
import { UsageError } from './failures.js';
import { type Combination, combinationsOf, type GridValues } from './grid.js';
import { checkHeldOutFiles, type ValidationFlags } from './held-out-options.js';
import type { ModelLossFlags } from './model-loss.js';
import type { RunFlags } from './run-options.js';
import { isFullBatch, type SolverFlags } from './solver-training.js';
import { checkStepFlags, type StepFlags } from './train-options.js';
import type { TrainingRowFlags } from './training-rows.js';

export interface SweepFlags
  extends TrainingRowFlags,
    EngineFlags,
    ReportFlags,
    RunFlags,
    ValidationFlags,
    Pick<ModelLossFlags, 'sampleWeight' | 'mask'> {
  cv?: number;
  splitSeed: number;
  rankBy: Training.RankedBy;
  oneStandardError?: true;
  path: boolean;
  halving?: number;
  count: number;
  output?: string;
  tensorboard?: string;
  scale?: GridValues;
}

/** scikit-learn's, of LogisticRegressionCV. */
const DEFAULT_C = [1e-4, 1e4] as const;
const DEFAULT_FOLDS = 5;

export type HeadFlags = SolverFlags & StepFlags & ModelLossFlags & { readonly scale?: Scale };

/** A head by its flags. */
export interface PlannedHead {
  readonly combination: Combination;
  readonly flags: HeadFlags;
}

export interface Plan {
  /** Names of the options that differ. */
  readonly varied: readonly string[];
  readonly heads: readonly PlannedHead[];
  /** What the classifiers have; undefined: it differs from head to head. */
  readonly scale: Scale | undefined;
  /** Neither penalty nor scaling is given: as with train, both are compared, unless rows are bytes. */
  readonly choosesScale: boolean;
}

/** Finds contradicting options before any file is read. */
export function planHeads(flags: SweepFlags): Plan {
  const { validationData, validationSplit, cv, count } = flags;
  checkHeldOutFiles(flags);
  if (cv !== undefined && (validationSplit ?? validationData) !== undefined) {
    throw new UsageError('--cv holds rows out by itself: leave --validation-split and --validation-data out');
  }
  if (flags.oneStandardError && (validationSplit ?? validationData) !== undefined) {
    throw new UsageError('--one-standard-error needs the parts of --cv: leave the other validation out');
  }
  const first = combinationsOf({ ...flags }, count);
  if (first.combinations.some(({ C }) => C === 'auto')) {
    throw new UsageError(
      '--C auto is for train, which chooses by itself: name values or a range, 0.001..100 say',
    );
  }
  const isUnpenalised = first.combinations.some((combination) => {
    const own = headFlags(flags, combination);
    return isFullBatch(own) && own.C === undefined && own.l2 === undefined && own.l1 === undefined;
  });
  const range = (many: number): readonly number[] =>
    Array.from({ length: many }, (_, index) =>
      Number(
        (DEFAULT_C[0] * (DEFAULT_C[1] / DEFAULT_C[0]) ** (many === 1 ? 0 : index / (many - 1))).toPrecision(
          6,
        ),
      ),
    );
  const { varied, combinations } = isUnpenalised ? combinationsOf({ ...flags, C: range }, count) : first;
  const heads = combinations.map((combination) => ({ combination, flags: headFlags(flags, combination) }));
  for (const { flags: own } of heads) if (!isFullBatch(own)) checkStepFlags(own, true);
  if (flags.halving !== undefined) checkHalving(heads);
  const choosesScale =
    isUnpenalised && flags.scale === undefined && heads.every(({ flags: own }) => isFullBatch(own));
  return { varied, heads, scale: checkScales(heads), choosesScale };
}

export const withScales = (plan: Plan, { inputs }: LabeledRows): Plan =>
  !plan.choosesScale || inputs.type === 'uint8'
    ? plan
    : {
        ...plan,
        varied: [...plan.varied, 'scale'],
        heads: (['none', 'standard'] as const).flatMap((scale) =>
          plan.heads.map(({ combination, flags }) => ({
            combination: { ...combination, scale },
            flags: { ...flags, scale },
          })),
        ),
        scale: undefined,
      };

const headFlags = (flags: SweepFlags, combination: Combination): HeadFlags => ({
  seed: 0,
  shuffle: true,
  ...given({ sampleWeight: flags.sampleWeight, mask: flags.mask, ignoreIndex: flags.ignoreIndex }),
  ...Object.fromEntries(
    Object.entries(flags).filter(
      ([name, value]) => typeof value !== 'function' && name !== 'oneStandardError',
    ),
  ),
  ...combination,
});

function checkHalving(heads: readonly PlannedHead[]): void {
  const own = heads.map(({ flags }) => flags);
  if (own.some(isFullBatch)) {
    throw new UsageError(
      '--halving drops models after some epochs, which solvers that go over all rows do not have, nor need, as a whole path of C ' +
        'costs little more than its weakest penalty: leave it out, or train step by step (--learning-rate 0.01,0.1,1 say)',
    );
  }
  const other = own.some(({ earlyStopping }) => earlyStopping !== undefined)
    ? '--early-stopping'
    : own.some(({ schedule }) => schedule === 'reduce-on-plateau')
      ? '--schedule reduce-on-plateau'
      : undefined;
  if (other !== undefined) {
    throw new UsageError(`--halving and ${other} both go by the losses of epochs: leave one out`);
  }
  if (new Set(own.map(({ epochs }) => epochs)).size > 1) {
    throw new UsageError('--halving compares models after equally many epochs: give --epochs one value');
  }
}

/** The scaling of all heads; undefined: 'none' and 'standard' side by side. */
function checkScales(heads: readonly PlannedHead[]): Scale | undefined {
  const scales = new Set(heads.map(({ flags }) => flags.scale ?? 'auto'));
  if (scales.size === 1) return [...scales][0];
  const other = [...scales].find((scale) => scale !== 'none' && scale !== 'standard');
  if (other !== undefined) {
    throw new UsageError(`--scale ${other} is for all models: give it alone, or compare none,standard`);
  }
  const steps = heads.find(({ flags }) => !isFullBatch(flags));
  if (steps !== undefined) {
    throw new UsageError(
      '--scale none,standard is for solvers that go over all rows: choose one for training step by step',
    );
  }
  return undefined;
}

/** Parts, unless there are other rows to compare by. */
export function validationOf({ cv, validationSplit, validationData }: SweepFlags) {
  if (validationData !== undefined) return {};
  if (validationSplit !== undefined) return { validationSplit };
  return { cv: cv ?? DEFAULT_FOLDS };
}
