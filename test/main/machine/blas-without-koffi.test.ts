// The package koffi is optional: without it all goes on, with a message. Apart from other tests, for once loaded it stays.
import Module from 'node:module';
import { expect, test, vi } from 'vitest';
import { Engine, findBlas } from '#softshard/main/index.js';

interface Resolver {
  _resolveFilename(request: string, ...rest: readonly unknown[]): string;
}

test('without koffi findBlas says so, and an engine that was to use a BLAS warns and works', async () => {
  const resolver = Module as unknown as Resolver;
  const resolve = resolver._resolveFilename;
  resolver._resolveFilename = (request, ...rest) => {
    if (request === 'koffi') throw new Error("Cannot find module 'koffi'");
    return resolve(request, ...rest);
  };
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    const search = findBlas();
    expect('missing' in search && search.missing).toContain("Cannot find module 'koffi'");
    expect('missing' in search && search.missing).toContain('npm install koffi');
    const engine = await Engine.create({ threads: 1, blas: true });
    expect(engine.blas).toBeUndefined();
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(
      expect.stringContaining('koffi'),
      expect.objectContaining({ code: 'WARN_BLAS' }),
    );
    const { data } = await engine.softmax(Float32Array.of(0, 0), { columns: 2 });
    expect([...data]).toEqual([0.5, 0.5]);
    await engine.close();
  } finally {
    resolver._resolveFilename = resolve;
    emitWarning.mockRestore();
  }
});
