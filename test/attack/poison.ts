// Memory that was used before: whatever lies in free memory, results have the bits they have where it is zero, and
// nothing beside what a call works on is written to.
import { GROUP_SCRATCH_STRIDE, HEAP_BASE } from '#softshard/kernels/layout.js';
import {
  type ArenaTensor,
  type ElementType,
  Engine,
  type Tensor,
  type TensorData,
  type Vector,
} from '#softshard/main/index.js';
import { type Attack, expectThat, type Outcome, type Session } from './attack.js';
import { lengthOf, type Memory, plainElements, type Where } from './call-data.js';
import { type Call, randomCall, resultOf } from './calls.js';
import { Random } from './random.js';

const ARENA_BYTES = 16 * 1024 * 1024;

/** As 32-bit words: NaN, all ones, a large number, a small one, an index out of every range, and no pattern at all. */
const POISONS = [0x7fc00000, 0xffffffff, 0x7f7fffff, 0x00000001, 0x5ec2e7aa, 'garbage'] as const;
type Poison = (typeof POISONS)[number] | 0;

interface Case {
  readonly threads: number;
  readonly poison: Poison;
  readonly call: Call;
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  return {
    threads: random.of([1, 2, 3]),
    poison: random.of(POISONS),
    call: randomCall(random, random.of(['tiny', 'tiny', 'small'])),
  };
}

function fill(words: Uint32Array, poison: Poison): void {
  if (poison !== 'garbage') {
    words.fill(poison);
    return;
  }
  let state = 1;
  for (let i = 0; i < words.length; i++) {
    state = Math.imul(state, 1664525) + 1013904223;
    words[i] = state;
  }
}

/** Fills all memory that calls may be given, and the scratch memory that the kernels keep. */
function poisonMemory(engine: Engine, poison: Poison): void {
  const pieces: Vector<'uint32'>[] = [];
  for (let bytes = ARENA_BYTES; bytes >= 128; bytes /= 2) {
    while (engine.memoryUsage().freeBytes >= bytes) {
      const piece = allocated(engine, bytes);
      if (piece === undefined) break;
      fill(piece.data, poison);
      pieces.push(piece);
    }
  }
  const [first] = pieces;
  if (first !== undefined) {
    fill(new Uint32Array(first.data.buffer, HEAP_BASE, (engine.threads * GROUP_SCRATCH_STRIDE) / 4), poison);
  }
  for (const piece of pieces) piece.free();
}

/** Undefined where no free piece is as large. */
function allocated(engine: Engine, bytes: number): Vector<'uint32'> | undefined {
  try {
    return engine.vector('uint32', bytes / 4);
  } catch {
    return undefined;
  }
}

const GUARD = 0xa5;

/** Memory with guards on both sides of each piece. */
class GuardedMemory implements Memory {
  readonly #engine: Engine;
  readonly #taken: ArenaTensor[] = [];
  readonly #guards: Uint8Array[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  tensor<Type extends ElementType>(where: Where, type: Type, dims: readonly number[]): Tensor<Type> {
    return where === 'plain' ? this.#plain(type, dims) : this.#inArena(type, dims);
  }

  #plain<Type extends ElementType>(type: Type, dims: readonly number[]): Tensor<Type> {
    const length = lengthOf(dims);
    const wide = plainElements(type, length + 128);
    const bytes = new Uint8Array(wide.buffer).fill(GUARD);
    const data = wide.subarray(64, 64 + length).fill(0) as TensorData[Type];
    this.#guards.push(bytes.subarray(0, data.byteOffset), bytes.subarray(data.byteOffset + data.byteLength));
    return { type, dims, data };
  }

  #inArena<Type extends ElementType>(type: Type, dims: readonly number[]): Tensor<Type> {
    this.#guard();
    const tensor = this.#engine.tensor(type, dims);
    this.#taken.push(tensor);
    this.#guard();
    return tensor;
  }

  #guard(): void {
    const guard = this.#engine.vector('uint8', 256);
    guard.data.fill(GUARD);
    this.#taken.push(guard);
    this.#guards.push(guard.data);
  }

  release(): void {
    const touched = this.#guards.filter((guard) => guard.some((byte) => byte !== GUARD)).length;
    for (const tensor of this.#taken.splice(0)) tensor.free();
    this.#guards.length = 0;
    expectThat(touched === 0, `${touched} guards beside what the call works on are written to`);
  }
}

class PoisonSession implements Session {
  readonly #engines = new Map<number, Engine>();

  async attempt(seed: number): Promise<Outcome> {
    const { threads, poison, call } = caseOf(seed);
    const engine = await this.#engineOf(threads);
    const result = async (memory: Poison): Promise<string> => {
      poisonMemory(engine, memory);
      return resultOf(call, engine, undefined, new GuardedMemory(engine));
    };
    const wanted = await result(0);
    const got = await result(poison);
    expectThat(got === wanted, `${call.what} gives ${got}, not ${wanted}`);
    return wanted.startsWith('ERR_') ? wanted : 'right';
  }

  async #engineOf(threads: number): Promise<Engine> {
    const engine = this.#engines.get(threads) ?? (await Engine.create({ threads, arenaBytes: ARENA_BYTES }));
    this.#engines.set(threads, engine);
    return engine;
  }

  async close(): Promise<void> {
    for (const engine of this.#engines.values()) await engine.close();
  }
}

export const poison: Attack = {
  name: 'poison',
  cases: 'calls in poisoned memory',
  longRun: 10_000,
  atOnce: 1,
  brief: false,
  deadlineMs: 60_000,
  open: async () => new PoisonSession(),
  inputOf: (seed) => {
    const { threads, poison: words, call } = caseOf(seed);
    return { 'case.txt': `${threads} threads, memory full of ${words.toString(16)}: ${call.what}` };
  },
};
