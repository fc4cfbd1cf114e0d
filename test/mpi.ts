// Launchers of MPI, which a machine need not have. Apart from optional.ts, which loads libraries when it looks for them.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

/** The package that opens libraries: an optional dependency. */
export const hasKoffi: boolean = (() => {
  try {
    createRequire(import.meta.url)('koffi');
    return true;
  } catch {
    return false;
  }
})();

export interface MpiLauncher {
  readonly name: string;
  readonly command: string;
  readonly options: readonly string[];
}

/** The launchers of MPI that are here, with what they need for more ranks than cores, and for root (Debian: openmpi-bin, mpich). */
export const mpiLaunchers: readonly MpiLauncher[] = [
  {
    name: 'Open MPI',
    command: 'mpirun.openmpi',
    options: ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none'],
  },
  { name: 'MPICH', command: 'mpirun.mpich', options: [] },
].filter(({ command }) => hasKoffi && spawnSync(command, ['--version']).status === 0);
