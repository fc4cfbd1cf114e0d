// Threads of ranks that share a machine: together they start as many as there are CPUs.
import { readFileSync } from 'node:fs';
import { cpus, hostname } from 'node:os';
import { presentable } from '../../printable.js';
import { availableThreads } from '../machine/available-threads.js';
import { allGatherValues } from './together.js';
import type { Transport } from './transport.js';

/** What a rank says of itself. */
export interface RankPlace {
  /** The same for ranks on one machine, and in one container. */
  readonly host: string;
  /** What a process alone would start. */
  readonly threads: number;
  /** The CPUs that it may run on; undefined where the system does not tell. */
  readonly allowed: readonly number[] | undefined;
  /** Of the machine. */
  readonly cpus: number;
}

/** Rank 0 warns where ranks are bound to few CPUs, or share them. */
export async function shareOfThreads(transport: Transport): Promise<number> {
  const places = await placesOf(transport);
  if (transport.rank === 0) for (const warning of placeWarnings(places)) warn(warning);
  return threadsOf(places, transport.rank);
}

/** Of all ranks. */
export const placesOf = (transport: Transport): Promise<RankPlace[]> =>
  allGatherValues(transport, ownPlace());

/** Each CPU counts for a part where several ranks may use it. */
export function threadsOf(places: readonly RankPlace[], rank: number): number {
  const { host, threads, allowed } = places[rank]!;
  const neighbors = places.filter((place) => place.host === host);
  const share = (cpu: number) =>
    1 / neighbors.filter((place) => place.allowed === undefined || place.allowed.includes(cpu)).length;
  const part =
    allowed === undefined
      ? 1 / neighbors.length
      : allowed.reduce((sum, cpu) => sum + share(cpu), 0) / allowed.length;
  // Thirds add up to a little less than 1.
  return Math.max(1, Math.floor(threads * part + 1e-6));
}

export function placeWarnings(places: readonly RankPlace[]): string[] {
  const warnings: string[] = [];
  for (const host of new Set(places.map((place) => place.host))) {
    const neighbors = places.filter((place) => place.host === host);
    const { cpus: all } = neighbors[0]!;
    const name = host.split(' ', 1)[0]!;
    const used = new Set(neighbors.flatMap(({ allowed }) => allowed ?? []));
    if (neighbors.every(({ allowed }) => allowed?.length === 1) && used.size < all) {
      warnings.push(
        `on ${name}, each of ${ranksOf(neighbors)} may use 1 CPU of the ${all}: Open MPI binds ranks to cores, and threads of a rank share its own. Start them with mpirun --bind-to none`,
      );
    }
    const most = Math.max(...neighbors.map(({ threads }) => threads), used.size);
    if (neighbors.length > most) {
      warnings.push(
        `on ${name}, ${ranksOf(neighbors)} share ${most === 1 ? '1 CPU' : `${most} CPUs`}: fewer ranks, with more threads each, are faster`,
      );
    }
  }
  return warnings;
}

const ranksOf = (places: readonly RankPlace[]): string =>
  places.length === 1 ? '1 rank' : `${places.length} ranks`;

const ownPlace = (): RankPlace => ({
  host: `${hostname()} ${read('/proc/sys/kernel/random/boot_id') ?? ''}`,
  threads: availableThreads(),
  allowed: allowedCpus(read('/proc/self/status')),
  cpus: cpus().length,
});

/** Of "Cpus_allowed_list: 0-3,8", as Linux has it. */
export function allowedCpus(status: string | undefined): number[] | undefined {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)/m.exec(status ?? '') ?? [];
  return list?.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Each once: a program may have several engines. */
const warned = new Set<string>();

function warn(message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  process.emitWarning(presentable(message), { type: 'SoftshardWarning', code: 'WARN_RANKS' });
}
