// Asks Linux for pages of 2 MiB for the arena. Rows that come from memory gain most: with pages of 4 KiB the processor looks up
// 256 times as many of them, and a BLAS walks down columns whose rows all lie on other pages (bench/huge-pages.ts).
import { readFileSync } from 'node:fs';
import { SoftshardError } from '../../errors.js';
import type { SharedMemory } from '../../kernels/webassembly.js';
import { loadKoffi } from '../../koffi.js';
import { inspectValue } from '../checks.js';

const MADV_HUGEPAGE = 14;
const VARIABLE = 'SOFTSHARD_HUGE_PAGES';
const SETTING = '/sys/kernel/mm/transparent_hugepage/enabled';

/** Whether an engine asks for them, and if not, why. */
export type HugePages = { readonly asked: true } | { readonly asked: false; readonly why: string };

/** Asks for the first `bytes` of a memory, grown so far or not. Where it cannot, small pages do. */
export function adviseHugePages(memory: SharedMemory, bytes: number): void {
  if (!hugePages().asked) return;
  try {
    const koffi = loadKoffi();
    const madvise = koffi.load(null).func('madvise', 'int', ['uintptr_t', 'size_t', 'int']);
    madvise(Number(koffi.address(new Uint8Array(memory.buffer))), bytes, MADV_HUGEPAGE);
  } catch {
    // A C library without madvise.
  }
}

/** Throws ERR_OPTION where the environment has something else than 1 or 0. */
export function hugePages(): HugePages {
  const value = process.env[VARIABLE] ?? '';
  if (value === '0') return { asked: false, why: `${VARIABLE}=0 in the environment` };
  if (value !== '' && value !== '1') {
    const message = `${VARIABLE} is ${inspectValue(value)} in the environment: it must be 1 or 0`;
    throw new SoftshardError('ERR_OPTION', message, { argument: VARIABLE, value });
  }
  if (process.platform !== 'linux') return { asked: false, why: 'only Linux can be asked' };
  const setting = kernelSetting();
  if (setting === 'never') return { asked: false, why: `${SETTING} says never` };
  try {
    loadKoffi();
  } catch {
    return { asked: false, why: 'it takes the package koffi: npm install koffi' };
  }
  return { asked: true };
}

/** always, madvise or never; undefined where Linux does not tell, as in some sandboxes. */
function kernelSetting(): string | undefined {
  try {
    return /\[(\w+)\]/.exec(readFileSync(SETTING, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
