// The processes of one comparison: those that can be had, and why the others cannot.
import { PeerProcess, PeerUnavailable } from './peer-process.js';
import type { Comparison } from './results.js';
import type { By } from './turns.js';

export const TORCH_REMEDY = 'install PyTorch (Debian: apt install python3-torch)';

/** Of a module that calls serveOurs, by variant. */
const OURS = { softshard: 'default', 'softshard wide': 'wide', 'softshard BLAS': 'blas' } as const;
export type Ours = keyof typeof OURS;

export class Sides {
  readonly #processes = new Map<By, PeerProcess>();
  readonly missing: string[] = [];

  /** Adds what `start` gives, or notes why it cannot be had. */
  async add(by: By, start: () => Promise<PeerProcess>): Promise<void> {
    try {
      this.#processes.set(by, await start());
    } catch (error) {
      if (!(error instanceof PeerUnavailable)) throw error;
      this.missing.push(`${by} is left out: ${error.message}.`);
    }
  }

  async addOurs(module: string, variants: readonly Ours[]): Promise<void> {
    for (const by of variants) await this.add(by, () => PeerProcess.ours(module, OURS[by]));
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

  get versions(): string[] {
    return [...this.#processes.values()].map(({ version }) => version);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.close()));
  }
}

/** Runs a comparison on sides that are closed at its end. */
export async function withSides(
  compare: (sides: Sides) => Promise<Pick<Comparison, 'rows' | 'remarks'>>,
): Promise<Comparison> {
  const sides = new Sides();
  try {
    const compared = await compare(sides);
    return { ...compared, versions: sides.versions, missing: sides.missing };
  } finally {
    await sides.close();
  }
}
