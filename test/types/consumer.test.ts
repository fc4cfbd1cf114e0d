// The declarations in dist, as a project in the strictest settings sees them.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

test('declarations compile with strict, exactOptionalPropertyTypes and no skipLibCheck (F15)', () => {
  const tsc = pathOf('../../node_modules/typescript/bin/tsc');
  const run = spawnSync(process.execPath, [tsc, '--project', pathOf('tsconfig.json')], { encoding: 'utf8' });
  expect(run.stdout).toBe('');
  expect(run.status).toBe(0);
});

test('all options that are exported are among those that may be undefined (F15)', () => {
  const files = {
    '': 'index',
    'Losses.': 'types/losses',
    'Metrics.': 'types/metrics',
    'Serving.': 'types/serving',
    'Training.': 'types/training',
    'Files.': 'types/files',
    'Jobs.': 'types/jobs',
  };
  const declared = Object.entries(files).flatMap(([group, file]) =>
    [
      ...readFileSync(pathOf(`../../dist/main/${file}.d.ts`), 'utf8')
        .replace(/\/\/.*/g, '')
        .matchAll(/\b[A-Z]\w*(?:Options|Into|Details)\b/g),
    ].map(([name]) => group + name),
  );
  const consumer = readFileSync(pathOf('consumer.ts'), 'utf8');
  expect(declared.length).toBeGreaterThan(30);
  expect(declared.filter((name) => !consumer.includes(`Takes<softshard.${name}>`))).toEqual([]);
});
