// What some tests need and a machine need not have. Where it is missing they are skipped, and the run says so first.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type BlasSearch, findBlas } from '#softshard/main/index.js';

export { hasKoffi, type MpiLauncher, mpiLaunchers } from './mpi.js';

export const blasSearch: BlasSearch = findBlas();

/** What runs ONNX files: not even an optional dependency, as only tests use it (npm i --no-save --ignore-scripts onnxruntime-node). */
export const onnxRuntime: OnnxRuntime | undefined = (() => {
  try {
    return createRequire(import.meta.url)('onnxruntime-node') as OnnxRuntime;
  } catch {
    return undefined;
  }
})();

/** The part of onnxruntime-node that tests use. */
interface OnnxRuntime {
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(path: string): Promise<{
      run(
        inputs: Readonly<Record<string, unknown>>,
      ): Promise<
        Readonly<Record<string, { readonly data: ArrayLike<unknown>; readonly dims: readonly number[] }>>
      >;
      release(): Promise<void>;
    }>;
  };
}

/** Hosts of our own can be made, with a network between them: as root, with Debian's iproute2. */
export const hasNetworkNamespaces: boolean = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const name = `softshard-probe-${process.pid}`;
  const isThere = spawnSync('ip', ['netns', 'add', name]).status === 0;
  if (isThere) spawnSync('ip', ['netns', 'delete', name]);
  return isThere;
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

/** A Chromium to look at pages with (Debian: apt-get install chromium). */
export const chromium: string | undefined = (
  process.env.PATH?.split(':').flatMap((folder) =>
    ['chromium', 'chromium-browser', 'google-chrome'].map((name) => `${folder}/${name}`),
  ) ?? []
).find((path) => existsSync(path));
