// In a process of its own: which of its memory Linux was asked to give in large pages.
import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { Engine, hugePages } from '#softshard/main/index.js';
import { hasKoffi } from '../../optional.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Bytes of the process's memory for which large pages are asked: the flag "hg" of a mapping. */
function askedBytes(): number {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^VmFlags: (.*)$/m);
  let bytes = 0;
  for (let i = 1; i < mappings.length; i += 2) {
    const size = /^Size:\s+(\d+) kB$/m.exec(mappings[i - 1]!)?.[1];
    if (mappings[i]!.split(' ').includes('hg')) bytes += Number(size) * 1024;
  }
  return bytes;
}

const answer = hugePages();
const title = answer.asked ? '' : ` (skipped: ${answer.why})`;

test.runIf(answer.asked)(`an engine asks for all that its arena may become${title}`, async () => {
  vi.stubEnv('SOFTSHARD_HUGE_PAGES', '0');
  const arenaBytes = 64 * 1024 * 1024;
  const before = askedBytes();
  await using _without = await Engine.create({ threads: 1, arenaBytes });
  expect(askedBytes()).toBe(before);
  vi.stubEnv('SOFTSHARD_HUGE_PAGES', undefined);
  await using engine = await Engine.create({ threads: 1, arenaBytes });
  const asked = askedBytes() - before;
  expect(asked).toBeGreaterThanOrEqual(arenaBytes);
  engine.matrix(1024, 1024).data.fill(1);
  expect(askedBytes() - before).toBe(asked);
});

test('says why it does not', () => {
  vi.stubEnv('SOFTSHARD_HUGE_PAGES', '0');
  expect(hugePages()).toEqual({ asked: false, why: 'SOFTSHARD_HUGE_PAGES=0 in the environment' });
  vi.stubEnv('SOFTSHARD_HUGE_PAGES', '1');
  if (!hasKoffi && process.platform === 'linux')
    expect(hugePages()).toEqual({ asked: false, why: expect.stringMatching(/koffi|never/) });
});

test('the variable is 1 or 0, or it is refused', async () => {
  vi.stubEnv('SOFTSHARD_HUGE_PAGES', 'yes');
  await expect(Engine.create({ threads: 1 })).rejects.toMatchObject({
    code: 'ERR_OPTION',
    argument: 'SOFTSHARD_HUGE_PAGES',
  });
});
