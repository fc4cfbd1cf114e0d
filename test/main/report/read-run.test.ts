// The facts of a run directory: whole, in progress, damaged, or none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readRun, renderReport } from '#softshard/main/index.js';
import { MetricsLines } from '#softshard/main/report/metrics-lines.js';
import { failure } from '../../failure.js';
import { stepFacts } from './facts.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'softshard-report-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

test('has what the files hold; a last line that is not whole is left out', async () => {
  const { metrics = [], ...files } = stepFacts(['a', 'b', 'c']);
  for (const [name, content] of Object.entries(files)) write(`${name}.json`, JSON.stringify(content));
  const lines = metrics.map((line) => JSON.stringify(line));
  write('metrics.jsonl', `${lines.join('\n')}\n{"time":1,"tra`);
  expect(await readRun(folder)).toEqual({ ...files, metrics });
  expect(renderReport(await readRun(folder))).toBe(renderReport({ ...files, metrics }));
});

test('of a run that has just begun, what there is', async () => {
  write('status.json', '{"state":"running"}');
  expect(await readRun(folder)).toEqual({ status: { state: 'running' } });
});

test.each([
  ['result.json', '{"loss":', 'ERR_FORMAT', 'is no JSON'],
  ['result.json', '{"heads":5}', 'ERR_FORMAT', 'result.json: heads is 5: it must be a list'],
  ['metrics.jsonl', '{"time":0}\nx\n{"time":1}\n', 'ERR_FORMAT', 'line 2 is no JSON'],
  ['other.json', '{}', 'ERR_FILE', 'holds no run'],
])('%s of %j is refused with what is wrong', async (name, text, code, words) => {
  write(name, text);
  const error = await failure(() => readRun(folder));
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(words);
  expect(error.message).toContain(folder);
});

test('a folder that is not there is named', async () => {
  const error = await failure(() => readRun(join(folder, 'x')));
  expect(error.message).toContain('there is no such folder');
});

test('aborting rejects with the reason', async () => {
  const reason = new Error('enough');
  await expect(readRun(folder, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('of too many lines those at equal distances are kept, and the last', () => {
  const lines = new MetricsLines(100);
  for (let i = 0; i < 12_345; i++) lines.add(i);
  const all = lines.all as number[];
  expect(all.length).toBeLessThanOrEqual(102);
  expect(all[0]).toBe(0);
  expect(all.at(-1)).toBe(12_344);
  expect(new Set(all.slice(1, -1).map((value, i) => value - all[i]!)).size).toBe(1);
});
