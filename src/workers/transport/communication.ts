// The thread that alone talks to MPI. It does what main commands, one call at a time, in order.
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { types } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../errors.js';
import { loadKoffi } from '../../koffi.js';
import { Collectives, FailedRank, RanksDiffer } from '../../transport/collectives.js';
import { openMpiLibrary } from '../../transport/mpi-library.js';
import type { TransportCommand, TransportReply, TransportSetup } from '../protocol/transport.js';
import { MpiWire } from './mpi-wire.js';

const { library, watchdogMs, ending } = workerData as TransportSetup;
const port = parentPort!;
const reply = (message: TransportReply, moved: readonly ArrayBuffer[] = []): void =>
  port.postMessage(message, moved);

/** How long MPI_Abort may take to end this process, before it is killed. */
const ABORT_MS = 3000;

/** How long a launcher is given to read why. */
const READING_MS = 100;

/** How long other ranks may take to see that all have come to a barrier. */
const LEAVING_MS = 100;

/** As exit codes of BSD's sysexits.h: EX_TEMPFAIL. */
const WATCHDOG_CODE = 75;

const mpi = openMpiLibrary(loadKoffi(), library);
const place = mpi.init();
let current = 'start';

const wire = new MpiWire(mpi, place, (waitedMs, missing) => {
  // Main calls MPI_Abort itself; should that not end the process, this does.
  if (Atomics.load(ending, 0) !== 0) killIfAlive();
  if (waitedMs > watchdogMs) endProgram(waitedMs, missing());
});
/** By the number of ranks: the first ones of all. */
const groups = new Map<number, Collectives>([[place.ranks, new Collectives(wire)]]);

function groupOf(ranks: number): Collectives {
  const found = groups.get(ranks) ?? new Collectives(wire.ofFirst(ranks));
  groups.set(ranks, found);
  return found;
}

let queue = Promise.resolve();
port.on('message', (command: TransportCommand) => {
  queue = queue.then(() => obey(command));
});
reply({ kind: 'ready', ...place });

async function obey(command: TransportCommand): Promise<void> {
  const { id } = command;
  current = command.call;
  try {
    const result = await run(command);
    reply({ kind: 'done', id, result }, buffersOf(result));
  } catch (error) {
    if (error instanceof FailedRank) reply({ kind: 'failed', id, rank: error.rank, bytes: error.bytes });
    else if (error instanceof RanksDiffer) reply({ kind: 'refused', id, message: error.message });
    else throw error;
  }
}

/** Of bytes that were received, which this thread has no more use for. */
const buffersOf = (result: unknown): ArrayBuffer[] =>
  [result]
    .flat()
    .flatMap((bytes) =>
      types.isUint8Array(bytes) && types.isArrayBuffer(bytes.buffer) ? [bytes.buffer] : [],
    );

async function run(command: TransportCommand): Promise<unknown> {
  const collectives = groupOf(command.ranks ?? place.ranks);
  switch (command.call) {
    case 'allGather':
      return collectives.allGather(command.bytes);
    case 'gather':
      return collectives.gather(command.bytes, command.root);
    case 'broadcast':
      return collectives.broadcast(command.bytes, command.root);
    case 'treeSum':
      return collectives.treeSum(command, command.count);
    case 'barrier':
      return collectives.barrier();
    case 'fail':
      return collectives.fail(command.bytes);
    case 'close':
      // Ranks that are not here yet are waited for where the watchdog sees it, not inside MPI_Finalize.
      await collectives.barrier();
      if (mpi.kind !== 'Open MPI') {
        // MPICH over UCX hangs in a rank that still looks for messages when another finalizes, and so closes their connection.
        if (place.ranks > 1) sleep(LEAVING_MS);
        reply({ kind: 'finalizing', id: command.id });
      }
      mpi.finalize();
      return undefined;
    default:
      throw new Error(`unknown call ${inspectCall(command satisfies never)}`);
  }
}

const inspectCall = (command: unknown): string => messageOf(JSON.stringify(command));

function endProgram(waitedMs: number, missing: readonly number[]): never {
  const seconds = Math.round(waitedMs / 1000);
  const others =
    missing.length === 0 ? 'other ranks' : `rank${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`;
  const cause = `softshard: rank ${place.rank} (${hostname()}): ${current} has waited ${seconds} s for ${others}: lost, hanging or still at work (for which --watchdog, or watchdogSeconds, would give it longer). All ranks end with code ${WATCHDOG_CODE}\n`;
  reply({ kind: 'ending' });
  try {
    writeSync(2, cause);
  } catch {
    // Standard error may be gone with the launcher.
  }
  // MPICH's mpiexec leaves unread what a rank has written last.
  sleep(READING_MS);
  mpi.abort(WATCHDOG_CODE);
  return killIfAlive();
}

const sleep = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

function killIfAlive(): never {
  sleep(ABORT_MS);
  process.kill(process.pid, 'SIGKILL');
  throw new Error('killed');
}
