// What some tests need and a machine need not have. Where it is missing they are skipped, and the run says so first.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type BlasSearch, findBlas } from '#softshard/main/index.js';

export const blasSearch: BlasSearch = findBlas();

/** The package that opens libraries: an optional dependency. */
export const hasKoffi: boolean = (() => {
  try {
    createRequire(import.meta.url)('koffi');
    return true;
  } catch {
    return false;
  }
})();

/** Where Debian's package dataset-fashion-mnist puts the 60,000 + 10,000 images; the repository has the 10,000. */
export const FULL_FASHION_MNIST = '/usr/share/datasets/fashion-mnist/';
export const hasFullFashionMnist: boolean = ['train', 't10k'].every((part) =>
  [`${part}-images-idx3-ubyte.gz`, `${part}-labels-idx1-ubyte.gz`].every((name) =>
    existsSync(FULL_FASHION_MNIST + name),
  ),
);

/** A Python for which `code` succeeds, or undefined; a distribution's own is tried too, for others may come first. */
export function pythonFor(code: string): string | undefined {
  return ['python3', '/usr/bin/python3'].find((python) => spawnSync(python, ['-c', code]).status === 0);
}
