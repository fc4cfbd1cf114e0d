// Softmax, log-softmax and log-sum-exp of rows of any element type and class axis.

import type { RowMapTask, TileMapTask } from '../../workers/protocol.js';
import {
  type AxisOptions,
  checkLogits,
  checkLogitsInto,
  computeType,
  type FloatInput,
  type FloatType,
  isPlain,
  type Logits,
  rowDimsOf,
} from '../arguments/axis-rows.js';
import { checkOptionNames, checkSignal } from '../arguments/checks.js';
import type { Cancellation } from '../dispatch/cancellation.js';
import { mapOperands, readOperand, writeOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { inWindows, type Operand, type Window } from '../dispatch/windows.js';
import type { Arena } from '../memory/arena.js';
import { unclearedTensor } from '../memory/arena-tensor.js';
import { isFloats } from '../memory/arrays.js';
import { ELEMENTS } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { planRows, planSlices, type SlicesPlan } from '../plans/rows.js';
import { asRows, scratchBytesOf } from './general-loss.js';

export interface RowOptions extends AxisOptions {
  /** Aborts the call: it rejects with signal.reason within milliseconds, what is in `into` is then undefined. */
  signal?: AbortSignal | undefined;
}

export interface RowMapOptions extends RowOptions {
  /** Where to write the result, of the type and dims of the logits; the logits themselves for in-place work. */
  into?: FloatInput | undefined;
}

type Operation = TileMapTask['operation'];

export async function mapRows(
  resources: Resources,
  operation: 'softmax' | 'logSoftmax',
  input: FloatInput,
  options: RowMapOptions,
): Promise<Tensor<FloatType>> {
  checkOptionNames('options', options, ['axis', 'columns', 'into', 'signal']);
  const logits = checkLogits(resources.arena, 'logits', input, options);
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  return withOutput(resources.arena, logits, options.into, (output) => {
    const operands = mapOperands(asRows(logits), asRows(output));
    return runOperation(resources, operation, logits, operands, signal);
  });
}

export async function logSumExp(
  resources: Resources,
  input: FloatInput,
  options: RowOptions,
): Promise<Tensor<'float32' | 'float64'>> {
  checkOptionNames('options', options, ['axis', 'columns', 'signal']);
  const logits = checkLogits(resources.arena, 'logits', input, options);
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  const type = computeType(logits);
  const data = type === 'float64' ? new Float64Array(logits.rows) : new Float32Array(logits.rows);
  const values = { elements: data, columns: logits.inner, type, ptr: undefined };
  const operands = [readOperand('logits', asRows(logits)), writeOperand('log-sum-exp', values)];
  await runOperation(resources, 'logSumExp', logits, operands, signal);
  return { type, dims: rowDimsOf(logits), data };
}

/** operands: the logits, and the output unless it is computed in their place. */
async function runOperation(
  resources: Resources,
  operation: Operation,
  logits: Logits,
  operands: readonly Operand[],
  signal: Cancellation | undefined,
): Promise<void> {
  const { arena, callMemory } = resources;
  const held = operands.map(({ ptr }) => ptr);
  if (isPlain(logits)) {
    const plan = planRows(logits.rows, logits.columns);
    await callMemory.use(held, signal, () =>
      inWindows(arena, logits.rows, plan, operands, signal, (window) =>
        runPlain(resources, operation, logits, plan.shardRows, window, signal),
      ),
    );
    return;
  }
  const { outer, columns, inner } = logits;
  const plan = planSlices(outer, columns, inner);
  const windows = { shardRows: plan.shardOuters, shards: Math.ceil(outer / plan.shardOuters) };
  await callMemory.use(held, signal, async (scope) => {
    const scratchBytes = scratchBytesOf(logits, plan.tileRows);
    // Gangs run one at a time, so windows can share it.
    const scratch = scope.allocate(resources.pool.threads * scratchBytes, 'scratch memory for rows');
    await inWindows(arena, outer, windows, operands, signal, (window) =>
      runTiles(resources, operation, logits, plan, window, { scratch, scratchBytes }, signal),
    );
  });
}

async function runPlain(
  { pool }: Resources,
  kind: Operation,
  { columns }: Logits,
  shardRows: number,
  { rowBegin, rowEnd, ptrs }: Window,
  signal: Cancellation | undefined,
): Promise<void> {
  const [source, target = source] = ptrs;
  const rows = rowEnd - rowBegin;
  const job: Omit<RowMapTask, 'member' | 'members'> = {
    kind,
    output: target!,
    logits: source!,
    rows,
    columns,
    shardRows,
  };
  await pool.run(job, { members: Math.min(pool.threads, Math.ceil(rows / shardRows)), signal });
}

async function runTiles(
  { pool }: Resources,
  operation: Operation,
  { columns, inner, type }: Logits,
  { shardOuters, shardInner, tileRows }: SlicesPlan,
  { rowBegin, rowEnd, ptrs }: Window,
  scratch: Pick<TileMapTask, 'scratch' | 'scratchBytes'>,
  signal: Cancellation | undefined,
): Promise<void> {
  const [source, target = source] = ptrs;
  const outer = rowEnd - rowBegin;
  const shards = Math.ceil(outer / shardOuters) * Math.ceil(inner / shardInner);
  const job: Omit<TileMapTask, 'member' | 'members'> = {
    kind: 'tileMap',
    operation,
    output: target!,
    logits: source!,
    outer,
    columns,
    inner,
    shardOuters,
    shardInner,
    tileRows,
    type: ELEMENTS[type].code,
    ...scratch,
  };
  await pool.run(job, { members: Math.min(pool.threads, shards), signal });
}

/** Runs work on the output that `into` names, or on a new one beside the logits (in the arena or out of it). */
export async function withOutput(
  arena: Arena,
  logits: Logits,
  into: FloatInput | undefined,
  work: (output: Logits) => Promise<void>,
): Promise<Tensor<FloatType>> {
  const { dims, type } = logits;
  if (into !== undefined) {
    await work(checkLogitsInto(arena, into, logits));
    const bare = isFloats(into);
    return bare ? ({ type, dims, data: into } as Tensor<FloatType>) : into;
  }
  if (logits.ptr === undefined) {
    const data = newElements(logits);
    await work({ ...logits, elements: data });
    return { type, dims, data } as Tensor<FloatType>;
  }
  const tensor = unclearedTensor(arena, type, dims);
  try {
    await work(checkLogits(arena, 'into', tensor, { axis: logits.axis }));
    return tensor;
  } catch (cause) {
    tensor.free();
    throw cause;
  }
}

function newElements({ type, elements: { length } }: Logits): Logits['elements'] {
  if (type === 'float32') return new Float32Array(length);
  return type === 'float64' ? new Float64Array(length) : new Uint16Array(length);
}
