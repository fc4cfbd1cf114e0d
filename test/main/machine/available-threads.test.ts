import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { availableThreads, cpuQuota } from '#softshard/main/machine/available-threads.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'softshard-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A system with these files. */
function files(contents: Readonly<Record<string, string>>): string {
  for (const [path, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const NONE = Number.POSITIVE_INFINITY;
const GROUP = 'proc/self/cgroup';

describe('the CPU quota of cgroup version 2', () => {
  test.each([
    ['250000 100000\n', 2.5],
    ['max 100000\n', NONE],
    ['', NONE],
  ])('cpu.max %j is %d CPUs', (max, cpus) => {
    expect(cpuQuota(files({ [GROUP]: '0::/job\n', 'sys/fs/cgroup/job/cpu.max': max }))).toBe(cpus);
  });

  test('is the tightest of the group and those above it', () => {
    const system = files({
      [GROUP]: '0::/limits/job:1/step\n',
      'sys/fs/cgroup/limits/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/limits/job:1/cpu.max': '50000 50000\n',
      'sys/fs/cgroup/limits/job:1/step/cpu.max': '300000 100000\n',
    });
    expect(cpuQuota(system)).toBe(1);
  });

  test.each(['/', '/../other', '/docker/0123/child'])('in a container, where the path is %j', (path) => {
    const system = files({ [GROUP]: `0::${path}\n`, 'sys/fs/cgroup/cpu.max': '75000 100000\n' });
    expect(cpuQuota(system)).toBe(0.75);
  });
});

describe('the CPU quota of cgroup version 1', () => {
  test.each(['cpu', 'cpu,cpuacct', 'cpuacct,cpu'])('of the controllers %s', (controllers) => {
    const system = files({
      [GROUP]: `5:memory:/job\n4:${controllers}:/job\n3:cpuset:/\n0::/\n`,
      [`sys/fs/cgroup/${controllers}/job/cpu.cfs_quota_us`]: '400000\n',
      [`sys/fs/cgroup/${controllers}/job/cpu.cfs_period_us`]: '100000\n',
      [`sys/fs/cgroup/${controllers}/cpu.cfs_quota_us`]: '-1\n',
      [`sys/fs/cgroup/${controllers}/cpu.cfs_period_us`]: '100000\n',
    });
    expect(cpuQuota(system)).toBe(4);
  });

  test('is none where only cpuset and cpuacct are there', () => {
    const system = files({
      [GROUP]: '2:cpuset:/\n1:cpuacct:/\n',
      'sys/fs/cgroup/cpuset/cpu.cfs_quota_us': '100000\n',
      'sys/fs/cgroup/cpuset/cpu.cfs_period_us': '100000\n',
    });
    expect(cpuQuota(system)).toBe(NONE);
  });
});

describe('available threads', () => {
  test('are those of os.availableParallelism() where there are no cgroups', () => {
    expect(availableThreads(root)).toBe(availableParallelism());
  });

  test.each([
    ['50000 100000', 1],
    ['100000 100000', 1],
    ['199000 100000', 1],
  ])('are at most the whole CPUs of a quota of %s, and at least one', (max, threads) => {
    expect(availableThreads(files({ [GROUP]: '0::/\n', 'sys/fs/cgroup/cpu.max': max }))).toBe(threads);
  });

  test('are not more than the CPUs that there are, whatever the quota', () => {
    const system = files({ [GROUP]: '0::/\n', 'sys/fs/cgroup/cpu.max': '100000000 100000' });
    expect(availableThreads(system)).toBe(availableParallelism());
  });
});
