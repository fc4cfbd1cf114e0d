// What decides about the bits of a training beside its state: whoever goes on from a checkpoint must have the same.
import { createHash, type Hash } from 'node:crypto';
import { SoftshardError } from '../../../errors.js';
import type { Engine } from '../../engine.js';
import type { Inputs } from '../../models/inputs.js';
import type { RowTargets } from '../../models/row-targets.js';
import { version } from '../../version.js';
import type { Checkpoint } from './checkpoint.js';

export type Conditions = Checkpoint['conditions'];

/** Of inputs, so many bytes at most are looked at, from rows evenly spread. */
const MOST_BYTES = 16 * 1024 * 1024;
const MOST_SHOWN = 3;

/** Throws ERR_CHECKPOINT where any differ. */
export function checkConditions(former: Conditions, present: Conditions): void {
  // Rows that are fetched have no hash. Else a name is missing only where another differs, such as the solver.
  const different = Object.keys(former).filter(
    (name) => present[name] !== undefined && former[name] !== present[name],
  );
  if (different.length === 0) return;
  const shown = different
    .slice(0, MOST_SHOWN)
    .map((name) => `${name} was ${former[name]} and is ${present[name]}`);
  const more = different.length > MOST_SHOWN ? `, and ${different.length - MOST_SHOWN} more` : '';
  const message =
    `options.resumeFrom is of a training in which ${shown.join(', ')}${more}: the bits would not be those of one that was ` +
    'never cut off. Pass the same rows, targets and options, or begin anew';
  throw new SoftshardError('ERR_CHECKPOINT', message, {
    argument: 'options.resumeFrom',
    value: different[0],
  });
}

/** Of the kernels. Wide SIMD and threads change no bit. */
export function engineConditions({ numerics, blas }: Engine): Conditions {
  return {
    softshard: version,
    // Fused operations: see Numerics.
    numerics: numerics === 'fast' ? `${numerics} on ${process.arch}` : numerics,
    BLAS: blas === undefined ? 'none' : `${blas.name} ${blas.version}`,
  };
}

/** Options that change no bit, and the state itself. */
const LEFT_OUT: ReadonlySet<string> = new Set(['signal', 'checkpoints', 'resumeFrom', 'kept', 'span']);

/** Each of some options under a name of its own: callbacks left out, arrays by their hash. */
export function optionConditions(options: object, prefix = ''): Conditions {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([name, value]) => typeof value !== 'function' && !LEFT_OUT.has(name))
      .map(([name, value]) => [`${prefix}${name}`, textOf(value)]),
  );
}

/** Rows that are fetched are not read for this alone. */
export const inputsConditions = ({ elements, rows }: Inputs): Conditions =>
  elements === undefined ? {} : { inputs: inputsHash(elements, rows) };

/** Of rows and their targets. */
export function rowConditions(inputs: Inputs, targets: RowTargets): Conditions {
  const { classes, softTargets, sampleWeight, mask } = targets;
  return {
    rows: String(inputs.rows),
    ...inputsConditions(inputs),
    targets: hashOf([classes, softTargets?.elements]),
    sampleWeight: sampleWeight === undefined ? 'none' : hashOf([sampleWeight]),
    mask: mask === undefined ? 'none' : hashOf([mask.elements]),
  };
}

/** Arrays become hashes, so that none of it is long. */
export function textOf(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'function') return undefined;
    if (typeof part === 'number' && !Number.isFinite(part)) return String(part);
    return ArrayBuffer.isView(part) ? hashOf([part]) : part;
  });
  return text === undefined
    ? 'none'
    : text.length > 200
      ? shortHash(createHash('sha256').update(text))
      : text;
}

function hashOf(arrays: readonly (ArrayBufferView | undefined)[]): string {
  const hash = createHash('sha256');
  for (const array of arrays) if (array !== undefined) update(hash, array);
  return shortHash(hash);
}

const shortHash = (hash: Hash): string => hash.digest('hex').slice(0, 16);

/** A copy, as hashes take no shared memory. */
const update = (hash: Hash, { buffer, byteOffset, byteLength }: ArrayBufferView): Hash =>
  hash.update(new Uint8Array(buffer, byteOffset, byteLength).slice());

/** Of rows evenly spread. */
export function inputsHash({ buffer, byteOffset, byteLength }: ArrayBufferView, rows: number): string {
  const rowBytes = byteLength / Math.max(1, rows);
  const count = Math.min(rows, Math.max(1, Math.floor(MOST_BYTES / Math.max(1, rowBytes))));
  const hash = createHash('sha256');
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * rows) / count);
    update(hash, new Uint8Array(buffer, byteOffset + row * rowBytes, rowBytes));
  }
  return shortHash(hash);
}
