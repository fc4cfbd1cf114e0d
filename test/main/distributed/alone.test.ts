// A program for ranks that is started by itself works alone, also where there is no MPI. Apart from other tests: it changes what is found.
import Module from 'node:module';
import { afterEach, expect, test } from 'vitest';
import { Engine, openMpi } from '#softshard/main/index.js';

interface Resolver {
  _resolveFilename(request: string, ...rest: readonly unknown[]): string;
}

const resolver = Module as unknown as Resolver;
const resolve = resolver._resolveFilename;
const environment = { ...process.env };
afterEach(() => {
  resolver._resolveFilename = resolve;
  process.env = { ...environment };
});

async function expectAlone(): Promise<void> {
  const engine = await Engine.create({ threads: 1, arenaBytes: 2 ** 22, distributed: true });
  expect([engine.rank, engine.ranks, engine.transport]).toEqual([0, 1, undefined]);
  await engine.close();
}

function withoutKoffi(): void {
  resolver._resolveFilename = (request, ...rest) => {
    if (request === 'koffi') throw new Error("Cannot find module 'koffi'");
    return resolve(request, ...rest);
  };
}

test('without MPI, and without a launcher', async () => {
  withoutKoffi();
  await expectAlone();
  // Who asks for MPI itself hears that it is missing.
  await expect(openMpi()).rejects.toMatchObject({ code: 'ERR_DISTRIBUTED' });
});

test('under a launcher with SOFTSHARD_MPI=0', async () => {
  Object.assign(process.env, { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '1' });
  withoutKoffi();
  const distributed = Engine.create({ threads: 1, arenaBytes: 2 ** 22, distributed: true });
  await expect(distributed).rejects.toMatchObject({ code: 'ERR_DISTRIBUTED' });
  process.env.SOFTSHARD_MPI = '0';
  await expectAlone();
});
