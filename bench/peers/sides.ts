// The processes of one comparison: those that can be had and have not failed, and why the others are left out.
import type { ComparisonName } from './options.js';
import { LIMIT_MS, PeerFailure, PeerProcess, PeerUnavailable } from './peer-process.js';
import type { Part } from './results.js';
import type { ResultsFile } from './results-file.js';
import type { By } from './turns.js';

/** Of a module that calls serveOurs, by variant. */
const OURS = { softshard: 'default', 'softshard wide': 'wide', 'softshard BLAS': 'blas' } as const;
export type Ours = keyof typeof OURS;

/** The one without which there is nothing to compare. */
const NEEDED: By = 'softshard';
const LONGEST_REASON = 300;

export class Sides {
  readonly #comparison: ComparisonName;
  readonly #results: Pick<ResultsFile, 'add'>;
  readonly #limitMs: number;
  readonly #processes = new Map<By, PeerProcess>();

  constructor(comparison: ComparisonName, results: Pick<ResultsFile, 'add'>, limitMs: number) {
    this.#comparison = comparison;
    this.#results = results;
    this.#limitMs = limitMs;
  }

  /** Adds what `start` gives, or notes why it cannot be had. */
  async add(by: By, start: () => Promise<PeerProcess>): Promise<void> {
    try {
      const peer = await start();
      peer.limitMs = this.#limitMs;
      this.#processes.set(by, peer);
      this.#results.add({ versions: [peer.version] });
    } catch (error) {
      if (!(error instanceof PeerUnavailable)) throw error;
      if (by === NEEDED) throw new Error(`${by} cannot take part: ${error.message}`, { cause: error });
      this.#miss(by, error.message);
    }
  }

  async addOurs(module: string, variants: readonly Ours[]): Promise<void> {
    for (const by of variants) await this.add(by, () => PeerProcess.ours(module, OURS[by]));
  }

  /** Does what needs all of them. Who fails is named, ended and left out, and the work is done again by the others. */
  async attempt<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof PeerFailure)) throw error;
        this.#drop(error, what);
      }
    }
  }

  /** A case, whose figures are kept whatever comes after it. */
  async measure(what: string, work: () => Promise<Partial<Part>>): Promise<void> {
    process.stderr.write(`${what}\n`);
    this.#results.add(await this.attempt(what, work));
  }

  get(by: By): PeerProcess | undefined {
    return this.#processes.get(by);
  }

  ours(): (readonly [by: By, process: PeerProcess])[] {
    return this.all().filter(([by]) => by in OURS);
  }

  /** In the order in which they were added. */
  all(): (readonly [by: By, process: PeerProcess])[] {
    return [...this.#processes];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.close()));
  }

  #drop({ peer, message }: PeerFailure, what: string): void {
    const [by] = this.all().find(([, process]) => process === peer)!;
    peer.kill();
    if (by === NEEDED) throw new Error(`${by} failed at ${what}: ${message}`);
    this.#processes.delete(by);
    this.#miss(by, `failed at ${what}: ${message}`);
  }

  #miss(who: By, message: string): void {
    const reason = message.split('\n', 1)[0]!.slice(0, LONGEST_REASON);
    process.stderr.write(`${who} is left out: ${reason}\n`);
    this.#results.add({ missing: [{ who, comparison: this.#comparison, reason }] });
  }
}

/** Runs a comparison on sides that are closed at its end. A side that takes longer for one answer is ended and named. */
export async function withSides(
  comparison: ComparisonName,
  results: Pick<ResultsFile, 'add'>,
  compare: (sides: Sides) => Promise<void>,
  limitMs = LIMIT_MS,
): Promise<void> {
  const sides = new Sides(comparison, results, limitMs);
  try {
    await compare(sides);
  } finally {
    await sides.close();
  }
}
