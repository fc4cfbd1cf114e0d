// In processes of their own: settings of Node and of the system under which an engine has to work.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const project = fileURLToPath(new URL('../../..', import.meta.url));

/** What a program writes, and node of why it fails. */
const output = (
  command: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> =>
  new Promise((resolve) => {
    execFile(command[0]!, command.slice(1), options, (_, stdout, stderr) => resolve(stdout + stderr));
  });

const node = (program: string, ...options: string[]): string[] => [
  process.execPath,
  ...options,
  '--input-type=module',
  '--eval',
  program,
];

describe.runIf(process.platform === 'linux')('on Linux', () => {
  const index = new URL('../../../dist/main/index.js', import.meta.url).href;
  const program = `
    const { Engine } = await import(${JSON.stringify(index)});
    const engine = await Engine.create({ threads: 1 });
    console.log((await engine.softmax(Float32Array.of(0, 0), { columns: 2 })).data[0]);
    await engine.close();`;
  const limited = (...options: string[]) =>
    output(['bash', '-c', 'ulimit -v 8000000; exec "$@"', 'bash', ...node(program, ...options)]);

  test('an engine is created under a limit on virtual memory with --disable-wasm-trap-handler (F14)', async () => {
    expect(await limited('--disable-wasm-trap-handler')).toBe('0.5\n');
  });

  test('or says that this helps, where V8 takes more than the limit (F14)', async () => {
    const written = await limited();
    expect(written === '0.5\n' || written.includes('--disable-wasm-trap-handler')).toBe(true);
  });

  test('engines that are closed while their threads load leave no files open (R16)', async () => {
    const cycles = `
      const { readdirSync } = await import('node:fs');
      const { setTimeout } = await import('node:timers/promises');
      const { Engine } = await import(${JSON.stringify(index)});
      const files = () => readdirSync('/proc/self/fd').length;
      const cycle = async (ms) => {
        const engine = await Engine.create({ threads: 2 });
        await setTimeout(ms);
        await engine.close();
      };
      await cycle(100);
      const before = files();
      for (let ms = 0; ms < 60; ms += 5) await cycle(ms);
      console.log(files() - before);`;
    expect(await output(node(cycles))).toBe('0\n');
  });
});

test('a package that is linked serves calls of any size with NODE_PRESERVE_SYMLINKS (F16)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'softshard-linked-'));
  try {
    await mkdir(join(folder, 'node_modules'));
    await symlink(project, join(folder, 'node_modules', 'softshard'), 'junction');
    const program = `
      import { Engine } from 'softshard';
      const engine = await Engine.create({ threads: 2 });
      console.log((await engine.softmax(new Float32Array(300_000), { columns: 2 })).data[0]);
      await engine.close();`;
    const env = { ...process.env, NODE_PRESERVE_SYMLINKS: '1' };
    expect(await output(node(program), { cwd: folder, env })).toBe('0.5\n');
  } finally {
    await rm(folder, { recursive: true });
  }
});
