// How many threads this process can run at once: what an engine starts by default.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/**
 * os.availableParallelism() knows the CPUs that this process may use (affinity, as of taskset or a cpuset). CPU quotas
 * (docker --cpus, limits of Kubernetes, CPUQuota of systemd) Node 20 does not know at all, and Node 24 not of every cgroup v1;
 * with more threads than the quota has CPUs, all of them stand still for a part of each period. Of a part of a CPU nothing
 * is used, but of the first. root is for tests.
 */
export function availableThreads(root = '/'): number {
  return Math.max(1, Math.floor(Math.min(availableParallelism(), cpuQuota(root))));
}

/** CPUs by the tightest quota of this process's cgroup and those above it; Infinity without any. */
export function cpuQuota(root: string): number {
  const quotas = (read(root, 'proc/self/cgroup') ?? '').split('\n').flatMap((line) => {
    const [hierarchy, controllers = '', ...path] = line.split(':');
    const folders = foldersUp(path.join(':'));
    if (hierarchy === '0')
      return folders.map((folder) => quotaOfVersion2(root, join('sys/fs/cgroup', folder)));
    if (!controllers.split(',').includes('cpu')) return [];
    return folders.map((folder) => quotaOfVersion1(root, join('sys/fs/cgroup', controllers, folder)));
  });
  return Math.min(...quotas);
}

/**
 * The folder of a cgroup below its hierarchy's mount point, and those above it. In a container the path may be the host's:
 * then only the uppermost exists, which is the container's own.
 */
function foldersUp(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '..');
  return Array.from({ length: names.length + 1 }, (_, depth) => names.slice(0, depth).join('/'));
}

/** cpu.max holds "quota period" in µs, or "max period". */
function quotaOfVersion2(root: string, folder: string): number {
  const [quota, period] = (read(root, folder, 'cpu.max') ?? 'max').split(' ').map(Number);
  return cpusOf(quota, period);
}

/** A quota of -1 is none. */
const quotaOfVersion1 = (root: string, folder: string): number =>
  cpusOf(Number(read(root, folder, 'cpu.cfs_quota_us')), Number(read(root, folder, 'cpu.cfs_period_us')));

const cpusOf = (quota = 0, period = 0): number =>
  quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY;

function read(...path: readonly string[]): string | undefined {
  try {
    return readFileSync(join(...path), 'utf8');
  } catch {
    // No Linux, no such hierarchy, or a folder of the host: no quota from there.
    return undefined;
  }
}
