import buffer from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { describe, expect, test } from 'vitest';
import { compileKernels, NUMERICS } from '#softshard/kernels/load.js';
import { differingKernel } from '#softshard/kernels/wide-check.js';
import { supportsWideSimd } from '#softshard/kernels/wide-simd.js';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';

const LOAD = new URL('../../dist/kernels/load.js', import.meta.url).href;
const CPU_INFO = '/proc/cpuinfo';
const hasAvx2 = existsSync(CPU_INFO) && /\bavx2\b/.test(readFileSync(CPU_INFO, 'utf8'));

interface Compiled {
  readonly index: number;
  readonly codeBytes: number;
}

/** What V8 compiled with its optimizing compiler, statement by statement, in a new process. */
function compiledBy(flags: readonly string[], statements: readonly string[]): Compiled[][] {
  const script = [`import { compileKernels } from '${LOAD}';`, ...statements].join(
    '\nconsole.log("NEXT");\n',
  );
  const args = ['--trace-wasm-compilation-times', ...flags, '--input-type=module', '--eval', script];
  const [, ...parts] = execFileSync(process.execPath, args, { encoding: 'utf8' }).split('NEXT\n');
  return parts.map((part) =>
    [...part.matchAll(/#(\d+) using TurboFan.* codesize (\d+)/g)].map(([, index, codeBytes]) => ({
      index: Number(index),
      codeBytes: Number(codeBytes),
    })),
  );
}

describe.runIf(supportsWideSimd())('wide SIMD', () => {
  test.each(NUMERICS)('a wide %s build gives the bits of the plain one', (numerics) => {
    expect(differingKernel(compileKernels(numerics), compileKernels(numerics, true))).toBeUndefined();
  });

  test('the check finds the bits of another build', () => {
    expect(differingKernel(compileKernels('portable'), compileKernels('fast', true))).toBe('softmaxRows');
  });

  test.runIf(hasAvx2)('V8 makes other code of a build whose plain code is alive', () => {
    const allAtOnce = ['--no-liftoff', '--no-wasm-lazy-compilation'];
    const [plain, wide] = compiledBy(allAtOnce, [
      'globalThis.plain = compileKernels("fast");',
      'compileKernels("fast", true);',
    ]);
    // Not each of about 100 functions: V8's threads print over each other now and then.
    expect(plain!.length).toBeGreaterThan(50);
    expect(wide!.length).toBeGreaterThan(50);
    const widened = wide!.filter(({ index, codeBytes }) =>
      plain!.some((other) => other.index === index && other.codeBytes !== codeBytes),
    );
    expect(widened.length).toBeGreaterThan(5);
  });

  test('the calling thread leaves wide kernels each time, as its other code would be slower', async () => {
    const { isAscii } = buffer;
    let left = 0;
    buffer.isAscii = (input) => {
      left++;
      return isAscii(input);
    };
    syncBuiltinESMExports();
    try {
      await using engine = await Engine.create({ threads: 1, wideSimd: true });
      // The self-test.
      expect(left).toBe(1);
      await engine.softmax(new Float32Array([1, 2]), { columns: 2 });
      expect(left).toBe(2);
      const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
      const { passes } = await classifier.fit([[1], [2], [3], [2]], [0, 1, 1, 0]);
      expect(left).toBeGreaterThan(2 + passes!);
    } finally {
      buffer.isAscii = isAscii;
      syncBuiltinESMExports();
    }
  });

  test('all of it is compiled at once, and V8 is lazy again afterwards', () => {
    const [wide, plain] = compiledBy([], ['compileKernels("fast", true);', 'compileKernels("portable");']);
    expect(wide!.length).toBeGreaterThan(50);
    expect(plain).toEqual([]);
  });
});
