// Every public operation is on a page, and every link of a page leads somewhere.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as softshard from '#softshard/main/index.js';
import { RunDirectory } from '#softshard/main/runs/run-directory.js';

const PAGES = [
  'api',
  'api-training',
  'serving',
  'export',
  'api-files',
  'row-losses',
  'metrics',
  'runs',
  'jobs',
  'scaling',
  'reports',
];
const root = new URL('../../', import.meta.url);
const text = PAGES.map((page) => readFileSync(new URL(`docs/${page}.md`, root), 'utf8')).join('\n');
/** What stands in blocks and in the line. */
const code = [...text.matchAll(/^```.*?^```|`[^`]+`/gms)].map(([part]) => part).join('\n');
const isDocumented = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(code);

const methodsOf = (type: { prototype: object }): string[] =>
  Object.getOwnPropertyNames(type.prototype).filter((name) => name !== 'constructor');

describe('the pages of the API', () => {
  it('name everything that softshard exports', () => {
    expect(Object.keys(softshard).filter((name) => !isDocumented(name))).toEqual([]);
  });

  it.each([
    ['Engine', softshard.Engine],
    ['SoftmaxClassifier', softshard.SoftmaxClassifier],
    ['Predictor', softshard.Predictor],
    ['ClassificationMetrics', softshard.ClassificationMetrics],
    ['RunDirectory', RunDirectory],
  ])('name every method of %s', (_, type) => {
    expect(methodsOf(type).length).toBeGreaterThan(3);
    expect(methodsOf(type).filter((name) => !isDocumented(name.replace(/Gradient$/, '')))).toEqual([]);
  });
});

const FOLDERS = ['', 'docs/', 'bench/notes/', 'bench/peers/'];
const pages = FOLDERS.flatMap((folder) =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}${name}`),
);

/** As GitHub makes them of headings. */
const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\d\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );

it.each(pages)('%s links to files and headings that exist', (name) => {
  const here = new URL(name, root);
  const page = readFileSync(here, 'utf8');
  for (const [link, file, anchor] of page.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
    const target = file === '' ? here : new URL(file!, here);
    expect(existsSync(target), `${name}: ${link}`).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(readFileSync(target, 'utf8')), name).toContain(anchor);
  }
});

// Not ARCHITECTURE.md, nor dated notes, which name what was there at the time.
it.each(pages.filter((name) => /^(README|CONTRIBUTING|docs\/.*)\.md$/.test(name)))(
  '%s names files that exist',
  (name) => {
    const named = readFileSync(new URL(name, root), 'utf8').matchAll(
      /`((?:bench(?!\/results)|examples|src|test|tools)\/[\w./-]+)`/g,
    );
    expect([...named].map(([, path]) => path!).filter((path) => !existsSync(new URL(path, root)))).toEqual(
      [],
    );
  },
);

it('docs/README.md names every page', () => {
  const index = readFileSync(new URL('docs/README.md', root), 'utf8');
  const missing = readdirSync(new URL('docs/', root)).filter((name) => !index.includes(`(${name})`));
  expect(missing).toEqual(['README.md']);
});
