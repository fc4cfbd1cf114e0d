import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { SoftshardError } from '#softshard/errors.js';
import { Cancellation } from '#softshard/main/cancellation.js';
import { writeCsv } from '#softshard/main/data/csv/csv-writer.js';
import { writeFileAtomically } from '#softshard/main/outputs/write-atomically.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();

afterEach(() => vi.restoreAllMocks());

interface Writer {
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number; buffer: Uint8Array }>;
}

/** Every FileHandle's write becomes `limited`, which is given the former one. */
async function replaceWrites(
  limited: (
    write: (
      bytes: Uint8Array,
      offset: number,
      length: number,
      position: number,
    ) => ReturnType<Writer['write']>,
  ) => Writer['write'],
): Promise<void> {
  const handle = await open(folder.file('any', ''), 'r');
  const prototype = Object.getPrototypeOf(handle) as Writer;
  await handle.close();
  const original = prototype.write;
  vi.spyOn(prototype, 'write').mockImplementation(function (this: Writer, ...call) {
    return limited((...inner) => original.apply(this, inner)).apply(this, call);
  });
}

it('replaces the content all at once: the former one stands while the new one is written', async () => {
  const path = folder.file('a', 'former');
  await writeFileAtomically(path, async (write) => {
    await write(Buffer.from('new '));
    expect(readFileSync(path, 'utf8')).toBe('former');
    await write(Buffer.from('content'));
  });
  expect(readFileSync(path, 'utf8')).toBe('new content');
  expect(folder.names()).toEqual(['a']);
});

it('writes on where the system wrote only a part, as on a nearly full disk', async () => {
  await replaceWrites(
    (write) => (bytes, offset, length, position) => write(bytes, offset, Math.min(3, length), position),
  );
  const path = join(folder.path, 'a');
  await writeFileAtomically(path, async (write) => {
    await write(Buffer.from('12345678'));
    await write(Buffer.from('90'));
  });
  expect(readFileSync(path, 'utf8')).toBe('1234567890');
});

it('a disk that is full midway leaves the former content and no other file, and keeps the cause', async () => {
  const path = folder.file('a', 'former');
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  await replaceWrites((write) => async (bytes, offset, length, position) => {
    if (position >= 4) throw full;
    return write(bytes, offset, Math.min(4, length), position);
  });
  const writing = writeFileAtomically(path, (write) => write(Buffer.from('12345678')));
  const error = await failure(writing, 'ERR_FILE', path, 'cannot be written', 'ENOSPC');
  expect(error.cause).toBe(full);
  expect(readFileSync(path, 'utf8')).toBe('former');
  expect(folder.names()).toEqual(['a', 'any']);
});

it('ends with an error, not for ever, when the system writes nothing', async () => {
  await replaceWrites(() => async (bytes) => ({ bytesWritten: 0, buffer: bytes }));
  const path = join(folder.path, 'a');
  const writing = writeFileAtomically(path, (write) => write(Buffer.from('1')));
  await failure(writing, 'ERR_FILE', path, 'wrote 0 of 1 bytes');
  expect(folder.names()).toEqual(['any']);
});

it("the caller's own SoftshardError passes through, the file untouched", async () => {
  const path = folder.file('a', 'former');
  const thrown = new SoftshardError('ERR_SHAPE', 'wrong');
  const writing = writeFileAtomically(path, async (write) => {
    await write(Buffer.from('part'));
    throw thrown;
  });
  await expect(writing).rejects.toBe(thrown);
  expect(readFileSync(path, 'utf8')).toBe('former');
  expect(folder.names()).toEqual(['a']);
});

it('what else the content throws passes through as it is, whatever it is (R7)', async () => {
  const path = folder.file('a', 'former');
  const system = Object.assign(new Error('ENOENT: the caller reads a file'), { code: 'ENOENT' });
  for (const thrown of [new TypeError('mine'), system, 'text', undefined, null, 0]) {
    const writing = writeFileAtomically(path, async (write) => {
      await write(Buffer.from('part'));
      throw thrown;
    });
    expect(
      await writing.then(
        () => 'written',
        (error: unknown) => [error],
      ),
    ).toEqual([thrown]);
    async function* records() {
      yield ['x'];
      throw thrown;
    }
    expect(
      await writeCsv(path, records()).then(
        () => 'written',
        (error: unknown) => [error],
      ),
    ).toEqual([thrown]);
  }
  expect(readFileSync(path, 'utf8')).toBe('former');
  expect(folder.names()).toEqual(['a']);
});

it('aborting between two parts leaves the former file and gives the reason, and is too late afterwards (R7)', async () => {
  const path = folder.file('a', 'former');
  const controller = new AbortController();
  const reason = new Error('enough');
  const { signal } = controller;
  function* records() {
    yield ['1'.repeat(70_000)];
    controller.abort(reason);
    yield ['2'.repeat(70_000)];
  }
  await expect(writeCsv(path, records(), { signal })).rejects.toBe(reason);
  await expect(writeCsv(path, [['x']], { signal })).rejects.toBe(reason);
  expect(readFileSync(path, 'utf8')).toBe('former');
  expect(folder.names()).toEqual(['a']);
  const late = new Cancellation();
  await writeFileAtomically(
    path,
    async (write) => {
      await write(Buffer.from('new'));
      late.abort(reason);
    },
    late,
  );
  expect(readFileSync(path, 'utf8')).toBe('new');
});

it('a writer that gives up while it waits for its turn leaves the turns of the others (R7)', async () => {
  const path = join(folder.path, 'a');
  const order: string[] = [];
  const content = (name: string) => async (write: (bytes: Uint8Array) => Promise<void>) => {
    order.push(`${name} begins`);
    await write(Buffer.from(name));
    order.push(`${name} ends`);
  };
  const controller = new Cancellation();
  const writes = [
    writeFileAtomically(path, content('first')),
    writeFileAtomically(path, content('second'), controller),
    writeFileAtomically(path, content('third')),
  ];
  controller.abort(new Error('enough'));
  const outcomes = await Promise.allSettled(writes);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(order).toEqual(['first begins', 'first ends', 'third begins', 'third ends']);
  expect(readFileSync(path, 'utf8')).toBe('third');
});

it('reports a missing folder and a file in the place of a folder', async () => {
  const missing = join(folder.path, 'none', 'a');
  const write = (path: string) => writeFileAtomically(path, (put) => put(Buffer.from('1')));
  expect((await failure(write(missing), 'ERR_FILE', missing)).cause).toMatchObject({ code: 'ENOENT' });
  const under = join(folder.file('file', 'former'), 'a');
  expect((await failure(write(under), 'ERR_FILE', under)).cause).toMatchObject({ code: 'ENOTDIR' });
  expect(folder.names()).toEqual(['file']);
});

// The superuser may write anywhere, and Windows has no such mode.
it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
  'reports a folder that may not be written to, its file untouched',
  async () => {
    const locked = join(folder.path, 'locked');
    mkdirSync(locked);
    const path = folder.file('locked/a', 'former');
    chmodSync(locked, 0o555);
    try {
      const writing = writeFileAtomically(path, (write) => write(Buffer.from('1')));
      expect((await failure(writing, 'ERR_FILE', path)).cause).toMatchObject({ code: 'EACCES' });
      expect(readFileSync(path, 'utf8')).toBe('former');
    } finally {
      chmodSync(locked, 0o755);
    }
  },
);

it.skipIf(process.platform === 'win32')('keeps the mode of the file and follows a link to it', async () => {
  const path = folder.file('a', 'former');
  chmodSync(path, 0o640);
  const link = join(folder.path, 'link');
  symlinkSync(path, link);
  await writeFileAtomically(link, (write) => write(Buffer.from('new')));
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

it('two writers at once leave the content of one, whole', async () => {
  const path = join(folder.path, 'a');
  const contents = ['1'.repeat(100_000), '2'.repeat(100_000)];
  await Promise.all(
    contents.map((content) => writeFileAtomically(path, (write) => write(Buffer.from(content)))),
  );
  expect(contents).toContain(readFileSync(path, 'utf8'));
  expect(folder.names()).toEqual(['a']);
});
