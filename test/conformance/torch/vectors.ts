// PyTorch's answers (generate.py), typed: each case with its inputs and PyTorch's results in float64 and in float32.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** ±1e4 among the logits; some -Infinity; rows with NaN, with +Infinity or of nothing but -Infinity. */
export type LogitKind = 'usual' | 'large' | '-Infinity' | 'spoiled';

/**
 * Where our answer is meant to be another (docs/losses.md, "Where we differ"): PyTorch's loss is NaN from 0 · Infinity;
 * its gradient is NaN in an ignored row; its gradient of a mean over no rows is NaN.
 */
export type Difference =
  | 'zero times Infinity'
  | 'ignored row without a softmax'
  | 'gradient of an empty mean';

interface Case<Op extends string, Inputs, Output extends string, Options> {
  readonly name: string;
  readonly op: Op;
  readonly kind: LogitKind;
  readonly dims: readonly number[];
  /** Of the classes; negative ones count from the end. */
  readonly axis: number;
  readonly options: Options;
  /** Float32 numbers, so that float64 kernels take the same ones. */
  readonly inputs: Inputs;
  /** PyTorch's float64 results. */
  readonly expected: Readonly<Record<Output, Float64Array>>;
  readonly torchFloat32: Readonly<Record<Output, Float32Array>>;
  readonly differs?: Difference;
}

type Reduction = 'none' | 'mean' | 'sum';

/**
 * logits and softTargets have `dims`; targets and gradOutput (with reduction 'none') are `dims` without the class axis.
 * One of targets and softTargets is there. Expected loss: one number, or one a row.
 */
export type CrossEntropyCase = Case<
  'crossEntropy',
  {
    readonly logits: Float32Array;
    readonly targets?: Int32Array;
    readonly softTargets?: Float32Array;
    readonly weight?: Float32Array;
    readonly gradOutput?: Float32Array;
  },
  'loss' | 'gradLogits',
  { readonly reduction: Reduction; readonly ignoreIndex?: number; readonly labelSmoothing?: number }
>;

export type NllCase = Case<
  'nllLoss',
  {
    readonly logProbabilities: Float32Array;
    readonly targets: Int32Array;
    readonly weight?: Float32Array;
    readonly gradOutput?: Float32Array;
  },
  'loss' | 'gradInput',
  { readonly reduction: Reduction; readonly ignoreIndex?: number }
>;

/** With reduction 'none' the gradient is that of the elements' sum. */
export type BinaryCase = Case<
  'binaryCrossEntropyWithLogits',
  {
    readonly logits: Float32Array;
    readonly softTargets: Float32Array;
    /** Of each element. */
    readonly weight?: Float32Array;
    readonly posWeight?: Float32Array;
  },
  'loss' | 'gradLogits',
  { readonly reduction: Reduction }
>;

/** With reduction 'none' the gradient is that of the elements' sum. softTargets are log-probabilities with logTarget. */
export type KlCase = Case<
  'klDivergence',
  { readonly logProbabilities: Float32Array; readonly softTargets: Float32Array },
  'loss' | 'gradInput',
  { readonly reduction: Reduction | 'batchmean'; readonly logTarget: boolean }
>;

/** The output of logSumExp is `dims` without the axis. */
export type AxisCase<Op extends string> = Case<
  Op,
  { readonly logits: Float32Array },
  'output',
  Readonly<Record<string, never>>
>;

export type TorchCase =
  | CrossEntropyCase
  | NllCase
  | BinaryCase
  | KlCase
  | AxisCase<'softmax'>
  | AxisCase<'logSoftmax'>
  | AxisCase<'logSumExp'>;

/** Where an array begins in its pool, and its length. */
type Place = readonly [offset: number, length: number];

interface Header {
  readonly torch: string;
  /** How many float32 inputs and how many results values.bin.gz holds. */
  readonly inputs: number;
  readonly results: number;
  readonly cases: readonly {
    readonly inputs: Readonly<Record<string, Place>>;
    readonly expected: Readonly<Record<string, Place>>;
  }[];
}

/** All cases, in the order of generate.py. */
export function torchCases(): TorchCase[] {
  const unzipped = (name: string) => gunzipSync(readFileSync(new URL(name, import.meta.url)));
  const header = JSON.parse(unzipped('cases.json.gz').toString()) as Header;
  const { inputs, doubles, singles } = pools(unzipped('values.bin.gz'), header);
  const cut = <T extends Float32Array | Float64Array>(pool: T, places: Readonly<Record<string, Place>>) =>
    Object.fromEntries(
      Object.entries(places).map(([key, [offset, length]]) => {
        const array = pool.slice(offset, offset + length);
        return [key, key === 'targets' ? Int32Array.from(array) : array];
      }),
    );
  return header.cases.map((stored) => ({
    ...stored,
    inputs: cut(inputs, stored.inputs),
    expected: cut(doubles, stored.expected),
    torchFloat32: cut(singles, stored.expected),
  })) as unknown as TorchCase[];
}

/** The cases of one operation, typed as such. */
export function torchCasesOf<Op extends TorchCase['op']>(op: Op): Extract<TorchCase, { op: Op }>[] {
  return torchCases().filter((each) => each.op === op) as Extract<TorchCase, { op: Op }>[];
}

/**
 * The largest |float32 - float64| / max(1, |float64|) that PyTorch itself shows in the `output` of these cases, where
 * both are finite: what a float32 kernel may be off, too.
 */
export function torchTolerance(cases: readonly TorchCase[], output: string): number {
  let largest = 0;
  for (const { expected, torchFloat32 } of cases as readonly Case<string, object, string, object>[]) {
    for (const [i, truth] of (expected[output] ?? []).entries()) {
      const error = Math.abs(torchFloat32[output]![i]! - truth) / Math.max(1, Math.abs(truth));
      if (Number.isFinite(error)) largest = Math.max(largest, error);
    }
  }
  return largest;
}

/**
 * values.bin: the inputs as float32, the results as float64, and PyTorch's float32 results as their bits XOR those of
 * the float64 ones rounded; each with all first bytes together, then all second ones, and so on.
 */
function pools(bytes: Uint8Array, { inputs: inputCount, results }: Header) {
  const [afterInputs, afterDoubles] = [4 * inputCount, 4 * inputCount + 8 * results];
  const inputs = new Float32Array(interleaved(bytes.subarray(0, afterInputs), 4));
  const doubles = new Float64Array(interleaved(bytes.subarray(afterInputs, afterDoubles), 8));
  const off = new Uint32Array(interleaved(bytes.subarray(afterDoubles), 4));
  const bits = new Uint32Array(Float32Array.from(doubles).buffer);
  const singles = new Float32Array(bits.map((rounded, i) => rounded ^ off[i]!).buffer);
  return { inputs, doubles, singles };
}

function interleaved(planes: Uint8Array, width: number): ArrayBuffer {
  const count = planes.length / width;
  const bytes = new Uint8Array(planes.length);
  for (let k = 0; k < width; k++) {
    for (let i = 0; i < count; i++) bytes[i * width + k] = planes[k * count + i]!;
  }
  return bytes.buffer;
}
