// Ranks under the launchers that are here. Each job is a process a rank: a second or two.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openMpi, SoftshardError } from '#softshard/main/index.js';
import { mpiLaunchers } from '../../optional.js';
import { launch } from './launch.js';

const PROGRAM = fileURLToPath(new URL('rank-program.mjs', import.meta.url));

describe.each(mpiLaunchers)('under $name', (launcher) => {
  test('sums have the bits of ranks in one process, on any number of ranks, and bytes arrive', async () => {
    const { stdout } = spawnSync(process.execPath, [PROGRAM, 'alone', '1'], { encoding: 'utf8' });
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
    for (const ranks of [1, 2, 3, 4, 5]) {
      const { code, stdout: said, stderr } = await launch(launcher, ranks, [PROGRAM, 'sums']);
      expect({ ranks, code, said, stderr }).toMatchObject({ code: 0, said: stdout.repeat(ranks) });
    }
  });

  test.each([
    ['killed', /./, undefined],
    ['exits', /rank 1 .*the program ends before engine\.close\(\)/, 70],
    ['ends', /rank 1 .*the program ends before engine\.close\(\)/, 70],
    ['throws', /rank 1 .*uncaught Error: a mistake in the program/, 1],
  ])(
    'a rank that is or does "%s" ends all within 10 s, with its code and the cause',
    async (what, cause, want) => {
      const { code, stderr, stdout, seconds } = await launch(launcher, 2, [PROGRAM, what]);
      expect(code, stderr).not.toBe(0);
      if (want !== undefined) expect(code, stderr).toBe(want);
      expect(stderr + stdout).toMatch(cause);
      expect(seconds).toBeLessThan(10);
    },
  );

  test('a rank that hangs is found by the watchdogs of the others', async () => {
    const { code, stderr } = await launch(launcher, 2, [PROGRAM, 'hangs', '1']);
    expect(code, stderr).toBe(75);
    expect(stderr).toMatch(/rank 0 .*barrier has waited \d+ s for rank 1: lost, hanging or still at work/);
  });

  test('a rank that fails is heard of, and all leave in order', async () => {
    const { code, stdout } = await launch(launcher, 3, [PROGRAM, 'fails']);
    expect(code).toBe(0);
    expect(stdout.trim().split('\n').sort()).toEqual([
      '2',
      '2: rank 2: no such file',
      '2: rank 2: no such file',
    ]);
  });

  test('the library of another MPI would start every rank alone, and is refused', async () => {
    const other = launcher.name === 'MPICH' ? 'libmpi.so.40' : 'libmpich.so.12';
    if (mpiLaunchers.length < 2) return;
    const env = { SOFTSHARD_MPI_LIBRARY: other };
    const { code, stderr } = await launch(launcher, 2, [PROGRAM, 'sums'], { env });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/ starts 2 processes, but lib\S+ \(.*\) finds 1: the library does not understand/);
  });
});

const mpich = mpiLaunchers.find(({ name }) => name === 'MPICH');
const hasCompiler = spawnSync('cc', ['--version']).status === 0;

test.skipIf(mpich === undefined || !hasCompiler)(
  'ranks that are done leave in order where MPI_Finalize hangs',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'softshard-finalize-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const [source, library] = [join(folder, 'hangs.c'), join(folder, 'libmpich-hangs.so')];
    writeFileSync(source, '#include <unistd.h>\nint MPI_Finalize(void) { for (;;) pause(); }\n');
    const line = ['-shared', '-fPIC', '-o', library, source, '-Wl,--no-as-needed', '-l:libmpich.so.12'];
    expect(spawnSync('cc', line, { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    const env = { SOFTSHARD_MPI_LIBRARY: library };
    const { code, stdout, stderr } = await launch(mpich!, 2, [PROGRAM, 'sums'], { env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/^([0-9a-f]{64}\n){2}$/);
    for (const rank of [0, 1])
      expect(stderr).toMatch(new RegExp(`rank ${rank} .*: MPI_Finalize hangs for 5 s`));
  },
);

test.skipIf(mpiLaunchers.length === 0)('without a launcher a process is the only rank', () => {
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, 'sums'], { encoding: 'utf8' });
  expect({ status, lines: stdout.trim().split('\n').length }).toEqual({ status: 0, lines: 1 });
});

test.each([
  [{ watchdog: 3 }, /has no option 'watchdog'/],
  [{ watchdogSeconds: '3' }, /options\.distributed\.watchdogSeconds/],
  [{ watchdogSeconds: 0 }, /options\.distributed\.watchdogSeconds/],
  [{ library: 3 }, /path/],
  [null, /options\.distributed/],
])('options %j are refused before MPI is looked for', async (options, message) => {
  await expect(openMpi(options as never)).rejects.toThrow(message);
  await expect(openMpi(options as never)).rejects.toBeInstanceOf(SoftshardError);
});

test.skipIf(mpiLaunchers.length === 0)('a library that is none is refused by name', () => {
  const env = { ...process.env, SOFTSHARD_MPI_LIBRARY: 'libm.so.6' };
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'sums'], { encoding: 'utf8', env });
  expect(status).toBe(1);
  expect(stderr).toContain('libm.so.6 cannot be used as MPI library');
});
