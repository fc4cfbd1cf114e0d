// An OpenBLAS older than the processor takes the kernels of an old one: Debian 12's took those of Prescott (2004) on a Xeon with
// AVX-512, with which a step of 8192 × 768 × 1000 takes twice as long as with our own, and four times as long as with SkylakeX's.
import { readFileSync } from 'node:fs';

/** What openblas_get_corename says of x64 kernels that have no AVX2 with fused multiply-add. */
const OLD =
  /^(generic|prescott|katmai|coppermine|northwood|banias|core2|penryn|dunnington|nehalem|atom|athlon|opteron.*|barcelona|bobcat|nano|sandybridge|bulldozer|piledriver|steamroller|excavator)$/i;

/** What to do where the kernels of `core` are older than this processor; undefined where they are not, or nobody can tell. */
export function oldKernelsAdvice(core: string, flags = processorFlags()): string | undefined {
  if (!OLD.test(core) || !flags.has('avx2') || !flags.has('fma')) return undefined;
  const better = flags.has('avx512f') ? 'SkylakeX' : 'Haswell';
  return `it takes its kernels for ${core}, several times as slow as this processor can: install a newer one, or set OPENBLAS_CORETYPE=${better} in the environment`;
}

function processorFlags(): ReadonlySet<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return new Set();
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    return new Set(flags.split(' '));
  } catch {
    return new Set();
  }
}
