// A copy of softshard whose files are not all there, as bundlers leave it: one clear error, from Engine.create.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, version } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

const root = new URL('../../../', import.meta.url);
let folder: string;
let copy: typeof import('#softshard/main/index.js');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'softshard-copy-'));
  cpSync(fileURLToPath(new URL('dist', root)), join(folder, 'dist'), { recursive: true });
  // No package.json and no node_modules: whoever only imports needs neither.
  copy = await import(pathToFileURL(join(folder, 'dist/main/index.js')).href);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the version is that of package.json, without which it is told too (F8)', () => {
  const { version: released } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  expect([version, copy.version]).toEqual([released, released]);
});

test.each([
  ['workers/entry.js', () => copy.Engine.create({ threads: 1 })],
  ['workers/load.cjs', () => copy.Engine.create({ threads: 1 })],
  ['kernels/portable.wasm', () => copy.Engine.create({ threads: 1, numerics: 'portable' })],
  ['kernels/fast.wasm', () => copy.Engine.create({ threads: 1 })],
  ['kernels/fast.wasm', async () => copy.supportsNumerics('fast')],
])('an engine without %s: ERR_FILE with the remedy, and no thread is started (F8)', async (file, call) => {
  rmSync(join(folder, 'dist', file), { force: true });
  const error = await failure(call);
  expect(error).toBeInstanceOf(copy.SoftshardError);
  expect(error).toMatchObject({ code: 'ERR_FILE', value: file });
  expect(error.message).toContain(file);
  expect(error.message).toMatch(
    /--external:softshard.*externals.*serverExternalPackages.*docs\/bundlers\.md/,
  );
});

test('an engine of another copy is refused as that (F7)', async () => {
  await using engine = await Engine.create({ threads: 1, arenaBytes: 2 ** 21 });
  expect(() => new copy.SoftmaxClassifier(engine as never, { features: 2, classes: 2 })).toThrow(
    /engine is of another copy of softshard/,
  );
  expect(() => new SoftmaxClassifier(engine, { features: 2, classes: 2 })).not.toThrow();
});
