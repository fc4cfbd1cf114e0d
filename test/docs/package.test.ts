import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

test('the package says where it comes from, so that npm resolves the links of its README (F23)', () => {
  expect(manifest.repository).toMatchObject({
    type: 'git',
    url: expect.stringMatching(/^git\+https:.*\.git$/),
  });
  expect(manifest.homepage).toMatch(/^https:/);
  expect(manifest.bugs).toMatch(/^https:/);
  const readme = readFileSync(new URL('README.md', root), 'utf8');
  const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link!);
  expect(links.length).toBeGreaterThan(10);
  expect(links.filter((link) => !existsSync(new URL(link, root)))).toEqual([]);
});
