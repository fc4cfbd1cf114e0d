// The ONNX node tests, typed: each case as its file has it, for the reference and for the engine.
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import type { Losses } from '#softshard/main/index.js';

/** An array in C order; `dims` is empty for a scalar. */
export interface OnnxArray {
  readonly dtype: 'float32' | 'int64';
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

interface Named {
  readonly name: string;
}

/** Softmax or log-softmax of `input` along `axis` (ONNX's default is the last). */
export interface OnnxSoftmaxCase extends Named {
  readonly op: 'Softmax' | 'LogSoftmax';
  readonly axis: number;
  readonly input: OnnxArray;
  readonly expected: OnnxArray;
}

/**
 * A loss of logits (SoftmaxCrossEntropyLoss) or of log-probabilities (NegativeLogLikelihoodLoss); input
 * [N, C, d1, …], targets [N, d1, …], the class axis is 1. Without `ignoreIndex` nothing is ignored.
 */
export interface OnnxLossCase extends Named {
  readonly op: 'SoftmaxCrossEntropyLoss' | 'NegativeLogLikelihoodLoss';
  readonly reduction: Losses.Reduction;
  readonly ignoreIndex?: number;
  readonly input: OnnxArray;
  readonly targets: OnnxArray;
  readonly weight?: OnnxArray;
  /** The losses [N, d1, …] for 'none', else a scalar. */
  readonly expected: OnnxArray;
  /** Of the `_log_prob` cases: the log-softmax of the logits. */
  readonly expectedLogProbabilities?: OnnxArray;
}

export type OnnxCase = OnnxSoftmaxCase | OnnxLossCase;

interface ArrayInFile {
  readonly dtype: 'float32' | 'int64';
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface CaseInFile {
  readonly name: string;
  readonly op: OnnxCase['op'];
  readonly attributes: {
    readonly axis?: number;
    readonly reduction?: Losses.Reduction;
    readonly ignore_index?: number;
  };
  /** In the operator's order: logits, targets, weight. */
  readonly inputs: Readonly<Record<string, ArrayInFile>>;
  readonly outputs: Readonly<Record<string, ArrayInFile>>;
}

/** All cases, by name. */
export function onnxCases(): OnnxCase[] {
  const folder = new URL('./', import.meta.url);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json.gz'))
    .sort()
    .map((name) => caseOf(JSON.parse(gunzipSync(readFileSync(new URL(name, folder))).toString())));
}

function caseOf({ name, op, attributes, inputs, outputs }: CaseInFile): OnnxCase {
  const [input, targets, weight] = Object.values(inputs).map(arrayOf);
  const [expected, expectedLogProbabilities] = Object.values(outputs).map(arrayOf);
  if (op === 'Softmax' || op === 'LogSoftmax') {
    return { name, op, axis: attributes.axis ?? -1, input: input!, expected: expected! };
  }
  return {
    name,
    op,
    reduction: attributes.reduction ?? 'mean',
    ...(attributes.ignore_index === undefined ? {} : { ignoreIndex: attributes.ignore_index }),
    input: input!,
    targets: targets!,
    ...(weight === undefined ? {} : { weight }),
    expected: expected!,
    ...(expectedLogProbabilities === undefined ? {} : { expectedLogProbabilities }),
  };
}

const arrayOf = ({ dtype, shape, data }: ArrayInFile): OnnxArray => ({ dtype, dims: shape, data });

/** Fails unless got is `expected` within `bound`, absolute below 1 and relative above. */
export function expectOnnx(got: ArrayLike<number>, { data }: OnnxArray, bound: number): void {
  expect(got.length).toBe(data.length);
  for (const [i, wanted] of data.entries()) {
    if (Math.abs(got[i]! - wanted) <= bound * Math.max(1, Math.abs(wanted))) continue;
    expect.fail(`at ${i}: expected ${wanted}, got ${got[i]}`);
  }
}
