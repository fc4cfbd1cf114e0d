// Where a BLAS may be: by name, for the system's own search, then where installers put it.
import { join } from 'node:path';

const LINUX_NAMES = [
  ...['libopenblas.so.0', 'libopenblas.so'],
  ...['libmkl_rt.so.3', 'libmkl_rt.so.2', 'libmkl_rt.so.1', 'libmkl_rt.so'],
  ...['libblis.so.4', 'libblis.so.3', 'libblis.so', 'libblis-mt.so'],
];
const LINUX_FOLDERS = [
  ...['/usr/local/lib', '/opt/OpenBLAS/lib', '/opt/openblas/lib'],
  ...[
    '/opt/intel/oneapi/mkl/latest/lib',
    '/opt/intel/oneapi/mkl/latest/lib/intel64',
    '/opt/intel/mkl/lib/intel64',
  ],
];
const MAC_NAMES = [
  'libopenblas.0.dylib',
  'libopenblas.dylib',
  'libmkl_rt.2.dylib',
  'libmkl_rt.dylib',
  'libblis.4.dylib',
];
const MAC_FOLDERS = [
  ...['/opt/homebrew/opt/openblas/lib', '/usr/local/opt/openblas/lib', '/opt/local/lib'],
  ...['/opt/intel/oneapi/mkl/latest/lib', '/opt/homebrew/opt/blis/lib', '/usr/local/opt/blis/lib'],
];
const WINDOWS_NAMES = [
  ...['libopenblas.dll', 'openblas.dll'],
  ...['mkl_rt.3.dll', 'mkl_rt.2.dll', 'mkl_rt.1.dll', 'mkl_rt.dll'],
  ...['AOCL-LibBlis-Win-dll.dll', 'libblis.dll'],
];
const WINDOWS_FOLDERS = [
  'C:\\Program Files (x86)\\Intel\\oneAPI\\mkl\\latest\\bin',
  'C:\\Program Files (x86)\\Intel\\oneAPI\\mkl\\latest\\redist\\intel64',
  'C:\\Program Files\\OpenBLAS\\bin',
];

export const ACCELERATE = '/System/Library/Frameworks/Accelerate.framework/Accelerate';

type Environment = Readonly<Record<string, string | undefined>>;

/** What to try, best first. Names without a folder are looked up by the system. */
export function blasCandidates(platform: NodeJS.Platform, environment: Environment): readonly string[] {
  const { MKLROOT, CONDA_PREFIX, VIRTUAL_ENV } = environment;
  // pip's MKL lies there: pip install mkl.
  const prefixes = [CONDA_PREFIX, VIRTUAL_ENV].filter((prefix) => prefix !== undefined);
  const inFolders = (folders: readonly (string | undefined)[], names: readonly string[]) =>
    folders.flatMap((folder) => (folder ? names.map((name) => join(folder, name)) : []));
  switch (platform) {
    case 'darwin': {
      const folders = [
        ...MAC_FOLDERS,
        MKLROOT && join(MKLROOT, 'lib'),
        ...prefixes.map((prefix) => join(prefix, 'lib')),
      ];
      return [ACCELERATE, ...MAC_NAMES, ...inFolders(folders, MAC_NAMES)];
    }
    case 'win32': {
      const folders = [
        ...WINDOWS_FOLDERS,
        MKLROOT && join(MKLROOT, 'bin'),
        ...prefixes.map((prefix) => join(prefix, 'Library', 'bin')),
      ];
      return [...WINDOWS_NAMES, ...inFolders(folders, WINDOWS_NAMES)];
    }
    default: {
      const folders = [
        ...LINUX_FOLDERS,
        MKLROOT && join(MKLROOT, 'lib'),
        ...prefixes.map((prefix) => join(prefix, 'lib')),
      ];
      return [...LINUX_NAMES, ...inFolders(folders, LINUX_NAMES)];
    }
  }
}
