import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openNpy } from '#softshard/main/data/npy/npy-file.js';
import { createNpyWriter, type NpyWriterOptions, writeNpy } from '#softshard/main/data/npy/npy-writer.js';
import { failure, useFolder } from '../workbench.js';

const folder = useFolder();
let path: string;

beforeEach(() => {
  path = join(folder.path, 'a.npy');
});

afterEach(() => vi.restoreAllMocks());

describe('createNpyWriter', () => {
  it.each([
    ['float32', (values: number[]) => Float32Array.from(values)],
    ['float64', (values: number[]) => Float64Array.from(values)],
  ] as const)('writes %s piece by piece: the same bytes as writeNpy at once', async (type, arrayOf) => {
    const data = arrayOf(Array.from({ length: 60 }, (_, i) => Math.sin(i) * 10 ** (i - 30)));
    await writeNpy(path, { dims: [5, 3, 4], data });
    const whole = readFileSync(path);
    const writer = await createNpyWriter(path, { dims: [5, 3, 4], type });
    for (const [begin, end] of [
      [0, 7],
      [7, 7],
      [7, 48],
      [48, 60],
    ] as const) {
      await writer.append(data.subarray(begin, end));
    }
    await writer.commit();
    expect(readFileSync(path)).toEqual(whole);
    expect(folder.names()).toEqual(['a.npy']);
  });

  it('keeps the order of appends that are not awaited, from shared memory too', async () => {
    const data = new Float32Array(new SharedArrayBuffer(4 * 50_000));
    data.forEach((_, i) => {
      data[i] = i;
    });
    const writer = await createNpyWriter(path, { dims: [50, 1000], type: 'float32' });
    const appends = Array.from({ length: 50 }, (_, i) =>
      writer.append(data.subarray(i * 1000, (i + 1) * 1000)),
    );
    await writer.commit();
    await Promise.all(appends);
    const npy = await openNpy(path);
    const got = await npy.readRows(0, 50);
    await npy.close();
    expect((got as Float32Array).findIndex((value, i) => value !== i)).toBe(-1);
  });

  it('leaves the former file until commit(), and for good on abort()', async () => {
    folder.file('a.npy', 'former');
    const writer = await createNpyWriter(path, { dims: [2], type: 'float32' });
    await writer.append(Float32Array.of(1, 2));
    expect(readFileSync(path, 'utf8')).toBe('former');
    expect(folder.names().length).toBe(2);
    await writer.abort();
    await writer.abort();
    expect(readFileSync(path, 'utf8')).toBe('former');
    expect(folder.names()).toEqual(['a.npy']);
    await failure(writer.append(Float32Array.of(1)), 'ERR_CLOSED', path);
    await failure(writer.commit(), 'ERR_CLOSED', path);
  });

  it('an array of no values is a header alone', async () => {
    const writer = await createNpyWriter(path, { dims: [0, 3], type: 'float64' });
    await writer.commit();
    await writer.abort();
    expect(readFileSync(path, 'latin1')).toContain("'shape': (0, 3), }");
  });

  it('refuses to commit with values missing, and removes what was written', async () => {
    const writer = await createNpyWriter(path, { dims: [2, 2], type: 'float32' });
    await writer.append(Float32Array.of(1));
    await failure(writer.commit(), 'ERR_SHAPE', path, '3 of 4 values are missing');
    expect(folder.names()).toEqual([]);
  });

  it('refuses values too many or of the other type, and goes on', async () => {
    const writer = await createNpyWriter(path, { dims: [3], type: 'float32' });
    await failure(writer.append(new Float64Array(1)), 'ERR_TYPE', 'float32');
    await failure(writer.append(new Float32Array(4)), 'ERR_SHAPE', 'at most 3 more', 'got 4');
    await writer.append(Float32Array.of(1, 2, 3));
    await writer.commit();
    expect(existsSync(path)).toBe(true);
  });

  it('refuses wrong dims and types before touching a file', async () => {
    for (const dims of [[], [-1], [1.5], [2 ** 40, 2 ** 20]]) {
      await failure(createNpyWriter(path, { dims, type: 'float32' }), 'ERR_SHAPE', 'dims');
    }
    const options = { dims: [1], type: 'int32' } as unknown as NpyWriterOptions;
    await failure(createNpyWriter(path, options), 'ERR_TYPE', 'int32');
    expect(folder.names()).toEqual([]);
  });

  it('reports a missing folder, and a folder in the way, when it is created', async () => {
    const options: NpyWriterOptions = { dims: [1], type: 'float32' };
    await failure(createNpyWriter(join(folder.path, 'none', 'a'), options), 'ERR_FILE', 'none');
    mkdirSync(path);
    await failure(createNpyWriter(path, options), 'ERR_FILE', path, 'it is a folder');
    expect(folder.names()).toEqual(['a.npy']);
  });

  it('a disk that is full midway rejects the append, and leaves the former file and no other', async () => {
    folder.file('a.npy', 'former');
    const writer = await createNpyWriter(path, { dims: [4], type: 'float32' });
    await writer.append(Float32Array.of(1, 2));
    const handle = await open(path, 'r');
    const prototype = Object.getPrototypeOf(handle) as { write(): Promise<unknown> };
    await handle.close();
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    vi.spyOn(prototype, 'write').mockRejectedValue(full);
    const error = await failure(writer.append(Float32Array.of(3, 4)), 'ERR_FILE', path, 'no space left');
    expect(error.cause).toBe(full);
    await failure(writer.commit(), 'ERR_CLOSED');
    await writer.abort();
    expect(readFileSync(path, 'utf8')).toBe('former');
    expect(folder.names()).toEqual(['a.npy']);
  });
});
