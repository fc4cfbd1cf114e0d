// Who may import whom, where the linter has no rule: no circles anywhere, and the floors of the AssemblyScript, which
// Biome does not read.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../src/', import.meta.url));

/** Relative imports of each file of src, by paths without extension. Imports of types count: they tie files as much. */
const imports = new Map(
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => {
      const text = readFileSync(join(root, name), 'utf8');
      const specifiers = [...text.matchAll(/^(?:import|export|\}).*? from ['"](\.[^'"]+)['"];$/gm)];
      const targets = specifiers.map(([, path = '']) =>
        posix.join(posix.dirname(name), withoutExtension(path)),
      );
      return [withoutExtension(name), targets];
    }),
);

function withoutExtension(path: string): string {
  return path.replace(/\.[cm]?[jt]s$/, '');
}

test('no file of src imports itself through others', () => {
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (path.includes(file) || finished.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    finished.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  expect(imports.size).toBeGreaterThan(200);
  expect(circles).toEqual([]);
});

/** Folders of src/kernels/assembly, and those that each builds on. All read the constants that both compilers share. */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  vectors: [],
  exp: ['vectors'],
  rows: ['vectors', 'exp'],
  columns: ['vectors', 'exp', 'rows'],
  losses: ['vectors', 'exp', 'rows'],
  gemm: ['vectors', 'columns'],
  'narrow-model': ['vectors', 'gemm'],
  training: ['vectors'],
  probes: ['vectors'],
};
const SHARED = ['kernels/layout', 'kernels/loss-layout'];

test('each folder of the assembly imports only the ones it builds on', () => {
  const folderOf = (file: string): string | undefined => /^kernels\/assembly\/([^/]+)\//.exec(file)?.[1];
  const seen = new Set<string>();
  const breaches = [...imports].flatMap(([file, targets]) => {
    const folder = folderOf(file);
    if (folder === undefined) return [];
    seen.add(folder);
    const allowed = [folder, ...(FLOORS[folder] ?? [])];
    return targets
      .filter((target) => !SHARED.includes(target) && !allowed.includes(folderOf(target) ?? ''))
      .map((target) => `${file} imports ${target}`);
  });
  expect(breaches).toEqual([]);
  expect([...seen].sort()).toEqual(Object.keys(FLOORS).sort());
});

/** The rooms of src/main from the ground up. What is not in a room (checks.ts, errors.ts, …) serves all. */
const ROOMS = [
  'plans',
  'memory',
  'arguments',
  'machine',
  'distributed',
  'dispatch',
  'outputs',
  'losses',
  'metrics',
  'data',
  'models',
  'intake',
  'serving',
  'training',
  'runs',
  'pipelines',
  'scaling',
  'report',
  'jobs',
  'types',
];

test('each room of src/main imports only the ones below it', () => {
  const floorOf = (file: string): number | undefined => {
    const [, room] = /^main\/([\w-]+)\//.exec(file) ?? [];
    return room === undefined || room === 'cli' ? undefined : ROOMS.indexOf(room);
  };
  const seen = new Set<number>();
  const breaches = [...imports].flatMap(([file, targets]) => {
    const floor = floorOf(file);
    if (floor === undefined) return [];
    seen.add(floor);
    return targets
      .filter((target) => (floorOf(target) ?? 0) > floor)
      .map((target) => `${file} imports ${target}`);
  });
  expect(breaches).toEqual([]);
  expect([...seen].sort((a, b) => a - b)).toEqual([...ROOMS.keys()]);
});
