// Writes into pipes, devices and open files, which cannot be replaced.

import { once } from 'node:events';
import { close, constants, fstat, open, write } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Cancellation } from '../cancellation.js';
import { codeOf, type Output, unlessAborted, writeAll } from './output.js';
import type { OutputTarget } from './target.js';

// By descriptor: a FileHandle cannot adopt one, and Socket takes one.
const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat);
const writeFile = promisify(write);

/** Waits for a pipe's reader. Aborting ends this wait and each write. */
export async function openStream(
  target: Exclude<OutputTarget, { kind: 'file' }>,
  signal: Cancellation | undefined,
): Promise<Output> {
  if (target.kind === 'pipe') return pipeOutput(await openPipe(target.path, signal), signal);
  if (target.kind === 'device') {
    const opened = await openFile(target.path, FLAGS);
    return descriptorOutput(opened, signal, () => closeFile(opened));
  }
  const { descriptor } = target;
  if (descriptor > 2 || descriptor === 0 || (await statFile(descriptor)).isFile()) {
    return descriptorOutput(descriptor, signal, async () => {});
  }
  return streamOutput(descriptor === 1 ? process.stdout : process.stderr, signal, async () => {});
}

/** Time between two tries of a pipe without reader, or a device that takes nothing. */
const RETRY_MS = 20;

/**
 * O_NONBLOCK keeps opening and writing from waiting inside the system: a thread that waits there blocks even process.exit.
 * Windows has neither flag.
 */
const FLAGS = constants.O_WRONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

async function openPipe(path: string, signal: Cancellation | undefined): Promise<number> {
  for (;;) {
    signal?.throwIfAborted();
    const opened = await unlessCode('ENXIO', () => openFile(path, FLAGS));
    if (opened === undefined) {
      await setTimeout(RETRY_MS);
      continue;
    }
    if ((await statFile(opened)).isFIFO()) return opened;
    await closeFile(opened);
    throw new Error('something else came in the place of the pipe: try again');
  }
}

/** Resolves to undefined if the system fails with this code. */
async function unlessCode<Result>(code: string, work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === code) return undefined;
    throw error;
  }
}

/** A socket, because the event loop then waits for room in the pipe. */
function pipeOutput(descriptor: number, signal: Cancellation | undefined): Output {
  const socket = new Socket({ fd: descriptor, readable: false, writable: true });
  return streamOutput(socket, signal, async () => {
    if (socket.closed) return;
    const closed = once(socket, 'close');
    // Not end(): the system has all that was written.
    socket.destroy();
    await closed;
  });
}

function streamOutput(
  stream: Writable,
  signal: Cancellation | undefined,
  close: () => Promise<void>,
): Output {
  // Each write reports its own error; an error event without a listener would end the process.
  const onError = () => {};
  stream.on('error', onError);
  const end = async () => {
    await close();
    stream.off('error', onError);
  };
  const writePart = (part: Uint8Array) =>
    new Promise<number>((resolve, reject) => {
      stream.write(part, (error) => (error ? reject(error) : resolve(part.length)));
    });
  return {
    write: (bytes) =>
      writeAll(bytes, async (part) => {
        signal?.throwIfAborted();
        return unlessAborted(writePart(part), signal);
      }),
    commit: end,
    discard: end,
  };
}

function descriptorOutput(
  descriptor: number,
  signal: Cancellation | undefined,
  close: () => Promise<void>,
): Output {
  let isOpen = true;
  const end = async () => {
    if (!isOpen) return;
    isOpen = false;
    await close();
  };
  const writePart = async (part: Uint8Array): Promise<number> => {
    for (;;) {
      signal?.throwIfAborted();
      const result = await unlessCode('EAGAIN', () => writeFile(descriptor, part, 0, part.length, null));
      if (result !== undefined) return result.bytesWritten;
      await setTimeout(RETRY_MS);
    }
  };
  return { write: (bytes) => writeAll(bytes, writePart), commit: end, discard: end };
}
