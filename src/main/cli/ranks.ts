// Commands on several ranks (docs/machines.md): joined before the command begins, left when all are done, with one report of what
// went wrong.

import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { findLaunch, openMpi, type Transport } from '../index.js';
import { given } from './command-options.js';
import { UsageError } from './failures.js';
import { Interrupted } from './interruption.js';

export interface RankFlags {
  /** False for --no-mpi. */
  mpi?: boolean;
  mpiLibrary?: string;
  watchdog?: number;
}

let transport: Transport | undefined;

export const ownTransport = (): Transport | undefined => transport;

/** What its messages begin with. */
export const ownName = (): string => (transport === undefined ? '' : `rank ${transport.rank}: `);

const VARIABLE = 'SOFTSHARD_MPI';

const launch = process.env[VARIABLE] === '0' ? undefined : findLaunch();

/** Whether results, progress and what went wrong are for another rank to print. */
export const isSilent = (): boolean => (transport?.rank ?? launch?.rank ?? 0) > 0;

/** Whether other ranks wait, or will, for this one to join them. */
export const isAwaited = (): boolean => transport === undefined && (launch?.ranks ?? 1) > 1;

/** Before the action of a command, whose options are parsed. */
export async function joinRanks(command: Command): Promise<void> {
  const { mpi, mpiLibrary, watchdog } = command.opts<RankFlags>();
  // verify runs another command.
  if (transport !== undefined) return;
  if (launch === undefined || launch.ranks <= 1 || mpi === false) return;
  if (mpi === undefined) {
    throw new UsageError(
      `${command.name()} works in one process, and ${launch.launcher} starts ${launch.ranks}: start it without (or with ${VARIABLE}=0 in the environment, where each is to do the same work)`,
    );
  }
  transport = await openMpi(given({ library: mpiLibrary, watchdogSeconds: watchdog }));
}

/** How often ranks hear from rank 0 that it is still at work: far below their watchdog. */
const STILL_MS = 500;

/** What rank 0 does alone, as it writes all files: the others wait, however long it takes, and get undefined. */
export async function onRank0<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  if (transport === undefined) return work();
  if (transport.rank > 0) {
    for (let isDone = false; !isDone; ) isDone = (await transport.broadcast(undefined))[0] === 1;
    return undefined;
  }
  let isDone = false;
  const doing = work().finally(() => {
    isDone = true;
  });
  doing.catch(() => {});
  while (!isDone) {
    await Promise.race([doing.catch(() => {}), setTimeout(STILL_MS, undefined, { ref: false })]);
    if (!isDone) await transport.broadcast(Uint8Array.of(0));
  }
  const result = await doing;
  await transport.broadcast(Uint8Array.of(1));
  return result;
}

/** Rejects if another rank fails instead. */
export async function leaveRanks(): Promise<void> {
  await transport?.close();
}

/** How long other ranks may take to hear that this one has failed, before they are ended; and where rank 0 saves what there is. */
const PATIENCE_MS = 5000;
const INTERRUPTED_PATIENCE_MS = 30_000;

/** Tells the other ranks of an error. Gives whether this rank is the one to report it. */
export async function shareFailure(error: unknown, text: string, code: number): Promise<boolean> {
  if (transport === undefined) return !isSilent();
  const { rank } = transport;
  const told = transport.fail(error);
  const patienceMs = error instanceof Interrupted ? INTERRUPTED_PATIENCE_MS : PATIENCE_MS;
  const first = await Promise.race([told, setTimeout(patienceMs, undefined, { ref: false })]);
  // They compute, or are lost.
  if (first === undefined) transport.abort(text, code);
  await leaveWithOthers(transport);
  return first === rank;
}

/** Others may have something else to tell before they leave. */
async function leaveWithOthers(transport: Transport): Promise<void> {
  for (let told = 0; ; told++) {
    try {
      return await transport.close();
    } catch (error) {
      if (told === transport.ranks) throw error;
    }
  }
}
