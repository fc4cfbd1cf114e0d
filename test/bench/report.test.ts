import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { quantile } from '#softshard/main/scaling/statistics.js';
import { checkClose } from '../../bench/cases/values.js';
import { markdownTable, threeDigits } from '../../bench/markdown-table.js';
import { limitsSection } from '../../bench/pages/limits.js';
import { operationsSection } from '../../bench/pages/operations.js';
import { fillPage, pagesToFill, sectionsOf } from '../../bench/pages/sections.js';
import type { By } from '../../bench/peers/turns.js';
import { type BenchResults, type MeasuredRow, resultsMarkdown, withSpeedups } from '../../bench/results.js';
import { summarize } from '../../bench/statistics.js';
import { GRADIENT } from '../../bench/targets.js';

describe('summarize', () => {
  it('gives median, p20 and p80 of unsorted samples, linear between neighbors', () => {
    expect(summarize([40, 10, 20, 30])).toEqual({ medianMs: 25, p20Ms: 16, p80Ms: 34, samples: 4 });
    expect(summarize([7])).toEqual({ medianMs: 7, p20Ms: 7, p80Ms: 7, samples: 1 });
  });

  it('refuses no samples: nothing measured must not look like 0 ms', () => {
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });
});

describe('checkClose', () => {
  const tolerance = { relative: 0.01, absolute: 0.1 };

  it('passes at the bound, and names index, expected and got beyond it', () => {
    expect(() => checkClose('x', [100, 101.1], [100, 100], tolerance)).not.toThrow();
    expect(() => checkClose('x', [100, 101.2], [100, 100], tolerance)).toThrow(
      'x[1]: expected 100 ± 1.1, got 101.2',
    );
  });

  it('fails for NaN and for a missing element', () => {
    expect(() => checkClose('x', [Number.NaN], [1], tolerance)).toThrow('got NaN');
    expect(() => checkClose('x', [1], [1, 1], tolerance)).toThrow('1 elements, expected 2');
  });
});

describe('markdownTable', () => {
  it('pads cells, text to the left and numbers to the right', () => {
    const columns = [
      { heading: 'name', align: 'left', cell: (row: [string, number]) => row[0] },
      { heading: 'ms', align: 'right', cell: (row: [string, number]) => threeDigits(row[1]) },
    ] as const;
    const rows: [string, number][] = [
      ['a', 0.01234],
      ['longer', 1234],
    ];
    expect(markdownTable(columns, rows).split('\n')).toEqual([
      '| name   |     ms |',
      '| ------ | -----: |',
      '| a      | 0.0123 |',
      '| longer |   1234 |',
    ]);
  });

  it.each([
    [0, '0.00'],
    [1.005, '1.00'],
    [12.34, '12.3'],
    [999.9, '1000'],
    [Number.NaN, 'NaN'],
  ])('writes %d as %s', (value, text) => {
    expect(threeDigits(value)).toBe(text);
  });
});

const measured = (threads: number, medianMs: number, shape = '8 × 8'): MeasuredRow => ({
  case: 'softmax',
  shape,
  numerics: 'portable',
  threads,
  medianMs,
  p20Ms: medianMs,
  p80Ms: medianMs,
  samples: 5,
  cores: { own: threads, others: 0 },
  rate: 1 / medianMs,
  rateUnit: 'Ge/s',
});

const results = (rows: readonly MeasuredRow[], quick = false): BenchResults => ({
  kind: 'softshard bench',
  environment: {
    date: '2026-01-02T03:04:05Z',
    commit: 'abc',
    node: '20',
    v8: '11',
    platform: 'linux x64',
    cpu: 'CPU',
    cores: 2,
    memoryGiB: 4,
    loadBefore: 0,
  },
  quick,
  rows: withSpeedups(rows),
  skipped: [],
  quantities: {},
});

describe('withSpeedups', () => {
  it('compares with one thread of the same case, shape and build, and with no other', () => {
    const rows = withSpeedups([measured(1, 8), measured(2, 5), measured(2, 1, '9 × 9')]);
    expect(rows.map(({ speedup, efficiency }) => [speedup, efficiency])).toEqual([
      [1, 1],
      [1.6, 0.8],
      [null, null],
    ]);
  });
});

describe('the pages', () => {
  it('show operations by a line for each case and shape, a column for each build and thread count', () => {
    const rows = withSpeedups([measured(1, 8), measured(2, 5), measured(1, 2, '9 × 9')]);
    expect(operationsSection(rows).split('\n')).toEqual([
      '| operation | shape | portable, 1 thr. | portable, 2 thr. |',
      '| --------- | ----- | ---------------: | ---------------: |',
      '| softmax   | 8 × 8 |       0.125 Ge/s |       0.200 Ge/s |',
      '| softmax   | 9 × 9 |       0.500 Ge/s |                  |',
    ]);
  });

  it('show how far beyond PyTorch the C limit is, where it was measured', () => {
    const row = (by: By, threads: number, medianMs: number) => ({
      work: GRADIENT,
      shape: '64 × 1024',
      by,
      threads,
      medianMs,
    });
    const rows = [row('PyTorch', 1, 9), row('PyTorch', 1, 8), row('C limit', 1, 2), row('softshard', 1, 4)];
    expect(limitsSection(rows)!.split('\n')).toEqual([
      '| times as fast as PyTorch | shape     | threads | C limit | softshard wide | softshard |',
      '| ------------------------ | --------- | ------: | ------: | -------------: | --------: |',
      '| cross-entropy + gradient | 64 × 1024 |       1 |    4.00 |                |      2.00 |',
    ]);
    expect(limitsSection(rows.slice(0, 2))).toBeUndefined();
  });

  it('are not made from a quick run', () => {
    expect(() => sectionsOf({ bench: results([], true) })).toThrow('of a --quick run');
  });

  it('are filled between the comments of a section and nowhere else, and again', () => {
    const page = 'a\n<!-- bench:begin x -->\nold\n<!-- bench:end x -->\nb\n';
    const filled = 'a\n<!-- bench:begin x -->\n\nnew $& table\n\n<!-- bench:end x -->\nb\n';
    expect(fillPage(page, { x: 'new $& table' })).toBe(filled);
    expect(fillPage(filled, { x: 'new $& table' })).toBe(filled);
  });

  it('keep a section that was not measured', () => {
    const page = '<!-- bench:begin x -->\nold\n<!-- bench:end x -->';
    expect(fillPage(page, { x: undefined })).toBe(page);
  });

  it('are refused where a section is unknown or has no end', () => {
    expect(() => fillPage('<!-- bench:begin y --><!-- bench:end y -->', {})).toThrow(
      'no section of that name',
    );
    expect(() => fillPage('<!-- bench:end x --><!-- bench:begin x -->', { x: '' })).toThrow(
      'not followed by',
    );
  });

  it('are docs/performance.md and the notes of the newest month', () => {
    expect(pagesToFill(['2026-12-b.md', '2026-11-a.md', '2026-12-a.md'])).toEqual([
      'docs/performance.md',
      'bench/notes/2026-12-a.md',
      'bench/notes/2026-12-b.md',
    ]);
  });

  it('have only sections that are written, and each section is on one of them', () => {
    const pages = pagesToFill(readdirSync('bench/notes')).map((name) => readFileSync(name, 'utf8'));
    for (const page of pages) expect(() => fillPage(page, sectionsOf({}))).not.toThrow();
    for (const name of Object.keys(sectionsOf({}))) {
      expect(pages.filter((page) => page.includes(`<!-- bench:begin ${name} -->`))).toHaveLength(1);
    }
  });
});

it('the report of a quick run says that its figures say little', () => {
  expect(resultsMarkdown(results([measured(1, 8)], true))).toContain('its figures say little');
  expect(resultsMarkdown(results([measured(1, 8)]))).not.toContain('its figures say little');
});
