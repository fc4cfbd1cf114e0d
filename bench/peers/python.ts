// The Pythons of peers: an environment of PyPI's current packages, made in .peers/ of the checkout; where that cannot be
// had, a Python of the system that has the package.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFile } from '../result-files.js';
import { PeerUnavailable } from './peer-process.js';

interface Package {
  readonly title: string;
  /** What its scripts import. */
  readonly module: string;
  readonly debian: string;
  /** Measured on Linux x64, Python 3.11. */
  readonly size: string;
  /** What must be free before it is installed. */
  readonly diskGB: number;
}

/** By the name of its file in requirements/. */
const PACKAGES = {
  torch: {
    title: 'PyTorch',
    module: 'torch',
    debian: 'python3-torch python3-threadpoolctl',
    size: 'on Linux x64 some 3 GB to download and 6 GB on disk, as it brings CUDA',
    diskGB: 10,
  },
  sklearn: {
    title: 'scikit-learn',
    module: 'sklearn',
    debian: 'python3-sklearn',
    size: 'some 70 MB to download, 300 MB on disk',
    diskGB: 1,
  },
} as const satisfies Record<string, Package>;

export type PythonPackage = keyof typeof PACKAGES;

/** A Python that has the package, and whose packages those are. */
export interface PythonSource {
  readonly command: string;
  readonly origin: string;
}

/** A distribution's own is tried too, for others may come first. */
const SYSTEM = ['python3', '/usr/bin/python3'];

export class Pythons {
  readonly #asked: string | undefined;
  readonly #folder: string;
  readonly #system: readonly string[];
  readonly #found = new Map<PythonPackage, PythonSource | PeerUnavailable>();

  /** `asked` is taken as it is, and nothing installed. */
  constructor(asked: string | undefined, folder = repositoryFile('.peers'), system = SYSTEM) {
    this.#asked = asked;
    this.#folder = folder;
    this.#system = system;
  }

  /** Looks, and installs, once for each package. Throws PeerUnavailable. */
  with(name: PythonPackage): PythonSource {
    const found = this.#found.get(name) ?? this.#find(name);
    this.#found.set(name, found);
    if (found instanceof PeerUnavailable) throw found;
    return found;
  }

  #find(name: PythonPackage): PythonSource | PeerUnavailable {
    if (this.#asked !== undefined) return { command: this.#asked, origin: this.#asked };
    const { title, module, debian } = PACKAGES[name];
    try {
      return { command: this.#install(name), origin: 'PyPI' };
    } catch (cause) {
      const reason = (cause as Error).message;
      const command = this.#system.find((python) => runs(python, `import ${module}`));
      if (command === undefined) {
        const remedy = `install Python 3 with venv (Debian: apt install python3-venv), or ${title} (Debian: apt install ${debian})`;
        return new PeerUnavailable(`${reason}, and the system has none either: ${remedy}`, { cause });
      }
      say(`${title}: ${reason}; that of ${command} takes part instead`);
      return { command, origin: `the system's ${command}` };
    }
  }

  /** The environment's Python, with the package. Throws an Error that says why not. */
  #install(name: PythonPackage): string {
    const { title, size, diskGB } = PACKAGES[name];
    const environment = join(this.#folder, 'venv');
    const python = join(
      environment,
      ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
    );
    const requirements = repositoryFile(`bench/peers/requirements/${name}.txt`);
    const wanted = readFileSync(requirements, 'utf8');
    const stamp = join(environment, `${name}.txt`);
    const isWhole = runs(python, '');
    if (isWhole && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
    mkdirSync(this.#folder, { recursive: true });
    const free = statfsSync(this.#folder);
    const freeGB = (free.bavail * free.bsize) / 1e9;
    if (freeGB < diskGB) {
      throw new Error(
        `PyPI's ${title} wants ${diskGB} GB of disk, and ${this.#folder} has ${freeGB.toFixed(1)}`,
      );
    }
    say(`${title}: installing it from PyPI into ${environment} (${size}); --peers chooses others`);
    if (!isWhole) this.#createEnvironment(environment);
    const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input'];
    runOrThrow(python, [...pip, '--upgrade', '--requirement', requirements], `pip cannot install ${title}`);
    writeFileSync(stamp, wanted);
    return python;
  }

  #createEnvironment(environment: string): void {
    const python = this.#system.find((one) => runs(one, 'import venv, ensurepip'));
    if (python === undefined) throw new Error('there is no python3 that can make a virtual environment');
    runOrThrow(python, ['-m', 'venv', '--clear', environment], `${python} cannot make a virtual environment`);
  }
}

/** For an import, and for an installation: the run goes on without what takes longer. */
const IMPORT_MS = 120_000;
const INSTALL_MS = 1_800_000;

const say = (text: string): boolean => process.stderr.write(`${text}\n`);

function runs(python: string, code: string): boolean {
  return spawnSync(python, ['-c', code], { stdio: 'ignore', timeout: IMPORT_MS }).status === 0;
}

/** What it prints goes to standard error, where progress belongs. */
function runOrThrow(python: string, args: readonly string[], failure: string): void {
  const { status, error, stderr } = spawnSync(python, args, {
    encoding: 'utf8',
    stdio: ['ignore', 2, 'pipe'],
    timeout: INSTALL_MS,
  });
  if (status === 0) return;
  process.stderr.write(stderr ?? '');
  const last = (stderr ?? '').trim().split('\n').at(-1);
  throw new Error(`${failure} (${error?.message ?? (last || `exit code ${status}`)})`);
}
