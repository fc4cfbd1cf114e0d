// The option wideSimd: taken where V8 can do it and a self-test passes, else the kernels are compiled plainly, with a warning.
import { SoftshardError } from '../../errors.js';
import { compileKernels, leaveKernels, type Numerics } from '../../kernels/load.js';
import type { CompiledModule } from '../../kernels/webassembly.js';
import { differingKernel } from '../../kernels/wide-check.js';
import { supportsWideSimd } from '../../kernels/wide-simd.js';
import { presentable } from '../../printable.js';
import { checkBoolean, inspectValue } from '../checks.js';

export interface EngineKernels {
  readonly module: CompiledModule;
  /** Whether they are wide. */
  readonly wideSimd: boolean;
}

const VARIABLE = 'SOFTSHARD_WIDE_SIMD';

/** The option as given, or its default: what the environment says. */
export function checkWideSimd(option: unknown): boolean {
  if (option !== undefined) return checkBoolean('options.wideSimd', option);
  const value = process.env[VARIABLE] ?? '';
  if (value === '1') return true;
  if (value === '0' || value === '') return false;
  const message = `${VARIABLE} is ${inspectValue(value)} in the environment: it must be 1 or 0`;
  throw new SoftshardError('ERR_OPTION', message, { argument: VARIABLE, value });
}

export function compileEngineKernels(numerics: Numerics, wanted: boolean): EngineKernels {
  const plain = compileKernels(numerics);
  if (!wanted) return { module: plain, wideSimd: false };
  if (!supportsWideSimd()) {
    warn(
      `this Node (${process.versions.node}, ${process.platform} ${process.arch}) cannot: it needs Node 24 to 26 on x64, not macOS`,
    );
    return { module: plain, wideSimd: false };
  }
  const wide = compileKernels(numerics, true);
  const differing = differingKernel(plain, wide);
  leaveKernels();
  if (differing === undefined) return { module: wide, wideSimd: true };
  warn(
    `its ${differing} gave other bits than the plain one in the self-test; please report this with your CPU and Node version`,
  );
  return { module: plain, wideSimd: false };
}

const warn = (why: string): void =>
  process.emitWarning(presentable(`wide SIMD is left off: ${why}`), {
    type: 'SoftshardWarning',
    code: 'WARN_WIDE_SIMD',
  });
