// Keeps docs/losses.md honest: every test that it names exists.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const files: Readonly<Record<string, string>> = {
  laws: 'test/kernels/reference/loss-laws.test.ts',
  'general-loss': 'test/kernels/reference/general-loss.test.ts',
  'other-losses': 'test/kernels/reference/other-losses.test.ts',
  metrics: 'test/kernels/reference/metrics.test.ts',
  'class-axis': 'test/kernels/reference/class-axis.test.ts',
  torch: 'test/conformance/reference-torch.test.ts',
  onnx: 'test/conformance/reference-onnx.test.ts',
};

const page = read('docs/losses.md').replace(/\s+/g, ' ');
const citations = [...page.matchAll(/_\(([a-z-]+): (.+?)\)_/g)].map(
  ([, file, title]) => [file!, title!] as const,
);

describe('docs/losses.md', () => {
  it('names at least 50 tests', () => {
    expect(citations.length).toBeGreaterThanOrEqual(50);
  });

  it.each(citations)('names a test that exists: %s, %s', (file, title) => {
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
