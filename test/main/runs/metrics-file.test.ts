import { readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MetricsFile, type MetricsPosition, NO_METRICS } from '#softshard/main/runs/metrics-file.js';
import { useFolder } from '../data/workbench.js';

const folder = useFolder();
let path: string;

beforeEach(() => {
  path = join(folder.path, 'metrics.jsonl');
});
afterEach(() => vi.restoreAllMocks());

async function openAt(position: MetricsPosition): Promise<MetricsFile> {
  const file = await MetricsFile.open(path, position);
  if (file === undefined) return expect.fail('the file is too short');
  return file;
}

const lines = (): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test('is cut back to a position, and goes on from there', async () => {
  const first = await openAt(NO_METRICS);
  first.append({ epoch: 1, loss: 'ä' });
  const position = first.position;
  first.append({ epoch: 2 });
  first.append({ epoch: 3 });
  await first.close();
  expect(lines()).toEqual([{ epoch: 1, loss: 'ä' }, { epoch: 2 }, { epoch: 3 }]);
  const second = await openAt(position);
  second.append({ epoch: 2, again: true });
  await second.flush();
  expect(lines()).toEqual([
    { epoch: 1, loss: 'ä' },
    { epoch: 2, again: true },
  ]);
  await second.close();
  expect(position).toEqual({ bytes: 24, lines: 1, turn: 0, waiting: [] });
});

test('begins anew without a position, and is not taken where it is shorter than one', async () => {
  folder.file('metrics.jsonl', '{"left":1}\n');
  await (await openAt(NO_METRICS)).close();
  expect(readFileSync(path, 'utf8')).toBe('');
  expect(await MetricsFile.open(path, { ...NO_METRICS, bytes: 1 })).toBeUndefined();
});

test('lines that come while it is written anew are kept', async () => {
  const file = await openAt(NO_METRICS);
  file.append({ epoch: 1 });
  await file.flush();
  rmSync(path);
  const restored = file.restore();
  file.append({ epoch: 2 });
  await Promise.all([restored, file.flush()]);
  expect(lines()).toEqual([{ epoch: 1 }, { epoch: 2 }]);
  await file.close();
});

test('lines with turns stand in their order; those that wait are part of the position', async () => {
  const first = await openAt(NO_METRICS);
  first.append({ head: 2 }, 2);
  first.append({ head: 0 }, 0);
  const position = first.position;
  first.append({ head: 1 }, 1);
  await first.close();
  expect(lines()).toEqual([{ head: 0 }, { head: 1 }, { head: 2 }]);
  const second = await openAt(JSON.parse(JSON.stringify(position)));
  second.append({ head: 3 }, 3);
  second.append({ head: 1 }, 1);
  await second.close();
  expect(lines()).toEqual([{ head: 0 }, { head: 1 }, { head: 2 }, { head: 3 }]);
});

test('lines whose turn never comes are written at the end', async () => {
  const file = await openAt(NO_METRICS);
  file.append({ head: 3 }, 3);
  file.append({ head: 1 }, 1);
  await file.close();
  expect(lines()).toEqual([{ head: 1 }, { head: 3 }]);
});

test('numbers that JSON does not have are null', async () => {
  const file = await openAt(NO_METRICS);
  file.append({ loss: Number.NaN, gap: Number.POSITIVE_INFINITY });
  await file.close();
  expect(lines()).toEqual([{ loss: null, gap: null }]);
});

test('what a full disk does not take is kept, and written with what comes later', async () => {
  const handle = await open(folder.file('any', ''), 'r');
  const prototype = Object.getPrototypeOf(handle) as {
    write(...call: unknown[]): Promise<{ bytesWritten: number }>;
  };
  await handle.close();
  const original = prototype.write;
  let isFull = true;
  vi.spyOn(prototype, 'write').mockImplementation(function (this: unknown, ...[bytes, offset, , position]) {
    if (isFull && (position as number) > 0)
      return Promise.reject(new Error('ENOSPC: no space left on device'));
    // A part of a line.
    return original.call(
      this,
      bytes,
      offset,
      isFull ? 5 : (bytes as Buffer).length - (offset as number),
      position,
    );
  });
  const file = await openAt(NO_METRICS);
  file.append({ epoch: 1 });
  await expect(file.flush()).rejects.toThrow('ENOSPC');
  file.append({ epoch: 2 });
  const { position } = file;
  isFull = false;
  file.append({ epoch: 3 });
  await file.close();
  expect(lines()).toEqual([{ epoch: 1 }, { epoch: 2 }, { epoch: 3 }]);
  expect(position).toMatchObject({ bytes: 24, lines: 2 });
});
