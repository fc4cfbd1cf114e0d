import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  checkOutput,
  createNpyWriter,
  Engine,
  readModelFile,
  SoftmaxClassifier,
  writeCsv,
  writeNpy,
} from '#softshard/main/index.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();

function pipe(name: string): string {
  const path = join(folder.path, name);
  execFileSync('mkfifo', [path]);
  return path;
}

/** A reader that is there and reads nothing. */
const idleReader = (path: string) => open(path, constants.O_RDONLY | constants.O_NONBLOCK);

const data = Float32Array.from({ length: 300_000 }, (_, i) => Math.sin(i));
const dims = [1000, 300];

// Windows has no named pipes in folders.
describe.skipIf(process.platform === 'win32')('a pipe', () => {
  test('is written by writeNpy, writeCsv and save, and stays a pipe (F9)', async () => {
    const path = pipe('p.npy');
    const [content] = await Promise.all([readFile(path), writeNpy(path, { dims, data })]);
    await writeNpy(join(folder.path, 'file.npy'), { dims, data });
    expect(content.equals(readFileSync(join(folder.path, 'file.npy')))).toBe(true);

    const [text] = await Promise.all([
      readFile(path, 'utf8'),
      writeCsv(path, [
        ['a', 1],
        ['b', 2],
      ]),
    ]);
    expect(text).toBe('a,1\nb,2\n');

    const engine = await Engine.create({ threads: 1 });
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    classifier.weights.set([1, 2, 3, 4]);
    const [model] = await Promise.all([readFile(path), classifier.save(path)]);
    await engine.close();
    const saved = folder.file('model', model);
    expect([...(await readModelFile(saved)).weights]).toEqual([1, 2, 3, 4]);

    expect(statSync(path).isFIFO()).toBe(true);
    expect(folder.names()).toEqual(['file.npy', 'model', 'p.npy']);
  });

  test('is written piece by piece from shared memory, through a link to it (F9)', async () => {
    const path = pipe('p');
    const link = join(folder.path, 'link');
    symlinkSync('p', link);
    const reading = readFile(path);
    const writer = await createNpyWriter(link, { dims, type: 'float32' });
    const shared = new Float32Array(new SharedArrayBuffer(data.byteLength));
    shared.set(data);
    for (let begin = 0; begin < data.length; begin += 100_000) {
      await writer.append(shared.subarray(begin, begin + 100_000));
    }
    await writer.commit();
    const content = await reading;
    expect(content.subarray(content.length - data.byteLength).equals(Buffer.from(data.buffer))).toBe(true);
    expect(folder.names()).toEqual(['link', 'p']);
  });

  test('without a reader is waited for until the signal is aborted, and no thread of the system waits (F9)', async () => {
    const path = pipe('p');
    const controller = new AbortController();
    const reason = new Error('enough');
    const { signal } = controller;
    const waiting = [
      writeNpy(path, { dims, data }, { signal }),
      // These wait for the first one.
      writeCsv(path, [['a']], { signal }),
      createNpyWriter(path, { dims, type: 'float32', signal }),
    ].map((write) =>
      write.then(
        () => 'written',
        (error: unknown) => error,
      ),
    );
    // More waiting opens than the system's threads, and still there is one for this.
    const more = Array.from({ length: 8 }, (_, i) =>
      writeCsv(pipe(`q${i}`), [['a']], { signal }).catch((error: unknown) => error),
    );
    await open(folder.file('a', ''), 'r').then((handle) => handle.close());
    controller.abort(reason);
    expect(await Promise.all([...waiting, ...more])).toEqual(Array.from({ length: 11 }, () => reason));
  });

  test('whose reader reads nothing: aborting ends the write at once, abort() too (F9)', async () => {
    const path = pipe('p');
    const reader = await idleReader(path);
    const controller = new AbortController();
    const writer = await createNpyWriter(path, { dims, type: 'float32', signal: controller.signal });
    const appended = writer.append(data);
    controller.abort();
    await expect(appended).rejects.toBe(controller.signal.reason);

    const other = await createNpyWriter(path, { dims, type: 'float32' });
    const stopped = failure(other.append(data), 'ERR_CLOSED', path);
    await other.abort();
    await stopped;
    await reader.close();
  });

  test('whose reader goes away is ERR_FILE with the cause (F9)', async () => {
    const path = pipe('p');
    const reader = await idleReader(path);
    const writer = await createNpyWriter(path, { dims, type: 'float32' });
    await reader.close();
    const error = await failure(writer.append(data), 'ERR_FILE', path, 'cannot be written', 'EPIPE');
    expect(error.cause).toMatchObject({ code: 'EPIPE' });
    await failure(writer.commit(), 'ERR_CLOSED');
  });

  test('takes one content after the other from writers at once (F9)', async () => {
    const path = pipe('p');
    const reader = await idleReader(path);
    const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(1000));
    await Promise.all(texts.map((text) => writeCsv(path, [[text]])));
    const { buffer, bytesRead } = await reader.read(Buffer.alloc(10_000));
    expect(buffer.toString('utf8', 0, bytesRead)).toBe(`${texts.join('\n')}\n`);
    await reader.close();
  });
});

describe.skipIf(process.platform !== 'linux')('what else is no file', () => {
  test('a device is written, not replaced (F9)', async () => {
    const before = statSync('/dev/null');
    await writeNpy('/dev/null', { dims, data });
    const two = [1, 2].map(() => createNpyWriter('/dev/null', { dims, type: 'float32' }));
    for (const writer of await Promise.all(two)) {
      await writer.append(data);
      await writer.commit();
    }
    expect(statSync('/dev/null')).toMatchObject({ ino: before.ino, rdev: before.rdev });
    const error = await failure(writeNpy('/dev/full', { dims, data }), 'ERR_FILE', '/dev/full', 'ENOSPC');
    expect(error.cause).toMatchObject({ code: 'ENOSPC' });
  });

  // Only the superuser makes devices.
  test.skipIf(process.getuid?.() !== 0)('so is one in an ordinary folder (F9)', async () => {
    const path = join(folder.path, 'd');
    try {
      execFileSync('mknod', [path, 'c', '1', '3'], { stdio: 'ignore' });
    } catch {
      return; // Not in every container.
    }
    await writeCsv(path, [['a']]);
    expect(statSync(path).isCharacterDevice()).toBe(true);
    expect(folder.names()).toEqual(['d']);
  });

  test('an open file of the process is written on from where it is (F9)', async () => {
    const path = folder.file('a', '');
    const descriptor = openSync(path, 'w');
    writeFileSync(descriptor, 'head\n');
    const { ino } = statSync(path);
    await writeCsv(`/proc/self/fd/${descriptor}`, [['x']]);
    await writeCsv(`/dev/fd/${descriptor}`, [['y']]);
    writeFileSync(descriptor, 'tail\n');
    expect(readFileSync(path, 'utf8')).toBe('head\nx\ny\ntail\n');
    expect(statSync(path).ino).toBe(ino);
    expect(await checkOutput(`/dev/fd/${descriptor}`)).toMatchObject({ kind: 'descriptor', descriptor });
    closeSync(descriptor);
  });

  test('folders and sockets are refused (F9)', async () => {
    await failure(writeCsv(folder.path, [['x']]), 'ERR_FILE', folder.path, 'it is a folder');
    const path = join(folder.path, 'socket');
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    await failure(
      writeCsv(path, [['x']]),
      'ERR_FILE',
      path,
      'it is a socket: name a file, a pipe or a device',
    );
    expect(statSync(path).isSocket()).toBe(true);
    server.close();
  });
});
