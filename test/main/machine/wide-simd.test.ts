import { afterEach, describe, expect, test, vi } from 'vitest';
import { compileKernels } from '#softshard/kernels/load.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { Engine, type EngineOptions, supportsWideSimd } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

const ROWS = 1034;
const COLUMNS = 203;

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const withCode = expect.objectContaining({ code: 'WARN_WIDE_SIMD' });

/** The engine's wideSimd, and what it warned of. */
async function create(options: EngineOptions): Promise<{ wideSimd: boolean; warnings: string[] }> {
  const warnings: string[] = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)));
  const engine = await Engine.create({ threads: 1, ...options });
  await engine.close();
  return { wideSimd: engine.wideSimd, warnings };
}

describe('the option wideSimd', () => {
  test('is off by default, and on with SOFTSHARD_WIDE_SIMD=1 where this Node can', async () => {
    vi.stubEnv('SOFTSHARD_WIDE_SIMD', undefined);
    expect(await create({})).toEqual({ wideSimd: false, warnings: [] });
    vi.stubEnv('SOFTSHARD_WIDE_SIMD', '0');
    expect((await create({})).wideSimd).toBe(false);
    vi.stubEnv('SOFTSHARD_WIDE_SIMD', '1');
    expect((await create({})).wideSimd).toBe(supportsWideSimd());
    expect(await create({ wideSimd: false })).toEqual({ wideSimd: false, warnings: [] });
  });

  test('is refused where it is no boolean, or the variable neither 1 nor 0', async () => {
    await expect(create({ wideSimd: 'yes' as never })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      argument: 'options.wideSimd',
    });
    vi.stubEnv('SOFTSHARD_WIDE_SIMD', 'yes');
    await expect(create({})).rejects.toMatchObject({ code: 'ERR_OPTION', argument: 'SOFTSHARD_WIDE_SIMD' });
  });

  test.runIf(!supportsWideSimd())('is left off with a warning where this Node cannot', async () => {
    const { wideSimd, warnings } = await create({ wideSimd: true });
    expect(wideSimd).toBe(false);
    expect(warnings).toEqual([expect.stringContaining('it needs Node 24 to 26')]);
    expect(process.emitWarning).toHaveBeenCalledWith(expect.anything(), withCode);
  });

  test.runIf(supportsWideSimd())(
    'is left off with a warning when the self-test finds other bits',
    async () => {
      const otherBits = compileKernels('fast');
      const { Module } = WebAssembly;
      const compile = vi.spyOn(WebAssembly, 'Module');
      // The plain build is compiled first, then the wide one.
      compile.mockImplementationOnce(function plain(bytes) {
        return new Module(bytes);
      });
      compile.mockImplementationOnce(function wide() {
        return otherBits;
      });
      const { wideSimd, warnings } = await create({ numerics: 'portable', wideSimd: true });
      expect(compile).toHaveBeenCalledTimes(2);
      expect(wideSimd).toBe(false);
      expect(warnings).toEqual([expect.stringContaining('its softmaxRows gave other bits')]);
      expect(process.emitWarning).toHaveBeenCalledWith(expect.anything(), withCode);
    },
  );
});

describe.runIf(supportsWideSimd())('wide engines', () => {
  test.each(['portable', 'fast'] as const)(
    '%s: the bits of plain ones, for 1, 2, 3 and 8 threads',
    async (numerics) => {
      const logits = randomValues(ROWS * COLUMNS, 20, 1);
      const targets = randomTargets(ROWS, COLUMNS, 2);
      const results = [];
      for (const [threads, wideSimd] of [
        [1, false],
        [1, true],
        [2, true],
        [3, true],
        [8, true],
      ] as const) {
        const engine = await Engine.create({ threads, numerics, wideSimd });
        expect(engine.wideSimd).toBe(wideSimd);
        const { loss, gradLogits } = await engine.crossEntropyGradient(logits, targets, { columns: COLUMNS });
        results.push({ loss, gradient: bitsOf(gradLogits.data) });
        await engine.close();
      }
      for (const result of results) expect(result).toEqual(results[0]);
    },
  );
});
