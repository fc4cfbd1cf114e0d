// Replaces a file all at once: readers meet the former content or the new one, never a part. Pipes and devices, which
// nothing can replace, are written to.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { checkOptionNames, checkPath, checkSignal } from '../arguments/checks.js';

import type { Cancellation } from '../dispatch/cancellation.js';
import { type Output, unlessAborted, writeError } from './output.js';
import { openStream } from './stream.js';
import { findTarget, type OutputTarget } from './target.js';
import { createTemporaryFile } from './temporary-file.js';

/** Appends all of `bytes` to what is being written. */
export type Write = (bytes: Uint8Array) => Promise<void>;

export interface WriteOptions {
  /** Aborting rejects with `signal.reason`; a file then is left as it was. */
  readonly signal?: AbortSignal | undefined;
}

/** Gives what cancels the write. */
export function checkWriteOptions(options: WriteOptions): Cancellation | undefined {
  checkOptionNames('options', options, ['signal']);
  return checkSignal('options.signal', options.signal);
}

/**
 * `fill` writes the content to a temporary file in the same folder, which then takes the name `path`; what a link leads to
 * is replaced, not the link. When anything fails, the temporary file is removed and `path` is left as it was. What fails
 * to be written is ERR_FILE; what else `fill` throws passes through. Once `fill` is done, aborting comes too late.
 */
export async function writeFileAtomically(
  path: string,
  fill: (write: Write) => Promise<void>,
  signal?: Cancellation,
): Promise<void> {
  checkPath(path);
  /** The error of a place to write to as the caller gets it. */
  const told = async <Result>(work: Promise<Result>): Promise<Result> => {
    try {
      return await work;
    } catch (cause) {
      throw signal?.aborted && cause === signal.reason ? cause : writeError(path, cause);
    }
  };
  signal?.throwIfAborted();
  const target = await told(findTarget(path));
  await inTurn(target, signal, async () => {
    const output = await told(openOutput(target, signal));
    try {
      await fill((bytes) => told(output.write(bytes)));
      await told(output.commit());
    } catch (error) {
      await output.discard().catch(() => {});
      throw error;
    }
  });
}

/**
 * Says what a path names, and throws ERR_FILE where nothing can be written: it tries, since permissions do not tell of
 * read-only file systems and their like. To be asked before long work.
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

function openOutput(target: OutputTarget, signal: Cancellation | undefined): Promise<Output> {
  return target.kind === 'file' ? createTemporaryFile(target.path, signal) : openStream(target, signal);
}

/** The last write to each place: each waits for the one before. */
const lastWrites = new Map<string, Promise<void>>();

/** One write to a file or pipe at a time. Devices take many at once. */
async function inTurn(
  { kind, path }: OutputTarget,
  signal: Cancellation | undefined,
  work: () => Promise<void>,
): Promise<void> {
  if (kind === 'device' || kind === 'descriptor') return work();
  const before = lastWrites.get(path);
  const writing = before === undefined ? work() : unlessAborted(before, signal).then(work);
  // Also where this one gives up earlier: the next one waits for those before it.
  const ended = Promise.allSettled([before, writing]).then(() => {
    if (lastWrites.get(path) === ended) lastWrites.delete(path);
  });
  lastWrites.set(path, ended);
  await writing;
}
