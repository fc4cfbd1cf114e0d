// Engines of any make, with many calls of all kinds at once: each call gives the bits it gives alone.
import {
  Engine,
  type EngineOptions,
  NUMERICS,
  type Numerics,
  SoftshardError,
  supportsNumerics,
} from '#softshard/main/index.js';
import { type Attack, expectThat, type Outcome, type Session, within } from './attack.js';
import { type Call, randomCall, resultOf } from './calls.js';
import { Random } from './random.js';

const MEBIBYTE = 2 ** 20;

interface Case {
  readonly settings: EngineOptions & { readonly threads: number; readonly numerics: Numerics };
  readonly calls: readonly Call[];
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  const isSmall = random.chance(0.5);
  return {
    settings: {
      threads: random.between(1, 8),
      numerics: random.of(NUMERICS.filter(supportsNumerics)),
      arenaBytes: isSmall ? random.between(1, 8) * MEBIBYTE + random.below(MEBIBYTE) : 256 * MEBIBYTE,
    },
    calls: Array.from({ length: random.size(12) }, () =>
      randomCall(
        random,
        random.of(isSmall ? ['tiny', 'tiny', 'small'] : ['tiny', 'small', 'small', 'large']),
      ),
    ),
  };
}

const describeCase = ({ settings, calls }: Case): string =>
  [JSON.stringify(settings), ...calls.map(({ what }) => what)].join('\n');

class SettingsSession implements Session {
  readonly #oracles = new Map<Numerics, Engine>();

  async attempt(seed: number): Promise<Outcome> {
    const { settings, calls } = caseOf(seed);
    const oracle = await this.#oracleOf(settings.numerics);
    const wanted: string[] = [];
    for (const call of calls) wanted.push(await resultOf(call, oracle));
    await using engine = await Engine.create(settings);
    const { usedBytes } = engine.memoryUsage();
    const got = await within(30_000, 'a call', Promise.all(calls.map((call) => resultOrFull(call, engine))));
    const after = engine.memoryUsage().usedBytes;
    expectThat(after === usedBytes, `${after - usedBytes} bytes of the arena are not given back`);
    for (const [i, result] of got.entries()) {
      // Who has no room beside others has room alone, or was right to give up.
      const own = result === FULL ? await resultOrFull(calls[i]!, engine) : result;
      expectThat(own === wanted[i] || own === FULL, `${calls[i]!.what} gives ${own}, not ${wanted[i]}`);
    }
    return got.includes(FULL) ? FULL : 'right';
  }

  async #oracleOf(numerics: Numerics): Promise<Engine> {
    const oracle = this.#oracles.get(numerics) ?? (await Engine.create({ threads: 1, numerics }));
    this.#oracles.set(numerics, oracle);
    return oracle;
  }

  async close(): Promise<void> {
    for (const oracle of this.#oracles.values()) await oracle.close();
  }
}

const FULL = 'ERR_ARENA_FULL';

async function resultOrFull(call: Call, engine: Engine): Promise<string> {
  try {
    return await resultOf(call, engine);
  } catch (error) {
    if (error instanceof SoftshardError && error.code === FULL) return FULL;
    throw error;
  }
}

export const settings: Attack = {
  name: 'settings',
  cases: 'engines with calls at once',
  longRun: 2000,
  atOnce: 1,
  brief: false,
  deadlineMs: 90_000,
  open: async () => new SettingsSession(),
  inputOf: (seed) => ({ 'case.txt': describeCase(caseOf(seed)) }),
};
