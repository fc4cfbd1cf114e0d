import { existsSync, readdirSync, readFileSync } from 'node:fs';
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

/** README.md apart, whose links npm resolves. */
const PAGES = [
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...readdirSync(new URL('docs', root)).map((name) => `docs/${name}`),
];
const REPOSITORY = 'https://github.com/softshard/softshard/blob/main/';

test('the pages of the package link to files of the package, and to others where they are: in the repository', () => {
  const packed: readonly string[] = [...manifest.files, 'README.md', 'LICENSE', 'package.json'];
  const isPacked = (path: string) => packed.some((entry) => path === entry || path.startsWith(`${entry}/`));
  const wrong = PAGES.filter((page) => page.endsWith('.md')).flatMap((page) => {
    const links = [...readFileSync(new URL(page, root), 'utf8').matchAll(/\]\(([^)#\s]+)/g)].map(
      ([, link]) => link!,
    );
    return links.filter((link) => {
      if (link.startsWith(REPOSITORY)) return !existsSync(new URL(link.slice(REPOSITORY.length), root));
      if (/^https?:/.test(link)) return false;
      const target = new URL(link, new URL(page, root));
      return !existsSync(target) || !isPacked(target.href.slice(root.href.length));
    });
  });
  expect(wrong).toEqual([]);
});
