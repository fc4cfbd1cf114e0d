// Runs a program on ranks that a launcher of MPI starts.
import { spawn } from 'node:child_process';
import type { MpiLauncher } from '../../optional.js';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** A job that does not end is killed after this. */
const MOST_SECONDS = 200;

/** What softshard says. On a machine that does much else MPICH may hang at its end, which is told besides (docs/machines.md). */
export const saidLines = ({ stdout, stderr }: Pick<Finished, 'stdout' | 'stderr'>): string[] =>
  (stdout + stderr).match(/softshard: (?!.*MPI_Finalize hangs).*/g) ?? [];

export function launch(
  { command, options }: MpiLauncher,
  ranks: number,
  args: readonly string[],
  { cwd, env }: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  const begin = performance.now();
  const child = spawn(command, [...options, '-np', String(ranks), process.execPath, ...args], {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, NODE_NO_WARNINGS: '1', SOFTSHARD_DEBUG: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 1000 * MOST_SECONDS,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout, stderr, seconds: (performance.now() - begin) / 1000 }),
    );
  });
}
