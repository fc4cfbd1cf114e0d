import { appendFileSync, existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { withDataFile } from '#softshard/main/data/data-file.js';
import { checkInput } from '#softshard/main/data/index.js';
import { failure, useFolder } from './workbench.js';

const folder = useFolder();
/** More than one read of the system's. */
const content = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251));

describe('a file', () => {
  it('is read at any offset, several parts at a time, and gives fewer bytes only at its end', async () => {
    await withDataFile(folder.file('a', content), {}, async (file) => {
      expect([file.sizeBytes, file.compression]).toEqual([content.length, undefined]);
      const parts = await Promise.all(
        [0, 7, 1_500_001, content.length - 3, content.length, content.length + 5].map(async (offset) => {
          const bytes = new Uint8Array(new SharedArrayBuffer(1_200_000));
          return [offset, Buffer.from(bytes.slice(0, await file.read(bytes, offset)))] as const;
        }),
      );
      for (const [offset, part] of parts)
        expect(part.equals(content.subarray(offset, offset + 1_200_000))).toBe(true);
    });
  });

  it.each([false, true])('has any number of passes over its content (gzip: %s)', async (isCompressed) => {
    const path = folder.file('a', isCompressed ? gzipSync(content) : content);
    await withDataFile(path, {}, async (file) => {
      expect(file.compression).toBe(isCompressed ? 'gzip' : undefined);
      const passes = [file.content(), file.content()].map(async (source) => {
        const bytes = Buffer.alloc(content.length);
        await source.readExactly(bytes, 'all');
        await source.expectEnd('all');
        return bytes.equals(content);
      });
      expect(await Promise.all(passes)).toEqual([true, true]);
      if (isCompressed) await failure(file.read(new Uint8Array(1), 0), 'ERR_FORMAT', path, 'found gzip');
    });
  });

  it('rejects reads once it is aborted, and says when it has changed', async () => {
    const controller = new AbortController();
    const path = folder.file('a', content);
    await withDataFile(path, { signal: controller.signal }, async (file) => {
      await file.expectUnchanged();
      appendFileSync(path, 'more');
      await failure(file.expectUnchanged(), 'ERR_FORMAT', path, 'changed while it was read');
      controller.abort('enough');
      await expect(file.read(new Uint8Array(1), 0)).rejects.toBe('enough');
    });
  });
});

it('checkInput refuses what is no file, and what is not there', async () => {
  await failure(checkInput(folder.path), 'ERR_FILE', 'the folder has no files of its own');
  await checkInput(folder.file('a', 'x'));
  await checkInput(folder.path);
  if (existsSync('/dev/null')) await failure(checkInput('/dev/null'), 'ERR_FILE', 'is not a regular file');
  await failure(checkInput(`${folder.path}/none`), 'ERR_FILE', 'there is no such file');
});
