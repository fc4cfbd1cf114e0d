// Which process is which: of this machine and boot, and whether one still runs.
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

let mark: string | undefined;

/**
 * Identifies who counts processes: a process number is unique only within one boot of a system and one of its containers.
 */
export function hostMark(): string {
  mark ??= createHash('sha256')
    .update(
      [
        read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')) ?? hostname(),
        read(() => readlinkSync('/proc/self/ns/pid')) ?? process.platform,
      ].join(),
    )
    .digest('hex')
    .slice(0, 8);
  return mark;
}

/** Of this machine: whether there is a process of that number. One that has ended, but was not waited for, does not run. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return statOf(pid)?.state !== 'Z';
}

/** When a process began, in ticks since the boot: tells it from a later one of the same number. Undefined but on Linux. */
export const startOf = (pid: number): string | undefined => statOf(pid)?.start;

function statOf(pid: number): { readonly state: string; readonly start: string } | undefined {
  const text = read(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  // The name, in brackets, may hold anything.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, start] = [fields?.[0], fields?.[START_FIELD]];
  return state === undefined || start === undefined ? undefined : { state, start };
}

/** starttime is the 22nd field of proc(5), the state the third. */
const START_FIELD = 22 - 3;

function read(from: () => string): string | undefined {
  try {
    return from();
  } catch {
    return undefined;
  }
}
