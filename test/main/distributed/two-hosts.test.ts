// Two hosts over TCP, as network namespaces of this machine (examples/machines/hosts.sh): what docs/machines.md says of them.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasNetworkNamespaces, mpiLaunchers } from '../../optional.js';

const PROGRAM = fileURLToPath(new URL('rank-program.mjs', import.meta.url));
const machines = fileURLToPath(new URL('../../../examples/machines/', import.meta.url));
const NAME = `softshard-${process.pid}`;
const env = {
  ...process.env,
  SOFTSHARD_HOSTS: NAME,
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  NODE_NO_WARNINGS: '1',
};
const hosts = (...args: string[]) => execFileSync(`${machines}hosts.sh`, args, { env, encoding: 'utf8' });

/** As in docs/machines.md; without shared memory, which two real hosts do not have. */
const LAUNCHES: Readonly<Record<string, readonly string[]>> = {
  'Open MPI': [
    ...['mpirun.openmpi', '--mca', 'plm_rsh_agent', `${machines}rsh.sh`, '--bind-to', 'none'],
    ...'--mca pml ob1 --mca btl tcp,self --host 10.77.0.1:1,10.77.0.2:1'.split(' '),
    ...'--mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24'.split(' '),
  ],
  MPICH: [
    ...['mpirun.mpich', '-launcher', 'ssh', '-launcher-exec', `${machines}rsh.sh`],
    ...'-localhost 10.77.0.1 -iface eth0 -hosts 10.77.0.1,10.77.0.2'.split(' '),
    ...'-genv MPIR_CVAR_NOLOCAL 1 -genv UCX_TLS tcp,self'.split(' '),
  ],
};

function start(launcher: string, ...args: string[]) {
  const line = ['run', '1', ...LAUNCHES[launcher]!, '-np', '2', process.execPath, PROGRAM, ...args];
  const child = spawn(`${machines}hosts.sh`, line, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { said, ended };
}

/** Ranks that run on a host. */
const ranksOn = (host: number): number =>
  execFileSync('ip', ['netns', 'pids', `${NAME}-${host}`], { encoding: 'utf8' })
    .split('\n')
    .filter((pid) => pid !== '' && commandOf(pid).startsWith(process.execPath)).length;

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

async function until(isSo: () => boolean, seconds: number): Promise<boolean> {
  const end = performance.now() + 1000 * seconds;
  while (!isSo()) {
    if (performance.now() > end) return false;
    await setTimeout(100);
  }
  return true;
}

describe.skipIf(!hasNetworkNamespaces || mpiLaunchers.length === 0)('two hosts', () => {
  beforeAll(() => {
    hosts('up', '2');
  });
  afterAll(() => {
    hosts('down');
  });

  test.each(mpiLaunchers)('under $name have the bits of one process', async ({ name }) => {
    const alone = spawnSync(process.execPath, [PROGRAM, 'alone', '1'], { encoding: 'utf8' }).stdout;
    const { said, ended } = start(name, 'sums');
    expect({ code: await ended, ...said }).toMatchObject({ code: 0, out: alone.repeat(2) });
  });

  test.each(mpiLaunchers)('under $name end with code 75 on both when their link is cut', async ({ name }) => {
    const { said, ended } = start(name, 'meets', '2');
    expect(await until(() => said.out === 'met\nmet\n', 30), said.err).toBe(true);
    hosts('link', '2', 'down');
    // Neither hears of the other: each has a watchdog of its own.
    const areGone = await until(() => ranksOn(1) + ranksOn(2) === 0, 10);
    // Open MPI's mpirun waits for its own process on the other host until there is a network again.
    hosts('link', '2', 'up');
    expect(areGone).toBe(true);
    expect(await ended).toBe(75);
    expect(said.err).toMatch(
      /rank 0 \(host-1\): barrier has waited \d+ s for rank 1: lost, hanging or still at work/,
    );
  });
});
