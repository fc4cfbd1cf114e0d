// What fitMany needs to go on: how heads came out that are done, and the states of those that are at work.
import { type ErrorCode, SoftshardError } from '../../../errors.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { CheckpointState } from '../checkpoint/checkpoint.js';
import type { FitResult } from '../fit-result.js';
import type { RungStates } from './halving.js';
import type { HeadsTerms, Outcome } from './heads.js';

export type ManyState = {
  readonly outcomes: readonly OutcomeState[];
  /** Heads that were told of. */
  readonly ended: readonly { readonly head: number; readonly droppedAfter: number | undefined }[];
  readonly halving: HalvingState | undefined;
  /** By their keys. */
  readonly parts: { readonly [key: string]: CheckpointState };
};

export type HalvingState = {
  /** The index of the rung. */
  readonly rung: number;
  /** Heads that are left, and those that are done with the rung, by keyOf. */
  readonly left: readonly number[];
  readonly done: readonly string[];
  readonly states: ReturnType<RungStates['snapshot']>;
};

export type OutcomeState = {
  readonly head: number;
  readonly split: number;
  readonly model: ModelState | undefined;
  /** A FitResult, which is plain data all through. */
  readonly result: CheckpointState;
  readonly error: ErrorState | undefined;
};

type ModelState = {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly shift: number | Float64Array | undefined;
  readonly scale: number | Float64Array | undefined;
};

type ErrorState = {
  readonly code: string;
  readonly message: string;
  readonly argument: string | undefined;
  readonly row: number | undefined;
  readonly feature: number | undefined;
  readonly value: string | number | undefined;
};

/** `hasModel`: somebody will ask for it. */
export function outcomeState(head: number, split: number, outcome: Outcome, hasModel: boolean): OutcomeState {
  if ('error' in outcome) {
    const error = errorState(outcome.error);
    return { head, split, model: undefined, result: undefined, error };
  }
  const result = structuredClone(outcome.result) as unknown as CheckpointState;
  return { head, split, model: hasModel ? modelState(outcome.model) : undefined, result, error: undefined };
}

function modelState({ weights, bias, featureScaling }: LinearModel): ModelState {
  const partOf = (part: number | ArrayLike<number> | undefined) =>
    part === undefined || typeof part === 'number' ? part : Float64Array.from(part);
  return {
    weights: weights.slice(),
    bias: bias.slice(),
    shift: partOf(featureScaling?.shift),
    scale: partOf(featureScaling?.scale),
  };
}

/** Failures of heads are all of softshard's own: others end all heads. */
function errorState(error: unknown): ErrorState {
  if (!(error instanceof SoftshardError)) throw error;
  const { code, message, argument, row, feature, value } = error;
  const isShort = typeof value === 'string' || typeof value === 'number';
  return { code, message, argument, row, feature, value: isShort ? value : undefined };
}

export function outcomeOf(shape: HeadsTerms['shape'], { model, result, error }: OutcomeState): Outcome {
  if (error !== undefined) {
    const { code, message, ...details } = error;
    return { error: new SoftshardError(code as ErrorCode, message, details) };
  }
  const { features, classes } = shape;
  const { weights = new Float32Array(), bias = new Float32Array(), shift, scale } = model ?? {};
  const featureScaling = shift === undefined || scale === undefined ? undefined : { shift, scale };
  const own = { features, classes, weights: weights.slice(), bias: bias.slice(), featureScaling };
  return { model: own, result: result as unknown as FitResult };
}
