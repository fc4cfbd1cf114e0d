// What bounds each operation on this machine, arithmetic or memory, and how much of that bound it reaches.
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import type { MachineLimits } from '../probes/memory.js';
import { type BenchResults, type BenchRow, percent } from '../results.js';
import { ofFastestBuild } from './operations.js';

/**
 * Vector instructions that compute four float32 elements, loads and stores aside, counted in src/kernels/assembly/rows/rows.ts:
 * the maximum 1, z - max 1, the exponential 13, its sum 1, then scaling 1, or subtracting twice for the logarithm.
 */
const INSTRUCTIONS: Readonly<Record<string, number>> = {
  softmax: 17,
  logSoftmax: 17,
  crossEntropy: 16,
  'crossEntropyGradient in place': 17,
};

/** A multiply-add of four lanes. */
const FLOPS_AN_INSTRUCTION = 8;

interface Roof {
  readonly row: BenchRow;
  readonly arithmetic: number;
  /** undefined where the matrices fit into caches, and for products, which use each input for every class. */
  readonly memory: number | undefined;
}

function roofOf(row: BenchRow, machine: MachineLimits): Roof | undefined {
  const peak = machine.gflops * row.threads;
  const instructions = INSTRUCTIONS[row.case];
  if (instructions === undefined) {
    return row.rateUnit === 'GFLOP/s' ? { row, arithmetic: peak, memory: undefined } : undefined;
  }
  const limit = machine.bandwidths.find(({ threads }) => threads === row.threads);
  const arithmetic = ((peak / FLOPS_AN_INSTRUCTION) * 4) / instructions;
  if (row.traffic === undefined || limit === undefined) return { row, arithmetic, memory: undefined };
  const bytesAnElement = row.traffic.gbPerSecond / row.rate;
  return { row, arithmetic, memory: limit.gbPerSecond[row.traffic.pattern] / bytesAnElement };
}

const bound = ({ arithmetic, memory }: Roof): number =>
  Math.min(arithmetic, memory ?? Number.POSITIVE_INFINITY);

const COLUMNS: readonly Column<Roof>[] = [
  { heading: 'operation', align: 'left', cell: ({ row }) => row.case },
  { heading: 'shape', align: 'left', cell: ({ row }) => row.shape },
  { heading: 'threads', align: 'right', cell: ({ row }) => String(row.threads) },
  { heading: 'measured', align: 'right', cell: ({ row }) => `${threeDigits(row.rate)} ${row.rateUnit}` },
  { heading: 'arithmetic allows', align: 'right', cell: ({ arithmetic }) => threeDigits(arithmetic) },
  {
    heading: 'memory allows',
    align: 'right',
    cell: ({ memory }) => (memory === undefined ? '' : threeDigits(memory)),
  },
  {
    heading: 'bound',
    align: 'left',
    cell: (roof) => (bound(roof) === roof.arithmetic ? 'arithmetic' : 'memory'),
  },
  { heading: 'reached', align: 'right', cell: (roof) => percent(roof.row.rate / bound(roof)) },
];

/** Of the fastest build, in the order of the rows. */
export function rooflineSection({ rows, machine }: BenchResults): string | undefined {
  if (machine === undefined) return undefined;
  const roofs = ofFastestBuild(rows)
    .map((row) => roofOf(row, machine))
    .filter((roof) => roof !== undefined);
  return markdownTable(COLUMNS, roofs);
}
