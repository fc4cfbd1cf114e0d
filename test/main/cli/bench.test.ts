import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Scaling } from '#softshard/main/index.js';
import { softshard, softshardProcess, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const file = (name: string) => join(folder, name);
const TINY = [
  '--rows',
  '200',
  '--columns',
  '9',
  '--threads',
  '1,2',
  '--quick',
  '--seconds',
  '0.2',
  '--no-try',
];

describe('softshard bench', () => {
  test('prints a table of 80 columns, and writes JSON, CSV and a page', async () => {
    const outputs = ['--json', file('a.json'), '--csv', file('a.csv'), '--report', file('a.html')];
    const { code, stdout, stderr } = await softshard(['bench', ...TINY, ...outputs]);
    expect(stderr).not.toContain('softshard:');
    expect(code).toBe(0);
    expect(
      Math.max(
        ...stdout
          .split('\n')
          .filter((line) => !line.startsWith('Wrote'))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^softmax, 200 rows × 9 columns$/m);
    expect(stdout).toMatch(/^strong +2 .* equal$/m);
    expect(stdout).toMatch(/^weak +1 /m);
    expect(stdout).toMatch(/^Best here: \d thread/m);
    const result = JSON.parse(readFileSync(file('a.json'), 'utf8')) as Scaling.ScalingResult;
    expect(result).toMatchObject({ kind: 'softshard scaling', quick: true, threads: [1, 2] });
    expect(result.workloads.map(({ operation, bitsEqual }) => [operation, bitsEqual])).toEqual([
      ['softmax', true],
      ['crossEntropyGradient', true],
    ]);
    const [head, ...records] = readFileSync(file('a.csv'), 'utf8').trim().split('\n');
    expect(head).toMatch(/^operation,preset,rows,.*,bits_equal$/);
    expect(records).toHaveLength(8);
    for (const record of records) expect(record.split(',')).toHaveLength(head!.split(',').length);
    expect(readFileSync(file('a.html'), 'utf8')).toMatch(/^<!DOCTYPE html>.*<\/html>\n$/s);
  });

  test('--json alone prints the result; --compare sets it against an earlier one', async () => {
    const { code, stdout } = await softshard(['bench', ...TINY, '--compare', file('a.json'), '--json']);
    expect(code).toBe(0);
    const { comparison } = JSON.parse(stdout) as { comparison: Scaling.ScalingComparison };
    expect(comparison.points).toHaveLength(6);
    expect(comparison).toMatchObject({ differences: [], unmatched: 0 });
  });

  test('the comparison says what is slower beyond noise', async () => {
    const before = JSON.parse(readFileSync(file('a.json'), 'utf8')) as Scaling.ScalingResult;
    const points = before.workloads.flatMap(({ strong, weak }) => [...strong, ...weak]);
    // A hundred thousand times as fast as it was.
    for (const point of points) {
      Object.assign(point, {
        medianMs: point.medianMs / 1e5,
        q1Ms: point.q1Ms / 1e5,
        q3Ms: point.q3Ms / 1e5,
      });
    }
    writeFileSync(file('fast.json'), JSON.stringify(before));
    const { stdout } = await softshard(['bench', ...TINY, '--compare', file('fast.json')]);
    // A line may break within.
    expect(stdout.replace(/\s+/g, ' ')).toContain('beyond noise: 6 slower, 0 faster, 0 same.');
    expect(stdout).toMatch(/^slower: softmax 200 × 9, strong, 1 thread: /m);
  });

  test.each([
    ['a preset', ['--preset', 'vocabulary'], 'one or more of vocab, probe, images'],
    ['an operation', ['--operations', 'softmax,softmin'], 'one or more of softmax, cross-entropy'],
    ['threads', ['--threads', '1,two'], 'whole numbers from 1 to 1024 with commas between'],
    ['seconds', ['--seconds', '0'], 'greater than 0'],
    ['a shape without columns', ['--rows', '5'], '--columns and --classes are both left out'],
    [
      'a shape that is too large',
      ['--rows', '100000', '--columns', '100000'],
      '--rows is 100000: softmax would take 74.5 GiB',
    ],
    ['one file for two outputs', ['--csv', 'x', '--report', 'x'], 'both name x'],
    ['JSON and a page on one stream', ['--json', '--report', '-'], 'both take standard output'],
  ])('refuses a wrong value of %s', async (_, args, message) => {
    const { code, stderr, stdout } = await softshard(['bench', ...args], { cwd: folder });
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  test.each([
    ['no JSON', 'nothing'],
    ['another JSON', '{"kind":"softshard bench"}'],
  ])('refuses to compare with a file of %s, before it measures', async (_, text) => {
    writeFileSync(file('wrong.json'), text);
    const { code, stderr } = await softshard(['bench', '--compare', file('wrong.json')]);
    expect(stderr).toContain('is no measurement of softshard bench --json');
    expect(code).toBe(1);
  });

  test('ends at Ctrl-C with nothing written', async () => {
    let sent = false;
    const args = ['bench', '--preset', 'images', '--quick', '--seconds', '60', '--json', file('never.json')];
    const { code, stderr } = await softshardProcess(args, {
      onStderr: (text, child) => {
        if (!sent && text.includes('measuring trainingStep')) sent = child.kill('SIGINT');
      },
    });
    expect(stderr).toMatch(/softshard: interrupted by SIGINT: nothing was written\n$/);
    expect(code).toBe(130);
    expect(existsSync(file('never.json'))).toBe(false);
  });
});
