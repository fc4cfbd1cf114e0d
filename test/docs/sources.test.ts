// What the sources must not do and the linter has no rule for.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../src/', import.meta.url));
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.includes('assembly'))
  .map((name) => ({ name, text: readFileSync(join(root, name), 'utf8') }));

test('instanceof asks for classes of our own only: built-in ones differ from realm to realm (F7)', () => {
  const code = sources.map(({ name, text }) => ({ name, text: text.replace(/\/\/.*$/gm, '') }));
  const declared = code.flatMap(({ text }) => [...text.matchAll(/\bclass (\w+)/g)].map(([, type]) => type!));
  // And those of packages that throw them at us. Signals of other realms are taken by their shape besides.
  const allowed = new Set([...declared, 'CsvError', 'CommanderError']);
  const found = code.flatMap(({ name, text }) =>
    [...text.matchAll(/\binstanceof\b\s*([\w$.]*)/g)]
      .filter(([, type]) => !allowed.has(type!))
      .map(([match]) => `${name}: ${match}`),
  );
  expect(sources.length).toBeGreaterThan(100);
  expect(found).toEqual([]);
});
