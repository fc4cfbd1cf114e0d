// A call of lossRows or lossRows64: its arrays between guards, the block that describes it, and what came out.

import * as layout from '#softshard/kernels/loss-layout.js';
import { NULL_PTR, offsetBy, offsetIfAny, type Ptr } from '#softshard/kernels/ptr.js';
import type { Workbench } from '../workbench.js';
import type { RowOptions } from './oracle.js';

export type ElementType = 'float32' | 'float64';
type FloatArray = Float32Array<ArrayBufferLike> | Float64Array<ArrayBufferLike>;

export const PLAIN: RowOptions = { temperature: 1, softcap: 0, zLoss: 0, focalGamma: 0, labelSmoothing: 0 };

/** Rows of logits with all options. Numbers that float32 cannot hold are rounded for a float32 call. */
export interface Batch extends Partial<RowOptions> {
  readonly rows: number;
  readonly columns: number;
  readonly logits: ArrayLike<number>;
  /** Class indices, or softTargets. */
  readonly targets?: ArrayLike<number>;
  readonly softTargets?: ArrayLike<number>;
  readonly mask?: ArrayLike<number>;
  readonly weight?: ArrayLike<number>;
  readonly sampleWeight?: ArrayLike<number>;
  readonly gradOutput?: ArrayLike<number>;
  readonly scale?: number;
  readonly ignoreIndex?: number;
  readonly ignoreInvalid?: boolean;
  readonly zeroIsNaN?: boolean;
}

/** How a call is made; no choice may change a bit. */
export interface Place {
  readonly gradient: 'none' | 'apart' | 'in place';
  readonly statistics?: boolean;
  /** Distance from 16-byte alignment in elements. */
  readonly offset?: number;
  /** Row counts of the calls, adding up to rows. */
  readonly pieces?: readonly number[];
  /** Calls lossRowsAt (float32), in place, with the rows of logits apart; 'picked' in another order, by number. */
  readonly at?: 'in order' | 'picked';
}

export interface Outcome {
  readonly status: number;
  readonly losses: FloatArray;
  readonly gradient: FloatArray;
  readonly lossSum: number;
  readonly zLossSum: number;
  readonly logSumExp: FloatArray;
  readonly entropy: FloatArray;
  readonly margin: FloatArray;
  readonly targetProbability: FloatArray;
  readonly argMax: Int32Array;
  readonly rank: Int32Array;
}

const GUARD_BYTES = 64;
const GUARD = 0xa5;

/** Everything of one call, between guards of bytes that nothing may change. */
class Arrays {
  readonly #bench: Workbench;
  readonly #guards: Uint8Array[] = [];
  readonly #type: ElementType;
  readonly #offset: number;

  constructor(bench: Workbench, type: ElementType, offset: number) {
    this.#bench = bench;
    this.#type = type;
    this.#offset = offset;
  }

  get elementBytes(): number {
    return this.#type === 'float32' ? 4 : 8;
  }

  bytes(length: number, offsetBytes = 0): Ptr {
    const start = this.#bench.allocate(length + 2 * GUARD_BYTES, offsetBytes);
    const begin = this.#bench.bytes(start, GUARD_BYTES).fill(GUARD);
    this.#guards.push(
      begin,
      this.#bench.bytes(offsetBy(start, GUARD_BYTES + length), GUARD_BYTES).fill(GUARD),
    );
    return offsetBy(start, GUARD_BYTES);
  }

  floats(length: number, fill: ArrayLike<number> | number): { ptr: Ptr; values: FloatArray } {
    const ptr = this.bytes(length * this.elementBytes, this.#offset * this.elementBytes);
    const values =
      this.#type === 'float32' ? this.#bench.float32(ptr, length) : this.#bench.float64(ptr, length);
    if (typeof fill === 'number') values.fill(fill);
    else values.set(fill);
    return { ptr, values };
  }

  maybe(values: ArrayLike<number> | undefined): Ptr {
    return values === undefined ? NULL_PTR : this.floats(values.length, values).ptr;
  }

  int32(length: number, fill: ArrayLike<number> | number): { ptr: Ptr; values: Int32Array } {
    const ptr = this.bytes(length * 4, 4);
    const values = this.#bench.int32(ptr, length);
    if (typeof fill === 'number') values.fill(fill);
    else values.set(fill);
    return { ptr, values };
  }

  checkGuards(): void {
    this.#guards.forEach((guard, k) => {
      const at = guard.findIndex((byte) => byte !== GUARD);
      if (at >= 0) throw new Error(`guard ${k % 2 ? 'after' : 'before'} array ${k >> 1}: byte ${at} changed`);
    });
  }
}

/** Marks what a call has not written. */
export const UNWRITTEN = -77;

export function callLossRows(bench: Workbench, type: ElementType, batch: Batch, place: Place): Outcome {
  bench.reset();
  const { rows, columns, targets, softTargets, mask } = batch;
  const offset = place.offset ?? 0;
  const arrays = new Arrays(bench, type, offset);
  const logits = arrays.floats(rows * columns, batch.logits);
  const gradient = place.gradient === 'in place' ? logits : arrays.floats(rows * columns, UNWRITTEN);
  const soft = arrays.maybe(softTargets);
  const maskPtr = mask === undefined ? NULL_PTR : arrays.bytes(rows * columns, offset);
  if (mask !== undefined) bench.bytes(maskPtr, rows * columns).set(mask);
  const wanted = place.statistics ?? false;
  const outputs = Array.from({ length: 5 }, () => arrays.floats(rows, UNWRITTEN));
  const [losses, logSumExp, entropy, margin, targetProbability] = outputs as [
    (typeof outputs)[0],
    (typeof outputs)[0],
    (typeof outputs)[0],
    (typeof outputs)[0],
    (typeof outputs)[0],
  ];
  const [argMax, rank] = [arrays.int32(rows, UNWRITTEN), arrays.int32(rows, UNWRITTEN)];
  const call = arrays.bytes(layout.LOSS_CALL_BYTES);
  const numbers: readonly (readonly [number, number])[] = [
    [layout.LOSS_TEMPERATURE, batch.temperature ?? 1],
    [layout.LOSS_SOFTCAP, batch.softcap ?? 0],
    [layout.LOSS_Z_LOSS, batch.zLoss ?? 0],
    [layout.LOSS_FOCAL_GAMMA, batch.focalGamma ?? 0],
    [layout.LOSS_LABEL_SMOOTHING, batch.labelSmoothing ?? 0],
    [layout.LOSS_SCALE, batch.scale ?? 1],
  ];
  for (const [field, value] of numbers) bench.float64(offsetBy(call, field), 1)[0] = value;
  const words: readonly (readonly [number, number])[] = [
    [layout.LOSS_IGNORE_INDEX, batch.ignoreIndex ?? -100],
    [layout.LOSS_IGNORE_INVALID, Number(batch.ignoreInvalid ?? false)],
    [layout.LOSS_ZERO_IS_NAN, Number(batch.zeroIsNaN ?? false)],
    [layout.LOSS_TARGETS, targets === undefined ? 0 : arrays.int32(rows, targets).ptr],
    [layout.LOSS_WEIGHT, arrays.maybe(batch.weight)],
    [layout.LOSS_SAMPLE_WEIGHT, arrays.maybe(batch.sampleWeight)],
    [layout.LOSS_GRAD_LOSSES, arrays.maybe(batch.gradOutput)],
    [layout.LOSS_LOSSES, losses.ptr],
    [layout.LOSS_LOG_SUM_EXP, wanted ? logSumExp.ptr : 0],
    [layout.LOSS_ARG_MAX, wanted ? argMax.ptr : 0],
    [layout.LOSS_RANK, wanted ? rank.ptr : 0],
    [layout.LOSS_ENTROPY, wanted ? entropy.ptr : 0],
    [layout.LOSS_MARGIN, wanted ? margin.ptr : 0],
    [layout.LOSS_TARGET_PROBABILITY, wanted ? targetProbability.ptr : 0],
  ];
  for (const [field, value] of words) bench.int32(offsetBy(call, field), 1)[0] = value;
  const { elementBytes } = arrays;
  const sums = arrays.bytes(16);
  const sumCells = bench.float64(sums, 2).fill(0);
  const scratchBytes = layout.lossScratchBytes(columns, elementBytes);
  const scratch = arrays.bytes(scratchBytes);
  // What an earlier row left there must not matter.
  bench.bytes(scratch, scratchBytes).fill(0xff);
  const kernel = type === 'float32' ? bench.kernels.lossRows : bench.kernels.lossRows64;
  let status = -1;
  let begin = 0;
  if (place.at !== undefined) {
    const kernelAt = bench.kernels.lossRowsAt;
    const order = Array.from({ length: rows }, (_, i) => (place.at === 'picked' ? (i * 3 + 1) % rows : i));
    const stride = columns + 3;
    const apart = arrays.floats(rows * stride, UNWRITTEN);
    order.forEach((row, i) => {
      apart.values.set(logits.values.subarray(row * columns, (row + 1) * columns), i * stride);
    });
    // Positions in the table may begin anywhere.
    const table = place.at === 'picked' ? arrays.int32(rows + 2, [0, 0, ...order]).ptr : NULL_PTR;
    const first = place.at === 'picked' ? 2 : 0;
    const { ptr } = apart;
    status = kernelAt(call, sums, ptr, ptr, soft, maskPtr, table, first, rows, columns, stride, scratch);
    order.forEach((row, i) => {
      gradient.values.set(apart.values.subarray(i * stride, i * stride + columns), row * columns);
      checkUntouched(apart.values.subarray(i * stride + columns, (i + 1) * stride), Array(3).fill(UNWRITTEN));
    });
  }
  for (const count of place.at === undefined ? (place.pieces ?? [rows]) : []) {
    const at = (ptr: Ptr, bytes: number) => offsetIfAny(ptr, begin * columns * bytes);
    const gradientPtr = place.gradient === 'none' ? NULL_PTR : at(gradient.ptr, elementBytes);
    status = kernel(
      call,
      sums,
      gradientPtr,
      at(logits.ptr, elementBytes),
      at(soft, elementBytes),
      at(maskPtr, 1),
      begin,
      count,
      columns,
      scratch,
    );
    begin += count;
    if (status !== -1) break;
  }
  arrays.checkGuards();
  if (place.gradient !== 'in place') checkUntouched(logits.values, batch.logits);
  return {
    status,
    losses: losses.values.slice(),
    gradient: gradient.values.slice(),
    lossSum: sumCells[0]!,
    zLossSum: sumCells[1]!,
    logSumExp: logSumExp.values.slice(),
    entropy: entropy.values.slice(),
    margin: margin.values.slice(),
    targetProbability: targetProbability.values.slice(),
    argMax: argMax.values.slice(),
    rank: rank.values.slice(),
  };
}

function checkUntouched(got: FloatArray, given: ArrayLike<number>): void {
  const expected = got instanceof Float32Array ? Math.fround : (x: number) => x;
  for (let k = 0; k < got.length; k++) {
    if (!Object.is(got[k], expected(given[k]!)) && !Number.isNaN(given[k]))
      throw new Error(`logits[${k}] was ${given[k]} and became ${got[k]}`);
  }
}
