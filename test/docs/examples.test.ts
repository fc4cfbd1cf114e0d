// Runs the examples of pages that promise it: each js block prints what the text block after it says.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);

describe.each([
  ['README.md', 1],
  ['docs/api.md', 12],
  ['docs/api-training.md', 7],
  ['docs/api-files.md', 6],
  ['docs/other-losses.md', 6],
  ['docs/metrics.md', 3],
  ['docs/training.md', 2],
])('the examples of %s', (page, least) => {
  const text = readFileSync(new URL(page, root), 'utf8');
  const examples = [...text.matchAll(/^```js\n(.*?)^```\n\n```text\n(.*?)^```$/gms)].map(
    ([, code, output]) => [code!, output!] as const,
  );

  it(`are at least ${least}, each with its output`, () => {
    expect(examples.length).toBeGreaterThanOrEqual(least);
    expect(text.match(/^```js$/gm)).toHaveLength(examples.length);
  });

  it.each(examples)('print what the page says (%#)', (code, output) => {
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: fileURLToPath(root),
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toBe(output);
  });
});
