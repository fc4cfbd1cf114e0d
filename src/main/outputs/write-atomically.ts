// Replaces a file at once: readers see the old content or the new, never a part. Pipes and devices are written to.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Cancellation } from '../cancellation.js';
import { checkOptionNames, checkPath, checkSignal } from '../checks.js';
import { type Output, unlessAborted, writeError } from './output.js';
import { openStream } from './stream.js';
import { findTarget, type OutputTarget } from './target.js';
import { createTemporaryFile } from './temporary-file.js';

/** Appends all of `bytes` to what is being written. */
export type Write = (bytes: Uint8Array) => Promise<void>;

export interface WriteOptions {
  /** Aborting rejects with `signal.reason` and leaves a file as it was. */
  readonly signal?: AbortSignal | undefined;
}

export function checkWriteOptions(options: WriteOptions): Cancellation | undefined {
  checkOptionNames('options', options, ['signal']);
  return checkSignal('options.signal', options.signal);
}

/**
 * Opens a temporary file in the same folder, to which commit() gives the name `path`; a link stays, and its target is
 * replaced. Waits for earlier writers of the same place. Must end with commit() or discard(), which leaves `path` as it was.
 * Failures are ERR_FILE.
 */
export async function openOutput(path: string, signal?: Cancellation): Promise<Output> {
  checkPath(path);
  const told = async <Result>(work: Promise<Result>): Promise<Result> => {
    try {
      return await work;
    } catch (cause) {
      throw signal?.aborted && cause === signal.reason ? cause : writeError(path, cause);
    }
  };
  signal?.throwIfAborted();
  const finding = told(findTarget(path));
  const before = lastFound;
  lastFound = Promise.allSettled([before, finding]);
  await before;
  const target = await finding;
  const endTurn = await takeTurn(target, signal);
  let output: Output;
  try {
    output = await told(
      target.kind === 'file' ? createTemporaryFile(target.path, signal) : openStream(target, signal),
    );
  } catch (error) {
    endTurn();
    throw error;
  }
  const discard = () =>
    output
      .discard()
      .catch(() => {})
      .finally(endTurn);
  return {
    write: (bytes) => told(output.write(bytes)),
    async commit() {
      try {
        await told(output.commit());
        endTurn();
      } catch (error) {
        await discard();
        throw error;
      }
    },
    discard,
  };
}

/** `fill` writes the content; its own errors pass through. After it, aborting has no effect. */
export async function writeFileAtomically(
  path: string,
  fill: (write: Write) => Promise<void>,
  signal?: Cancellation,
): Promise<void> {
  const output = await openOutput(path, signal);
  try {
    await fill(output.write);
  } catch (error) {
    await output.discard();
    throw error;
  }
  await output.commit();
}

/**
 * Resolves to what a path names; throws ERR_FILE if it cannot be written. For use before long work. It tries to write, because
 * permissions do not show read-only file systems and the like.
 */
export async function checkOutput(path: string): Promise<OutputTarget> {
  checkPath(path);
  try {
    const target = await findTarget(path);
    if (target.kind === 'file') await (await createTemporaryFile(target.path)).discard();
    else if (target.kind !== 'descriptor') await access(target.path, constants.W_OK);
    return target;
  } catch (cause) {
    throw writeError(path, cause);
  }
}

/** Settled when all targets so far are found: turns are taken in the order of the calls, however long finding takes. */
let lastFound: Promise<unknown> = Promise.resolve();

/** The last write to each place. */
const lastWrites = new Map<string, Promise<void>>();

/** One write to a file or pipe at a time; devices take several at once. Resolves to what ends the turn. */
async function takeTurn({ kind, path }: OutputTarget, signal: Cancellation | undefined): Promise<() => void> {
  let endTurn = () => {};
  if (kind === 'device' || kind === 'descriptor') return endTurn;
  const turn = new Promise<void>((resolve) => {
    endTurn = resolve;
  });
  const before = lastWrites.get(path);
  // Even if this one gives up earlier, the next one waits for those before it.
  const ended = Promise.all([before, turn]).then(() => {
    if (lastWrites.get(path) === ended) lastWrites.delete(path);
  });
  lastWrites.set(path, ended);
  try {
    if (before !== undefined) await unlessAborted(before, signal);
  } catch (error) {
    endTurn();
    throw error;
  }
  return endTurn;
}
