// --memory: rows that are too many stay on disk, and results have the same bits.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readModelFile } from '#softshard/main/index.js';
import { randomValues } from '../../kernels/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, softshardProcess, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const ROWS = 90_000;
const FEATURES = 200;
const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy')];

beforeAll(() => {
  const inputs = randomValues(ROWS * FEATURES, 1, 5);
  const targets = Int32Array.from({ length: ROWS }, (_, row) => {
    const sum = inputs[row * FEATURES]! + inputs[row * FEATURES + 1]!;
    return sum > 0.5 ? 2 : sum > -0.5 ? 1 : 0;
  });
  writeArray(folder, 'x.npy', '<f4', [ROWS, FEATURES], inputs);
  writeArray(folder, 'y.npy', '<i4', [ROWS], targets);
});

const NOTE = 'x.npy: its rows stay on disk, since they would take 72.0 MB of memory (--memory)';

async function run(command: string, flags: string, ...more: string[]): Promise<string> {
  const { code, stdout, stderr } = await softshard([command, ...more, ...flags.split(' ')]);
  expect(code, stderr).toBe(0);
  expect(stderr.includes(NOTE)).toBe(flags.includes('--memory'));
  return stdout;
}

describe('rows of more than half of --memory', () => {
  test.each([
    ['the default solver', '--C 1 --tol 0.5', [1, 2, 3, 8]],
    ['a chosen C and scaling', '--tol 0.9', [3]],
    ['SGD', '--epochs 1 --learning-rate 0.1 --scale standard --validation-split 0.2', [1, 2, 3, 8]],
  ])('train the same model by %s on any number of threads', async (_, options, threads) => {
    const weights = [];
    for (const flags of ['--threads 2', ...threads.map((count) => `--threads ${count} --memory 128M`)]) {
      const out = inFolder('model.safetensors');
      await run('train', `${options} ${flags} --force`, ...files, '--output', out);
      weights.push(Buffer.from((await readModelFile(out)).weights.slice().buffer).toString('hex'));
    }
    for (const other of weights.slice(1)) expect(other === weights[0]).toBe(true);
  });

  test.skipIf(process.platform === 'win32')(
    'a run that is told to stop comes to its next checkpoint',
    async () => {
      const run = inFolder('run');
      const options = ['--C', '1e6', '--tol', '1e-15', '--memory', '128M', '--checkpoint-every', '0'];
      const checkpoints = () => {
        const folder = join(run, 'checkpoints');
        return existsSync(folder)
          ? readdirSync(folder).filter((name) => /^checkpoint-\d+\.\w+$/.test(name))
          : [];
      };
      let before: string[] = [];
      let looks: NodeJS.Timeout | undefined;
      const { code } = await softshardProcess(['train', ...files, ...options, '--run', run], {
        onStderr: (_, child) => {
          looks ??= setInterval(() => {
            if (before.length > 0 || checkpoints().length === 0) return;
            before = checkpoints();
            child.kill('SIGTERM');
          }, 1);
        },
      }).finally(() => clearInterval(looks));
      expect(code).toBe(75);
      // Of the point that it comes to next.
      expect(checkpoints().sort().at(-1)! > before.sort().at(-1)!).toBe(true);
    },
  );

  test('are evaluated and predicted alike', async () => {
    const out = inFolder('alike.safetensors');
    await run('train', '--C 1 --tol 0.5', ...files, '--output', out);
    const evaluations = [];
    for (const flags of ['--json', '--json --memory 128M']) {
      const { loss, accuracy } = JSON.parse(await run('evaluate', flags, ...files, '--model', out));
      evaluations.push([loss, accuracy]);
    }
    expect(evaluations[1]).toEqual(evaluations[0]);
    for (const flags of ['--probabilities', '--probabilities --memory 128M']) {
      await run(
        'predict',
        flags,
        '--data',
        inFolder('x.npy'),
        '--model',
        out,
        '--output',
        inFolder(`${flags.length}.csv`),
      );
    }
    const [all, some] = ['--probabilities', '--probabilities --memory 128M'].map((flags) =>
      readFileSync(inFolder(`${flags.length}.csv`)),
    );
    expect(some!.equals(all!)).toBe(true);
  });

  test('are swept alike', async () => {
    const flags = '--C 0.1,1 --cv 2 --tol 0.5 --json';
    const tables = [];
    for (const memory of ['', ' --memory 128M']) {
      const { heads } = JSON.parse(await run('sweep', flags + memory, ...files));
      expect(heads).toHaveLength(2);
      tables.push(heads);
    }
    expect(tables[1]).toEqual(tables[0]);
  });

  test.each(['12', '1M', 'all', '-4G', '4X'])('--memory %s is refused with the remedy', async (size) => {
    const { code, stderr } = await softshard(['train', ...files, '--memory', size]);
    expect(code).toBe(2);
    expect(stderr).toContain('It must be a size of at least 128M, such as 800M or 4G.');
  });
});

describe('rows and labels in one file', () => {
  /** The rows and labels of the .npy files, as a safetensors file where the labels have this name. */
  function writeTogether(name: string, labels: string): string {
    const X = readFileSync(inFolder('x.npy')).subarray(-4 * ROWS * FEATURES);
    const y = readFileSync(inFolder('y.npy')).subarray(-4 * ROWS);
    const header = JSON.stringify({
      X: { dtype: 'F32', shape: [ROWS, FEATURES], data_offsets: [0, X.length] },
      [labels]: { dtype: 'I32', shape: [ROWS], data_offsets: [X.length, X.length + y.length] },
    });
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    writeFileSync(inFolder(name), Buffer.concat([length, Buffer.from(header), X, y]));
    return inFolder(name);
  }

  const train = async (...args: string[]) => {
    const options = [
      '--epochs',
      '1',
      '--scale',
      'standard',
      '--validation-split',
      '0.2',
      '--test-split',
      '0.1',
    ];
    const out = inFolder('together.model');
    const result = await softshard(['train', ...options, ...args, '--output', out, '--force', '--json']);
    return { ...result, out };
  };

  test('train the model of two files from memory, and the same arrays are told', async () => {
    const data = writeTogether('xy.safetensors', 'y');
    const both = await train(...files);
    const expected = (await readModelFile(both.out)).weights;
    const { code, stderr, out } = await train('--data', data, '--memory', '128M');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('xy.safetensors: its rows stay on disk');
    expect(Buffer.from((await readModelFile(out)).weights.buffer).equals(Buffer.from(expected.buffer))).toBe(
      true,
    );
  });

  test('are asked for by name where the labels have no usual one, on disk as in memory', async () => {
    const data = writeTogether('ids.safetensors', 'ids');
    for (const memory of [[], ['--memory', '128M']]) {
      const refused = await train('--data', data, ...memory);
      expect(refused.stderr).toMatch(/none of its arrays is known to be labels: .*"ids" int32 \[90000\]/);
      expect(refused.code).toBe(2);
    }
    const named = await train('--data', data, '--label', 'ids', '--memory', '128M');
    expect(named.code, named.stderr).toBe(0);
  });
});
