// Runs recorded cases in each place that arrays can be in: engines of one build, for the test and for the script that
// records.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArenaTensor, Engine, type Numerics, SoftshardError } from '#softshard/main/index.js';
import { type Case, DEFAULT_ROOM, type Place, type Values } from './case.js';

const MIB = 1024 * 1024;
/** A case that finds no room gets this many times as much; one that says how much it needs, a little more. */
const ROOM_STEP = 1.25;
const FINE_ROOM_STEP = 1.05;

interface Setup {
  /** What failures call it. */
  readonly name: string;
  readonly threads: number;
  readonly arenaBytes: number;
  readonly inArena: boolean;
  /** Whether no more of the arena is free than the case needs. */
  readonly isSmall: boolean;
}

/** The first is what is recorded; the results of the others have the same bits. */
const SETUPS: readonly Setup[] = [
  { name: '1 thread, plain arrays', threads: 1, arenaBytes: 256 * MIB, inArena: false, isSmall: false },
  {
    name: '3 threads, arrays in the arena',
    threads: 3,
    arenaBytes: 256 * MIB,
    inArena: true,
    isSmall: false,
  },
  {
    name: '3 threads, plain arrays, little memory',
    threads: 3,
    arenaBytes: 16 * MIB,
    inArena: false,
    isSmall: true,
  },
];

export interface Run {
  readonly where: string;
  readonly values: Values;
}

export class Setups {
  readonly #setups: readonly OpenSetup[];

  private constructor(setups: readonly OpenSetup[]) {
    this.#setups = setups;
  }

  static async open(numerics: Numerics): Promise<Setups> {
    return new Setups(await Promise.all(SETUPS.map((setup) => OpenSetup.open(setup, numerics))));
  }

  /** In the first place alone: what is recorded. */
  first(recorded: Case): Promise<Values> {
    return this.#setups[0]!.run(recorded);
  }

  async *all(recorded: Case): AsyncGenerator<Run, void, undefined> {
    for (const setup of this.#setups) {
      if (setup.takes(recorded)) yield { where: setup.name, values: await setup.run(recorded) };
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#setups.map((setup) => setup.close()));
  }
}

class OpenSetup {
  readonly #setup: Setup;
  readonly #engine: Engine;
  readonly #room: Room | undefined;

  private constructor(setup: Setup, engine: Engine) {
    this.#setup = setup;
    this.#engine = engine;
    this.#room = setup.isSmall ? new Room(engine) : undefined;
  }

  static async open(setup: Setup, numerics: Numerics): Promise<OpenSetup> {
    const { threads, arenaBytes } = setup;
    return new OpenSetup(setup, await Engine.create({ threads, arenaBytes, numerics, blas: false }));
  }

  get name(): string {
    return this.#setup.name;
  }

  takes({ room }: Case): boolean {
    return !this.#setup.isSmall || room !== 0;
  }

  async run(recorded: Case): Promise<Values> {
    const step = recorded.room === undefined ? ROOM_STEP : FINE_ROOM_STEP;
    let room = recorded.room ?? DEFAULT_ROOM;
    for (;;) {
      try {
        this.#room?.leave(room);
        return await this.#runOnce(recorded);
      } catch (cause) {
        room = Math.ceil(room * step);
        const isFull = cause instanceof SoftshardError && cause.code === 'ERR_ARENA_FULL';
        if (isFull && this.#room !== undefined && room < this.#setup.arenaBytes) continue;
        throw new Error(`${recorded.name} (${this.name}): ${cause}`, { cause });
      }
    }
  }

  async #runOnce({ run }: Case): Promise<Values> {
    const engine = this.#engine;
    const placed: ArenaTensor[] = [];
    let folder: string | undefined;
    const place: Place = {
      engine,
      folder: () => {
        folder ??= mkdtempSync(join(tmpdir(), 'softshard-recorded-'));
        return folder;
      },
      put: (type, dims, data) => {
        if (!this.#setup.inArena) return { type, dims, data };
        const tensor = engine.tensor(type, dims);
        tensor.data.set(data as Float32Array);
        placed.push(tensor);
        return tensor;
      },
      take: (tensor) => {
        const copy = tensor?.data.slice();
        if (tensor !== undefined && !placed.includes(tensor as ArenaTensor) && 'free' in tensor) {
          (tensor as ArenaTensor).free();
        }
        return copy;
      },
    };
    try {
      return await run(place);
    } finally {
      for (const tensor of placed) tensor.free();
      if (folder !== undefined) rmSync(folder, { recursive: true });
    }
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

/** How much of an arena is free: the rest is taken, in pieces that are given back from the last on. */
class Room {
  readonly #engine: Engine;
  readonly #taken: ArenaTensor[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
    // Pieces of many sizes: what is taken again is cleared, which would take long for one large piece.
    for (let room = this.#free; room > DEFAULT_ROOM; room /= 2) this.leave(Math.floor(room));
  }

  get #free(): number {
    return this.#engine.memoryUsage().freeBytes;
  }

  leave(bytes: number): void {
    while (this.#free < bytes) this.#taken.pop()!.free();
    const rest = this.#free - bytes;
    if (rest > 0) this.#taken.push(this.#engine.tensor('uint8', [rest]));
  }
}
