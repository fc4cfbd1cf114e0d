// The options of full-batch solvers, their defaults and their checks; and which solver fit takes.
import { SoftshardError } from '../../../errors.js';
import { checkBoolean, checkFunction, checkInteger, checkNumber, checkOneOf } from '../../checks.js';

/** Ends with a certificate, and has neither learning rate nor epochs. */
export type FullBatchSolver = 'lbfgs' | 'newton-cg';

/** Columns as they are, or each with mean 0 and deviation 1 over the rows that are trained on. */
export type Scale = 'none' | 'standard';

/** How far a full-batch solver has come. */
export interface SolverReport {
  /** Iterations so far. */
  readonly iteration: number;
  /** Passes over the rows so far: a pass multiplies them by the weights and by the gradient of the logits. */
  readonly passes: number;
  readonly maxPasses: number;
  /** Σ of the rows' losses, each times its weight, plus the penalty. */
  readonly objective: number;
  /** The mean loss of the rows, without penalty. */
  readonly loss: number;
  /** How far the objective is from its minimum, at most; undefined where nothing is certain. */
  readonly gap: number | undefined;
  /** gap / objective, which `tol` is compared with. */
  readonly gapRelative: number | undefined;
}

export interface SolverOptions {
  /**
   * The inverse of the penalty, scikit-learn's: the objective is Σ loss + ‖weights‖² / (2 C), the bias unpenalised; of two
   * classes the difference of their weights counts, as there. Not with l2. Default: chosen from the data.
   */
  C?: number | undefined;
  /** The penalty of the mean loss: mean loss + l2 / 2 · ‖weights‖²; 0: none, and no certificate. */
  l2?: number | undefined;
  /**
   * Where C is chosen: the strongest penalty whose held-out loss is at most a standard error above the best (Breiman et al.,
   * "Classification and Regression Trees", 1984). Default false: the best.
   */
  oneStandardError?: boolean | undefined;
  /**
   * The L1 penalty of the mean loss: mean loss + l1 · Σ |weight|, which leaves weights that are exactly 0; beside C or l2, the
   * elastic net. scikit-learn's l1_ratio ρ is l1: ρ / (C · rows), l2: (1 - ρ) / (C · rows). Not with 'newton-cg'. Default 0.
   */
  l1?: number | undefined;
  /**
   * 'none' is the default where C or l2 is given, or the classifier has a featureScaling. Default else: chosen from the data
   * together with C. With 'standard' the classifier gets a featureScaling.
   */
  scale?: Scale | undefined;
  /** The solver stops when the objective is certain to be within tol · objective of its minimum. Default 1e-4. */
  tol?: number | undefined;
  /** Passes over the rows after which the solver stops, converged or not. Default 1000. */
  maxPasses?: number | undefined;
  /** Called after each iteration; training waits for what it returns. */
  onProgress?: ((report: SolverReport) => void | Promise<void>) | undefined;
  /** Called for each setting that is tried where C or the scaling is chosen. */
  onTried?: ((setting: TriedSetting) => void) | undefined;
}

/** A setting that was tried on the way to the one that is chosen. */
export interface TriedSetting {
  readonly scale: Scale;
  readonly C: number;
  /** The mean loss of held-out rows. */
  readonly loss: number;
  /** Of that mean. */
  readonly standardError: number;
  /** Of held-out rows. */
  readonly accuracy: number;
}

export const SOLVER_OPTION_NAMES = [
  'C',
  'l2',
  'l1',
  'scale',
  'oneStandardError',
  'tol',
  'maxPasses',
  'onProgress',
  'onTried',
] as const satisfies readonly (keyof SolverOptions)[];

export interface CheckedSolverOptions {
  readonly solver: FullBatchSolver;
  readonly C: number | undefined;
  readonly l2: number | undefined;
  readonly l1: number;
  readonly scale: Scale | undefined;
  readonly oneStandardError: boolean;
  readonly tol: number;
  readonly maxPasses: number;
  readonly onProgress: SolverOptions['onProgress'];
  readonly onTried: SolverOptions['onTried'];
}

/**
 * λ of a penalty λ / 2 · ‖weights‖² beside the sum of the losses; and C, of λ. Of two classes scikit-learn penalises the
 * difference of their weights: half as much as both, each half of it.
 */
export const penaltyOf = (C: number, classes: number): number => (classes === 2 ? 2 : 1) / C;

/** What float32 can hold. */
const LEAST_PENALTY = 1e-30;
const MOST_PENALTY = 1e30;

const SCALES: readonly Scale[] = ['none', 'standard'];

export function checkSolverOptions(solver: FullBatchSolver, options: SolverOptions): CheckedSolverOptions {
  const { C, l2, l1 = 0, scale, oneStandardError = false, tol = 1e-4, maxPasses = 1000 } = options;
  if (C !== undefined && l2 !== undefined) {
    const message =
      'options.C and options.l2 are both given, which are the same penalty in other units: leave one out';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.l2', value: l2 });
  }
  checkNumber('options.l1', l1, 0, MOST_PENALTY);
  if (l1 > 0 && solver === 'newton-cg') {
    const message =
      "options.l1 is given, but solver 'newton-cg' does not know it: leave one out, or choose 'lbfgs'";
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.l1', value: l1 });
  }
  if (oneStandardError === true && (C !== undefined || l2 !== undefined || l1 > 0)) {
    const message = 'options.oneStandardError says how C is chosen, which is given: leave one of them out';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.oneStandardError', value: true });
  }
  return {
    solver,
    C: C === undefined ? undefined : checkNumber('options.C', C, LEAST_PENALTY, MOST_PENALTY),
    l2: l2 === undefined ? undefined : checkNumber('options.l2', l2, 0, MOST_PENALTY),
    l1,
    scale: scale === undefined ? undefined : checkOneOf('options.scale', scale, SCALES),
    oneStandardError: checkBoolean('options.oneStandardError', oneStandardError),
    tol: checkNumber('options.tol', tol, 0, 1),
    maxPasses: checkInteger('options.maxPasses', maxPasses, 1, Number.MAX_SAFE_INTEGER),
    onProgress: checkFunction('options.onProgress', options.onProgress),
    onTried: checkFunction('options.onTried', options.onTried),
  };
}
