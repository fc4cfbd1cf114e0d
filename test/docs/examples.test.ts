// Runs the examples of pages that promise it: each js block prints what the text block after it says.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);

/** What ends the output of an example. */
const END = '\0';
const RUN_EACH = `
  for (const example of process.argv.slice(1)) {
    await import(example);
    process.stdout.write('\\0');
    process.stderr.write('\\0');
  }`;

// A folder with the package installed, where examples find it as users do.
const folder = mkdtempSync(join(tmpdir(), 'softshard-examples-'));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(fileURLToPath(root), join(folder, 'node_modules/softshard'), 'junction');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ['README.md', 1],
  ['docs/recipes.md', 6],
  ['docs/api.md', 12],
  ['docs/api-training.md', 8],
  ['docs/serving.md', 3],
  ['docs/export.md', 4],
  ['docs/jobs.md', 1],
  ['docs/api-files.md', 6],
  ['docs/row-losses.md', 6],
  ['docs/metrics.md', 3],
  ['docs/runs.md', 1],
  ['docs/reports.md', 1],
  ['docs/training.md', 2],
])('the examples of %s', (page, least) => {
  const text = readFileSync(new URL(page, root), 'utf8');
  const examples = [...text.matchAll(/^```js\n(.*?)^```\n\n```text\n(.*?)^```$/gms)].map(
    ([, code, output]) => [code!, output!] as const,
  );

  // One process for all examples of a page, one after the other.
  let stdout: string[];
  let stderr: string[];
  beforeAll(() => {
    const files = examples.map(([code], index) => {
      const file = join(folder, `${page.replace('/', '-')}-${index}.mjs`);
      writeFileSync(file, code);
      return pathToFileURL(file).href;
    });
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', RUN_EACH, ...files], {
      cwd: fileURLToPath(root),
      encoding: 'utf8',
    });
    stdout = run.stdout.split(END);
    stderr = run.stderr.split(END);
  });

  it(`are at least ${least}, each with its output`, () => {
    expect(examples.length).toBeGreaterThanOrEqual(least);
    expect(text.match(/^```js$/gm)).toHaveLength(examples.length);
  });

  it.each(examples.map(([, output], index) => [index, output] as const))(
    'print what the page says (%i)',
    (index, output) => {
      expect(stderr[index]).toBe('');
      expect(stdout[index]).toBe(output);
    },
  );
});
