// Where a run computes, with which kernels, on which data: what must be the same for the same bits, and what may be another.
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { kernelsHash, type Numerics } from '../../kernels/load.js';
import { type FilesHash, hashFiles } from '../data/index.js';
import type { Engine } from '../engine.js';
import { version } from '../version.js';

/** environment.json */
export interface RunEnvironment {
  /** The version. */
  readonly softshard: string;
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  readonly cpu: string | null;
  readonly threads: number;
  readonly numerics: Numerics;
  readonly wideSimd: boolean;
  /** Name and version. */
  readonly blas: string | null;
  /** The SHA-256 of the WebAssembly that the kernels are. */
  readonly kernels: string;
  readonly data: readonly RunData[];
}

export interface RunData extends FilesHash {
  /** What it is: rows, labels, … */
  readonly name: string;
  /** Absolute; of a file, a folder or a pattern. */
  readonly path: string;
}

export async function environmentOf(
  { threads, numerics, wideSimd, blas }: Engine,
  paths: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<RunEnvironment> {
  const data: RunData[] = [];
  for (const [name, path] of Object.entries(paths)) {
    const hash = await hashFiles(path, { signal });
    data.push({ name, path: resolve(path), ...hash });
  }
  return {
    softshard: version,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    cpu: cpus()[0]?.model.trim() ?? null,
    threads,
    numerics,
    wideSimd,
    blas: blas === undefined ? null : [blas.name, blas.version].filter(Boolean).join(' '),
    kernels: kernelsHash(numerics),
    data,
  };
}

/** What makes it impossible to go on with the same bits. */
export function changesOf(before: RunEnvironment, now: RunEnvironment): string[] {
  const changes: string[] = [];
  const kernels = (['numerics', 'kernels', 'blas'] as const).filter((name) => before[name] !== now[name]);
  changes.push(...kernels.map((name) => `${name}: ${before[name]} at the start, ${now[name]} now`));
  for (const { name, path, bytes, sha256 } of before.data) {
    const same = now.data.find((other) => other.name === name);
    if (same === undefined) changes.push(`${name}: ${path} at the start, nothing now`);
    else if (same.sha256 !== sha256) {
      const size =
        same.bytes === bytes
          ? `as many bytes, but SHA-256`
          : `${bytes} bytes at the start, ${same.bytes} now, SHA-256`;
      changes.push(
        `${name}: ${same.path} has changed (${size} ${sha256.slice(0, 12)}… at the start, ${same.sha256.slice(0, 12)}… now)`,
      );
    }
  }
  const added = now.data.filter(({ name }) => !before.data.some((other) => other.name === name));
  return [...changes, ...added.map(({ name, path }) => `${name}: nothing at the start, ${path} now`)];
}

/** What may lead to other bits: another version, or another processor where its multiplications are fused. */
export function doubtsOf(before: RunEnvironment, now: RunEnvironment): string[] {
  const doubts: string[] = [];
  if (before.softshard !== now.softshard) {
    doubts.push(`it began with softshard ${before.softshard}, and goes on with ${now.softshard}`);
  }
  const isFast = now.numerics === 'fast' || now.blas !== null;
  if (isFast && (before.cpu !== now.cpu || before.arch !== now.arch)) {
    doubts.push(
      `it began on ${before.cpu} (${before.arch}), and goes on on ${now.cpu} (${now.arch}); portable numerics have the same bits on both`,
    );
  }
  return doubts;
}
