import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { createNpyWriter, writeCsv, writeNpy } from '#softshard/main/index.js';
import { useFolder } from '../data/workbench.js';

const folder = useFolder();
let path: string;

beforeEach(() => {
  path = join(folder.path, 'a.npy');
});

const content = { dims: [1], data: Float32Array.of(1) };
const temporaries = (): string[] => folder.names().filter((name) => name.endsWith('.tmp'));

/** A process in the middle of writing to `path`. */
async function startWriter() {
  const script = folder.file(
    'writer.mjs',
    `import { createNpyWriter } from ${JSON.stringify(import.meta.resolve('#softshard/main/index.js'))};
     const writer = await createNpyWriter(process.argv[2], { dims: [100], type: 'float32' });
     await writer.append(new Float32Array(50));
     console.log('ready');
     setInterval(() => {}, 1000);`,
  );
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await once(child, 'close');
  };
}

test('what a killed process left is removed by the next write to the same name, not what a live one writes (R12)', async () => {
  const [kill, end] = await Promise.all([startWriter(), startWriter()]);
  await kill('SIGKILL');
  expect(temporaries()).toHaveLength(2);
  await writeNpy(path, content);
  const [live, ...others] = temporaries();
  expect(others).toEqual([]);
  await writeNpy(path, content);
  expect(temporaries()).toEqual([live]);
  // Ended by a signal that nobody handles, it removes its own.
  await end('SIGTERM');
  expect(folder.names()).toEqual(['a.npy', 'writer.mjs']);
});

/** More than Linux ever has processes. */
const NO_PROCESS = 2 ** 22 + 1;

/** The name that a process of that number would have for its temporary file of `path`. */
async function nameOf(owner: number): Promise<string> {
  const writer = await createNpyWriter(path, { dims: [1], type: 'float32' });
  const [name] = temporaries();
  await writer.abort();
  return name!.replace(`-${process.pid}-`, `-${owner}-`);
}

test('only its own names of processes that are gone are removed (R12)', async () => {
  const stale = await nameOf(NO_PROCESS);
  const kept = [
    await nameOf(process.pid), // Of another thread, say.
    await nameOf(process.ppid),
    stale.replace('a.npy', 'b.npy'),
    stale.replace(/softshard-[0-9a-f]{8}/, 'softshard-00000000'), // Of another machine or container.
    stale.replace('.tmp', ''),
    `${stale}.txt`,
    'a.npy.1234567890',
    'a.npy.tmp',
  ];
  for (const name of [stale, ...kept]) writeFileSync(join(folder.path, name), 'left');
  await writeNpy(path, content);
  expect(folder.names()).toEqual([...kept, 'a.npy'].sort());
});

test('a folder of many files is looked at now and then, so that n writes take no n² steps (R12)', async () => {
  for (let i = 0; i < 1000; i++) folder.file(`file-${i}`, '');
  await writeNpy(path, content);
  const stale = join(folder.path, await nameOf(NO_PROCESS));
  writeFileSync(stale, 'left');
  let writes = 0;
  while (existsSync(stale) && writes < 10) {
    await writeNpy(path, content);
    writes++;
  }
  // nameOf wrote once, too.
  expect(writes).toBe(2);
});

test('names as long as the system allows are written', async () => {
  const long = join(folder.path, 'ä'.repeat(125));
  await writeCsv(long, [['x']]);
  await writeCsv(long, [['y']]);
  expect(readFileSync(long, 'utf8')).toBe('y\n');
  expect(folder.names()).toHaveLength(1);
});

test.skipIf(process.platform === 'win32')('a new file has the mode that any new file has', async () => {
  await writeCsv(path, [['x']]);
  expect(statSync(path).mode & 0o777).toBe(statSync(folder.file('other', '')).mode & 0o777);
});
