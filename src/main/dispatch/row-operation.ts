// One way for every operation on the rows of a batch: plans its shards, passes its arrays through windows, has the workers
// compute, and adds up what the shards have summed.
import type { SoftshardError } from '../../errors.js';
import type { TileShape } from '../../kernels/loss-scratch.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import { treeSum } from '../../kernels/tree-sum.js';
import type { RowOperation, RowOperationTask } from '../../workers/protocol.js';
import { type AxisRows, computeType } from '../arguments/axis-rows.js';
import type { FloatArray } from '../arguments/numeric-vectors.js';
import { changedTargetError, refusedRow } from '../arguments/targets.js';
import type { Cancellation } from '../cancellation.js';
import type { ArenaScope } from '../memory/arena.js';
import { ELEMENTS, elementBytes } from '../memory/element-types.js';
import { aligned } from '../plans/parts.js';
import { planStridedRows } from '../plans/rows.js';
import { mapOperands, outerRows, readOperand } from './operands.js';
import type { Resources } from './resources.js';
import { inWindows, type Operand, SLOTS } from './windows.js';

export interface RowOperationCall {
  readonly input: AxisRows;
  /** What errors call the input. */
  readonly inputName: string;
  /** Of the input's shape and type, and possibly the input itself. */
  readonly output?: AxisRows | undefined;
  /** Arrays that pass in windows with the input; undefined where an optional one is not given. */
  readonly operands: readonly (Operand | undefined)[];
  /** Arrays that every shard reads as a whole, in the type that is computed in. */
  readonly constants?: readonly (FloatArray | undefined)[];
  /** Float64 cells of each shard. */
  readonly sumsAShard?: number;
  /** Scratch memory of each worker. Default: none. */
  scratchBytes?(shape: TileShape): number;
  /** A block of memory that describes the operation in one window. */
  readonly blockBytes?: number;
  readonly signal: Cancellation | undefined;
  /** The operation in one window: where its arrays lie there, and its block. */
  operation(ptrOf: PtrOf, block: Ptr): RowOperation;
  /** The error for a row whose targets a worker refuses. Default: its class has changed during the call. */
  refuse?(row: number): SoftshardError;
}

/** The address in the window of an operand or a constant of the call; 0 where it is not given. */
export type PtrOf = (array: Operand | FloatArray | undefined) => Ptr;

/** Runs it, and gives the totals of the shards' cells, each along the same tree. */
export async function runRowOperation(
  resources: Resources,
  call: RowOperationCall,
): Promise<readonly number[]> {
  const { arena, callMemory, pool } = resources;
  const { input, inputName, output, sumsAShard = 0, blockBytes = 0, signal } = call;
  const { columns, inner } = input;
  if (input.rows === 0) return new Array<number>(sumsAShard).fill(0);
  const plan = planStridedRows(input.outer, columns, inner);
  const shape = { columns, tileRows: plan.tileRows, type: ELEMENTS[input.type].code };
  // Workers share no cache line.
  const scratchBytes = aligned(call.scratchBytes?.(shape) ?? 0);
  const source = outerRows(input);
  const maps: readonly [Operand, ...Operand[]] =
    output === undefined
      ? [readOperand(inputName, source)]
      : mapOperands(source, outerRows(output), inputName);
  const [inputOperand, outputOperand = inputOperand] = maps;
  const operands = [...maps, ...call.operands.filter((operand) => operand !== undefined)];
  const held = operands.map(({ ptr }) => ptr);
  return callMemory.use(held, signal, async (scope) => {
    const sums = sumsAShard === 0 ? NULL_PTR : scope.allocate(plan.shards * sumsAShard * 8, 'partial losses');
    // Windows share it: the pool lets jobs with the same scratch memory take turns.
    const scratch =
      scratchBytes === 0
        ? NULL_PTR
        : scope.allocate(Math.min(pool.threads, plan.shards) * scratchBytes, 'scratch memory for rows');
    const blocks =
      blockBytes === 0 ? [] : Array.from({ length: SLOTS }, () => scope.allocate(blockBytes, 'a loss call'));
    const constants = placeConstants(resources, scope, call);
    const innerShards = Math.ceil(inner / plan.shardInner);
    const windows = { shardRows: plan.shardOuters, shards: Math.ceil(input.outer / plan.shardOuters) };
    await inWindows(resources, input.outer, windows, operands, signal, async (window) => {
      const { slot, firstShard, rowBegin, rowEnd } = window;
      const ptrOf: PtrOf = (array) => {
        if (array === undefined) return NULL_PTR;
        if (!ArrayBuffer.isView(array)) return window.ptrOf(array);
        const ptr = constants?.get(array);
        if (ptr === undefined) throw new Error('a constant that the call does not name');
        return ptr;
      };
      const outer = rowEnd - rowBegin;
      const job: Omit<RowOperationTask, 'member' | 'members'> = {
        kind: 'rowOperation',
        operation: call.operation(ptrOf, blocks[slot] ?? NULL_PTR),
        input: window.ptrOf(inputOperand),
        output: output === undefined ? NULL_PTR : window.ptrOf(outputOperand),
        sums: offsetBy(sums, firstShard * innerShards * sumsAShard * 8),
        scratch,
        scratchBytes,
        outer,
        columns,
        inner,
        shardOuters: plan.shardOuters,
        shardInner: plan.shardInner,
        tileRows: plan.tileRows,
        type: shape.type,
      };
      const members = Math.min(pool.threads, Math.ceil(outer / plan.shardOuters) * innerShards);
      const refused = refusedRow(await pool.run(job, { members, signal, arrays: window.arrays }));
      if (refused === undefined) return;
      const row = rowBegin * inner + refused;
      throw call.refuse?.(row) ?? changedTargetError(row, columns);
    });
    return sumsAShard === 0 ? [] : totals(arena.view('float64', sums, plan.shards * sumsAShard), sumsAShard);
  });
}

/** The sum of each of a shard's cells over all shards. */
function totals(cells: Float64Array, cellsAShard: number): readonly number[] {
  if (cellsAShard === 1) return [treeSum(cells)];
  return Array.from({ length: cellsAShard }, (_, cell) =>
    treeSum(cells.filter((_, i) => i % cellsAShard === cell)),
  );
}

function placeConstants(
  { arena }: Resources,
  scope: ArenaScope,
  { input, constants }: RowOperationCall,
): ReadonlyMap<FloatArray, Ptr> | undefined {
  if (constants === undefined) return undefined;
  const type = computeType(input);
  const ptrs = new Map<FloatArray, Ptr>();
  for (const values of constants) {
    if (values === undefined) continue;
    const ptr = scope.allocate(values.length * elementBytes(type), 'weights of the classes');
    arena.view(type, ptr, values.length).set(values);
    ptrs.set(values, ptr);
  }
  return ptrs;
}
