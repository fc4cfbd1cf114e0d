// How many steps' rows are in the arena at a time where not all rows fit. It changes no bits.
import { SoftshardError } from '../../../errors.js';
import { ALIGNMENT_BYTES } from '../../../kernels/layout.js';
import type { Arena } from '../../memory/arena.js';

/**
 * Rows of so many bytes are some 10 ms of work: the start of the workers (some 150 µs) is lost in it, and main comes to
 * fill the other stage in time.
 */
const STAGE_BYTES = 32 * 1024 * 1024;
/** Of fewer bytes they still cost little of the time: worth more than to wait for other training, which may take hours. */
export const WORTHWHILE_STAGE_BYTES = STAGE_BYTES / 8;

export interface Staging {
  /** One is filled while the workers train on the other; one alone where there is no room for two. */
  readonly stages: 1 | 2;
  readonly steps: number;
}

/**
 * As many steps as STAGE_BYTES hold, fewer where the arena has no room for them and as much again for others; at the least
 * one step. Undefined where even that does not fit, or a stage would take less than `leastBytes`. `piecesOf`: the pieces of
 * memory for so many steps, in bytes.
 */
export function planStaging(
  arena: Pick<Arena, 'hasRoomFor'>,
  piecesOf: (steps: number) => readonly number[],
  stepsAnEpoch: number,
  reserve: readonly number[],
  leastBytes = 0,
): Staging | undefined {
  const staging = largestStaging(arena, piecesOf, stepsAnEpoch, reserve);
  return staging !== undefined && sum(piecesOf(staging.steps)) >= leastBytes ? staging : undefined;
}

function largestStaging(
  arena: Pick<Arena, 'hasRoomFor'>,
  piecesOf: (steps: number) => readonly number[],
  stepsAnEpoch: number,
  reserve: readonly number[],
): Staging | undefined {
  const times = (count: number, pieces: readonly number[]) =>
    Array<readonly number[]>(count).fill(pieces).flat();
  const fits = (stages: number, steps: number) =>
    arena.hasRoomFor([...times(stages, piecesOf(steps)), ...reserve]);
  const wanted = Math.floor(STAGE_BYTES / sum(piecesOf(1)));
  for (let steps = Math.min(wanted, stepsAnEpoch); steps >= 1; steps = Math.floor(steps / 2)) {
    if (fits(4, steps)) return { stages: 2, steps };
  }
  if (fits(2, 1)) return { stages: 2, steps: 1 };
  return fits(1, 1) ? { stages: 1, steps: 1 } : undefined;
}

/** `pieces` are those of one step, `areFloats` says that inputs are float32. */
export function noRoomForStep(
  arena: Arena,
  pieces: readonly number[],
  rows: number,
  reserve: readonly number[],
  areFloats: boolean,
): SoftshardError {
  const bytes = sum(pieces);
  const aligned = (pieces.length + reserve.length) * ALIGNMENT_BYTES;
  const room = arena.largestFreeBytes - sum(reserve) - aligned;
  const fitting = Math.floor(room / (bytes / rows));
  const remedies =
    (fitting < 1 ? '' : `lower options.batchSize to at most ${fitting}, `) +
    (areFloats ? 'pass inputs as bytes (Uint8Array), a quarter of the memory, ' : '');
  const message =
    `the arena has no room for the ${rows} rows of a step: they take ${bytes} bytes, used ${arena.usedBytes}, free ` +
    `${arena.freeBytes} (largest piece ${arena.largestFreeBytes}), limit ${arena.limitBytes}. ` +
    `What helps: ${remedies}free matrices that are done with${arena.growthRemedy}`;
  return new SoftshardError('ERR_ARENA_FULL', message, { argument: 'options.batchSize', value: rows });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
