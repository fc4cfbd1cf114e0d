import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

test('a worker thread loads one file and what Node has', () => {
  const entry = new URL('../../dist/workers/entry.js', import.meta.url);
  const imports = [
    ...readFileSync(entry, 'utf8').matchAll(/^(?:import|export) [^;]*from ['"]([^'"]+)['"]/gm),
  ];
  expect(imports.length).toBeGreaterThan(0);
  expect(imports.map(([, name]) => name).filter((name) => !name!.startsWith('node:'))).toEqual([]);
});
