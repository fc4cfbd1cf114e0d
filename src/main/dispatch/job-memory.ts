// Which jobs must not run side by side: those that write memory another one reads or writes.
import { HEAP_BASE } from '../../kernels/layout.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { GangJob } from '../../workers/protocol.js';

type FieldOf<Job> = Job extends unknown ? keyof Job : never;

/** Addresses of results that may be a caller's memory, and of scratch memory that jobs of one call share. */
const WRITTEN: readonly FieldOf<GangJob>[] = [
  'output',
  'gradInputs',
  'gradWeights',
  'gradBias',
  'probabilities',
  'scratch',
];

/** The addresses in a job: where each of its arrays begins. Two jobs that share an array in the arena know it by one address. */
export class JobMemory {
  readonly #addresses = new Set<number>();
  readonly #written: readonly number[];

  /** `arrays`: where arrays begin that the job reads or writes a part of. All count as written: such jobs are large. */
  constructor(job: GangJob, arrays: readonly Ptr[]) {
    this.#add(job);
    for (const ptr of arrays) this.#addresses.add(ptr);
    const written = WRITTEN.map((field) => (job as Partial<Record<string, unknown>>)[field]);
    this.#written = [...written.filter(isAddress), ...arrays];
  }

  conflictsWith(other: JobMemory): boolean {
    return this.#writesFor(other) || other.#writesFor(this);
  }

  #writesFor(other: JobMemory): boolean {
    return this.#written.some((address) => other.#addresses.has(address));
  }

  /** All numbers of the job and the records in it. To take a count for an address only lets a job wait for another. */
  #add(record: object): void {
    for (const value of Object.values(record)) {
      if (isAddress(value)) this.#addresses.add(value);
      else if (typeof value === 'object' && value !== null) this.#add(value);
    }
  }
}

const isAddress = (value: unknown): value is number => typeof value === 'number' && value >= HEAP_BASE;
