// Standard input and pipes as inputs: copies are read, which nothing leaves behind.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readMatrix } from '#softshard/main/data/index.js';
import { hostMemory, readModelFile } from '#softshard/main/index.js';
import { COMPRESSIONS, fixture } from '../data/dense-fixtures.js';
import { SOFTSHARD, softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string) => join(folder, name);
const TMPDIR = inFolder('tmp');
mkdirSync(TMPDIR);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** In a process of its own, with these bytes as its standard input; none: it stays open until the process ends. */
function piped(
  args: readonly string[],
  input: Uint8Array | undefined,
  isInterrupted = false,
): Promise<Ended> {
  const child = spawn(process.execPath, [SOFTSHARD, ...args, '--threads', '1'], {
    cwd: folder,
    env: { ...process.env, TMPDIR },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part) => {
    stdout += part;
  });
  child.stderr.on('data', (part) => {
    stderr += part;
  });
  if (input) child.stdin.end(input);
  if (isInterrupted) {
    const timer = setInterval(() => {
      if (!existsSync(TMPDIR) || readdirSync(TMPDIR).length === 0) return;
      clearInterval(timer);
      child.kill('SIGINT');
    }, 20);
  }
  return new Promise((resolve) => {
    child.on('close', (code) => {
      child.stdin.destroy();
      resolve({ code, stdout, stderr });
    });
  });
}

const expectNothingLeft = () => expect(readdirSync(TMPDIR)).toEqual([]);
const TRAIN = ['train', '--epochs', '1', '--seed', '1', '--force', '--output'] as const;

describe('standard input', () => {
  const formats = ['X-y.npz', 'X-y.safetensors', 'one-based.svm', 'words.npz'];
  test.each(formats)('%s gives the model that the file gives', async (name) => {
    const fromFile = await softshard([
      ...TRAIN,
      inFolder('a.model'),
      '--data',
      fixture(name),
      '--threads',
      '1',
    ]);
    expect(fromFile.code).toBe(0);
    const { code, stderr } = await piped([...TRAIN, 'b.model', '--data', '-'], readFileSync(fixture(name)));
    expect(stderr).toMatch(/^standard input: .* are in a temporary file/);
    expect(code).toBe(0);
    const [a, b] = await Promise.all(['a.model', 'b.model'].map((model) => readModelFile(inFolder(model))));
    expect(b!.weights).toEqual(a!.weights);
    expect(b!.classNames).toEqual(a!.classNames);
    const hashOf = (model: typeof a) =>
      (model!.trainingOptions as { data: { rows: { sha256: string } } }).data.rows.sha256;
    expect(hashOf(b)).toBe(hashOf(a));
    expectNothingLeft();
  });

  test.each(COMPRESSIONS)('predict takes .npy%s', async (_, compress) => {
    const labels = ['--labels', fixture('words.npy')];
    const data = ['--data', fixture('X.npy')];
    await softshard([...TRAIN, inFolder('w.model'), ...data, ...labels, '--threads', '1']);
    const args = ['predict', '--model', 'w.model', '--quiet', '--data', '-'];
    const { stdout, stderr } = await piped(args, compress(readFileSync(fixture('X.npy'))));
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toHaveLength(13);
    expect(stdout).toMatch(/^row,class,name,probability\n0,\d,(setosa|größer|猫😀),/);
  });

  test('softmax, and names in messages and JSON', async () => {
    const logits = readFileSync(fixture('X.npy'));
    const { stdout } = await piped(['softmax', '--input', '-', '--output', 'p.npy', '--json'], logits);
    expect(JSON.parse(stdout)).toMatchObject({ rows: 12, input: 'standard input' });
    expect((await readMatrix(hostMemory, inFolder('p.npy'))).matrix.dims).toEqual([12, 5]);
    const wrong = await piped(
      ['softmax', '--input', '-', '--output', 'q.npy'],
      Buffer.from('1,2,3,4\n5,6,7,8\n'),
    );
    expect(wrong).toMatchObject({ code: 1 });
    expect(wrong.stderr).toMatch(/ERR_FORMAT: standard input: expected a \.npy file, found text/);
    const empty = await piped(['softmax', '--input', '-', '--output', 'q.npy'], new Uint8Array(0));
    expect(empty.stderr).toMatch(/ERR_FORMAT: standard input: byte 0/);
    expectNothingLeft();
  });

  test('is read once', async () => {
    const { code, stderr } = await softshard(['train', '--data', '-', '--labels', '-']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'softshard: two options name standard input, which can be read only once: name a file for one\n',
    });
  });

  test('Ctrl-C while it is read leaves nothing behind', async () => {
    const { code, stderr } = await piped([...TRAIN, 'c.model', '--data', '-'], undefined, true);
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: 'softshard: interrupted by SIGINT: nothing was written\n',
    });
    expectNothingLeft();
  });
});

describe.skipIf(process.platform === 'win32')('a named pipe', () => {
  test('is read, though its writer comes later, and Ctrl-C ends the wait for one', async () => {
    execFileSync('mkfifo', [inFolder('pipe')]);
    const reading = piped([...TRAIN, 'd.model', '--data', 'pipe'], new Uint8Array(0));
    await writeFile(inFolder('pipe'), readFileSync(fixture('X-y.npz')));
    const { code, stderr } = await reading;
    expect(stderr).toMatch(/^pipe: .* are in a temporary file/);
    expect(code).toBe(0);
    const waiting = await piped([...TRAIN, 'e.model', '--data', 'pipe'], new Uint8Array(0), true);
    expect(waiting.code).toBe(130);
    expectNothingLeft();
  });
});

test.skipIf(process.platform === 'win32')(
  'a command of a shell that writes nothing is no endless wait',
  () => {
    const line = '"$0" "$1" softmax --input <(true) --output none.npy';
    const { status, stderr } = spawnSync('bash', ['-c', line, process.execPath, SOFTSHARD], {
      cwd: folder,
      env: { ...process.env, TMPDIR },
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(stderr).toMatch(/ERR_FORMAT: \/dev\/fd\/\d+: byte 0 of the file: expected 8 bytes/);
    expect(status).toBe(1);
    expectNothingLeft();
  },
);
