// Before the first test: what of the optional things is here, and what is skipped without the others.
import { supportsNumerics, supportsWideSimd } from '#softshard/main/index.js';
import {
  blasSearch,
  chromium,
  hasFullFashionMnist,
  hasKoffi,
  hasNetworkNamespaces,
  mpiLaunchers,
  onnxRuntime,
  pythonFor,
} from './optional.js';

/** Importing PyTorch would take seconds. */
const hasPackage = (name: string): boolean =>
  pythonFor(`import importlib.util, sys; sys.exit(importlib.util.find_spec('${name}') is None)`) !==
  undefined;

const hasMpi = (name: string): boolean => mpiLaunchers.some((launcher) => launcher.name === name);

export default function sayWhatIsSkipped(): void {
  const optional: readonly (readonly [what: string, isHere: boolean, where: string])[] = [
    ['a BLAS', 'library' in blasSearch, 'kernels/blas/library, main/machine/blas, main/serving'],
    ['koffi', hasKoffi, 'kernels/blas/library, main/machine/blas, main/serving'],
    ['Open MPI', hasMpi('Open MPI'), 'main/distributed, main/cli/ranks, attack/ranks'],
    ['MPICH', hasMpi('MPICH'), 'main/distributed, main/cli/ranks, attack/ranks'],
    ['network namespaces (root and iproute2)', hasNetworkNamespaces, 'main/distributed/two-hosts'],
    ['the full Fashion-MNIST', hasFullFashionMnist, 'main/training/fashion-mnist'],
    ['onnxruntime-node', onnxRuntime !== undefined, 'main/models/export/onnx'],
    ['Python with numpy', hasPackage('numpy'), 'docs/derivation'],
    ['Python with scikit-learn', hasPackage('sklearn'), 'main/models/export/sklearn'],
    ['Python with PyTorch', hasPackage('torch'), 'docs/derivation'],
    ['Chromium', chromium !== undefined, 'main/report/page-in-chromium'],
    ['Python with tensorboard', hasPackage('tensorboard'), 'main/report/tensorboard'],
    ['the fast kernels (Node 22)', supportsNumerics('fast'), 'kernels, main'],
    ['wide SIMD (Node 24 to 26, x64)', supportsWideSimd(), 'kernels/wide-simd, main/machine/wide-simd'],
  ];
  const here = optional.filter(([, isHere]) => isHere).map(([what]) => what);
  const missing = optional.filter(([, isHere]) => !isHere).map(([what, , where]) => `${what} (in ${where})`);
  console.log(`Optional and here: ${here.join(', ') || 'nothing'}.`);
  if (missing.length > 0) console.log(`Not here, so these tests are skipped: ${missing.join('; ')}.`);
}
