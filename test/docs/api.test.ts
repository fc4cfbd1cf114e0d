// Every public operation is on a page: a new one without its documentation fails here.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as softshard from '#softshard/main/index.js';

const PAGES = ['api', 'api-training', 'api-files', 'other-losses', 'metrics'];
const root = new URL('../../docs/', import.meta.url);
const text = PAGES.map((page) => readFileSync(new URL(`${page}.md`, root), 'utf8')).join('\n');
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
    ['ClassificationMetrics', softshard.ClassificationMetrics],
  ])('name every method of %s', (_, type) => {
    expect(methodsOf(type).length).toBeGreaterThan(3);
    expect(methodsOf(type).filter((name) => !isDocumented(name.replace(/Gradient$/, '')))).toEqual([]);
  });

  it('link to headings and pages that exist', () => {
    for (const page of PAGES) {
      const source = readFileSync(new URL(`${page}.md`, root), 'utf8');
      for (const [, file, anchor] of source.matchAll(/\]\(([\w-]+\.md)?(?:#([\w-]+))?\)/g)) {
        const target = readFileSync(new URL(file ?? `${page}.md`, root), 'utf8');
        const anchors = [...target.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
          heading!
            .toLowerCase()
            .replace(/[^\w\s-]/g, '')
            .replaceAll(' ', '-'),
        );
        if (anchor !== undefined) expect(anchors, `${page}.md: #${anchor}`).toContain(anchor);
      }
    }
  });
});
