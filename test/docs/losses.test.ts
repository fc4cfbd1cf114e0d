// Every test that docs/losses.md names exists, and every option has one.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const files: Readonly<Record<string, string>> = {
  laws: 'test/kernels/reference/loss-laws.test.ts',
  'general-loss': 'test/kernels/reference/general-loss.test.ts',
  'row-losses': 'test/kernels/reference/row-losses.test.ts',
  metrics: 'test/kernels/reference/metrics.test.ts',
  'class-axis': 'test/kernels/reference/class-axis.test.ts',
  torch: 'test/conformance/reference-torch.test.ts',
  onnx: 'test/conformance/reference-onnx.test.ts',
};

const page = read('docs/losses.md');
/** The rows of section 11. */
const citations = [...page.matchAll(/^\| +(\d+) \| (.+?) +\| ([a-z-]+): (.+?) +\|$/gm)].map(
  ([, section, about, file, title]) => ({ section: section!, about: about!, file: file!, title: title! }),
);

describe('docs/losses.md', () => {
  it('names at least 60 tests, of every section', () => {
    expect(citations.length).toBeGreaterThanOrEqual(60);
    expect(new Set(citations.map(({ section }) => Number(section))).size).toBe(10);
  });

  it('names a test of every option', () => {
    const [table] = /^\| option (?:.*\n)+?\n/m.exec(page)!;
    const options = [...table.matchAll(/^\| (`\w+`)/gm)].map(([, option]) => option!);
    const tested = citations.filter(({ section }) => section === '2').map(({ about }) => about);
    expect(options.length).toBeGreaterThan(10);
    expect(options.filter((option) => !tested.includes(option))).toEqual([]);
  });

  it.each(citations)('names a test that exists: $file, $title', ({ file, title }) => {
    expect(Object.keys(files)).toContain(file);
    const titles = [
      ...read(files[file]!).matchAll(/(?:it|test|describe)(?:\.each\([\s\S]*?\))?\(\s*(['`])(.*?)\1,/g),
    ];
    expect(titles.some(([, , found]) => found!.startsWith(title))).toBe(true);
  });

  it('says how many PyTorch cases there are', () => {
    expect(page).toContain('1,158 cases');
    expect(read(files.torch!)).toContain('toBe(1158)');
  });
});
