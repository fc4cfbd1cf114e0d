// Who had the cores while something was timed: what was measured, or others on the machine.
import { cpus } from 'node:os';

export interface CoreUse {
  /** Cores that the measured work kept busy, on average. */
  readonly own: number;
  /**
   * Cores that all others kept busy. Where it is not near 0, threads did not have the cores they were counted on, and a
   * figure says something of the machine, not of the code.
   */
  readonly others: number;
}

/** Adds up over several stretches of time. */
export class CoreUseMeter {
  #ownMs = 0;
  #busyMs = 0;
  #wallMs = 0;

  /** Starts a stretch; the function given ends it, and takes the processor time of work done in another process. */
  start(): (ownMs?: number) => void {
    const wall = performance.now();
    const busy = busyMs();
    const own = process.cpuUsage();
    return (ownMs = 0) => {
      const { user, system } = process.cpuUsage(own);
      this.#ownMs += ownMs + (user + system) / 1000;
      this.#busyMs += busyMs() - busy;
      this.#wallMs += performance.now() - wall;
    };
  }

  read(): CoreUse {
    const own = this.#ownMs / this.#wallMs;
    // The machine's clock counts in ticks of some 10 ms, the process's is finer: short stretches may seem negative.
    return { own, others: Math.max(0, this.#busyMs / this.#wallMs - own) };
  }
}

const busyMs = (): number =>
  cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
