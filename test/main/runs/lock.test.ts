import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hostMark, startOf } from '#softshard/main/machine/processes.js';
import { takeLock } from '#softshard/main/runs/lock.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();

/** More than Linux ever has processes. */
const NO_PROCESS = 2 ** 22 + 1;

const own = {
  id: 'abc',
  pid: process.pid,
  host: 'here',
  system: hostMark(),
  processStart: startOf(process.pid) ?? null,
  since: '2026-01-02T03:04:05.678Z',
};

const leave = (owner: object): string => folder.file('lock.json', JSON.stringify(owner));
const holder = (): { pid: number; id: string } =>
  JSON.parse(readFileSync(join(folder.path, 'lock.json'), 'utf8'));

test('a second holder is refused, and told who the first is; released, the lock is free', async () => {
  const lock = await takeLock(folder.path);
  await failure(takeLock(folder.path), 'ERR_BUSY', folder.path, 'this process', 'since');
  await lock.check();
  await lock.release();
  expect(folder.names()).toEqual([]);
  await (await takeLock(folder.path)).release();
});

test.each([
  ['a process that is gone', { ...own, pid: NO_PROCESS }],
  ['an earlier process of the same number', { ...own, processStart: '1' }],
])('the lock of %s is taken over', async (_, owner) => {
  leave(owner);
  const lock = await takeLock(folder.path);
  expect(holder()).toMatchObject({ pid: process.pid });
  expect(folder.names()).toEqual(['lock.json']);
  await lock.release();
});

test('a live process of this machine holds its lock, and is named', async () => {
  leave({ ...own, pid: process.ppid, processStart: startOf(process.ppid) ?? null });
  await failure(takeLock(folder.path), 'ERR_BUSY', `process ${process.ppid} on here (since ${own.since})`);
});

test('of another machine, a lock that is touched is held, and one that is silent for minutes is taken over', async () => {
  const path = leave({ ...own, system: '00000000' });
  await failure(takeLock(folder.path), 'ERR_BUSY', 'on here', 'another machine', '3 minutes');
  const past = new Date(Date.now() - 200_000);
  utimesSync(path, past, past);
  await (await takeLock(folder.path)).release();
});

test('of many at once, one takes a dead lock over', async () => {
  for (let round = 0; round < 20; round++) {
    leave({ ...own, id: `dead-${round}`, pid: NO_PROCESS });
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(folder.path)));
    const locks = taken.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(locks).toHaveLength(1);
    expect(taken.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))).toEqual(
      Array.from({ length: 7 }, () => 'ERR_BUSY'),
    );
    await locks[0]!.release();
    expect(folder.names()).toEqual([]);
  }
});

test('who died while taking over is succeeded as well', async () => {
  leave({ ...own, id: 'first', pid: NO_PROCESS });
  folder.file('lock.json.after-first', JSON.stringify({ ...own, id: 'second', pid: NO_PROCESS }));
  await (await takeLock(folder.path)).release();
  expect(folder.names()).toEqual([]);
});

test('what processes left that were killed while they took the lock is removed, that of live ones stays', async () => {
  const temporary = (pid: number) => `lock.json.softshard-${hostMark()}-${pid}-01234567.tmp`;
  const dead = { ...own, id: 'dead', pid: NO_PROCESS };
  // After link or writeFile, in the middle of writeFile, and after the rename of a succession.
  leave(dead);
  folder.file(temporary(NO_PROCESS), JSON.stringify(dead));
  folder.file(temporary(NO_PROCESS + 1), '');
  folder.file('lock.json.after-earlier', JSON.stringify(dead));
  const live = [temporary(process.ppid), 'lock.json.after-another'];
  for (const name of live) {
    folder.file(name, JSON.stringify({ ...own, pid: process.ppid, processStart: startOf(process.ppid) }));
  }
  const lock = await takeLock(folder.path);
  expect(folder.names()).toEqual(['lock.json', ...live].sort());
  await lock.release();
});

test('one whose lock another has taken learns so; one whose lock was removed takes it again', async () => {
  const lock = await takeLock(folder.path);
  const path = join(folder.path, 'lock.json');
  const content = readFileSync(path);
  writeFileSync(path, JSON.stringify({ ...own, id: 'other', host: 'there' }));
  await failure(lock.check(), 'ERR_BUSY', 'taken over', 'there');
  await lock.release();
  expect(folder.names()).toEqual(['lock.json']);
  writeFileSync(path, content);
  await lock.check();
  const { unlinkSync } = await import('node:fs');
  unlinkSync(path);
  await lock.check();
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(content.toString()));
  await lock.release();
});
