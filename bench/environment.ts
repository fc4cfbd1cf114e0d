// Where and on what a benchmark ran: a figure without it means nothing.
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import { availableThreads } from '#softshard/main/index.js';

export interface Environment {
  readonly date: string;
  /** Short hash, with "-dirty" after it when files were changed; null outside a git checkout. */
  readonly commit: string | null;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly cpu: string;
  /** What this process may use (affinity, CPU quota), not what the machine has. */
  readonly cores: number;
  readonly memoryGiB: number;
  /** Of the last minute, before the benchmark: above 0.5 or so, others were using the machine. */
  readonly loadBefore: number;
}

export const readEnvironment = (): Environment => ({
  date: new Date().toISOString(),
  commit: readCommit(),
  node: process.versions.node,
  v8: process.versions.v8,
  platform: `${process.platform} ${process.arch}`,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableThreads(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  loadBefore: loadavg()[0]!,
});

function readCommit(): string | null {
  const git = (...options: string[]) =>
    execFileSync('git', options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const commit = git('rev-parse', '--short', 'HEAD');
    return git('status', '--porcelain') === '' ? commit : `${commit}-dirty`;
  } catch {
    return null;
  }
}

export const environmentLine = ({ cpu, cores, node, v8, commit, date, loadBefore }: Environment): string =>
  `${cpu}, ${cores} cores; Node ${node} (V8 ${v8}); commit ${commit ?? 'unknown'}; ${date.slice(0, 10)}; ` +
  `load before ${loadBefore.toFixed(2)}`;
