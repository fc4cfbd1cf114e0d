import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { readModelFile } from '#softshard/main/index.js';
import {
  runNode,
  type Slice,
  SOFTSHARD,
  softshardProcess,
  temporaryFolder,
  writeSlice,
} from './workbench.js';

const folder = temporaryFolder();
let slice: Slice;

beforeAll(() => {
  slice = writeSlice(folder, 'slice', 0, 1000);
});

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

describe.each(SIGNALS)('%s during training', (signal, exitCode) => {
  test(`saves the model after the last whole step and exits with ${exitCode}`, async () => {
    const out = join(folder, `${signal}.safetensors`);
    let sent = false;
    const begin = performance.now();
    const { code, stdout, stderr } = await softshardProcess(
      // Some hours of training.
      [
        'train',
        '--data',
        slice.images,
        '--labels',
        slice.labels,
        '--epochs',
        '1000000',
        '--batch-size',
        '7',
        '--output',
        out,
        '--json',
      ],
      {
        onStderr: (text, child) => {
          if (sent || !text.includes('epoch       3/')) return;
          sent = child.kill(signal);
        },
      },
    );
    expect({ code, stderr: stderr.slice(-400) }).toMatchObject({ code: exitCode });
    expect(performance.now() - begin).toBeLessThan(30_000);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ interrupted: true, plannedSteps: 143_000_000, model: out });
    expect(result.steps).toBeGreaterThanOrEqual(3 * 143);
    expect(stderr).toMatch(
      new RegExp(
        `stopping after the running step.*\nsoftshard: interrupted by ${signal} after [\\d,]+ of 143,000,000 steps: the model so far is in .*${signal}\\.safetensors\n$`,
        's',
      ),
    );
    const { weights, trainingOptions } = await readModelFile(out);
    expect(trainingOptions).toMatchObject({ steps: result.steps });
    expect(weights.some((weight) => weight !== 0)).toBe(true);
    const evaluated = await softshardProcess([
      'evaluate',
      '--model',
      out,
      '--data',
      slice.images,
      '--labels',
      slice.labels,
      '--json',
    ]);
    expect(JSON.parse(evaluated.stdout).accuracy).toBeGreaterThan(0.6);
  });
});

test('the weights of an interrupted run are those of a run of as many steps', async () => {
  const interrupted = join(folder, 'interrupted.safetensors');
  const whole = join(folder, 'whole.safetensors');
  // One step an epoch, so that a run of any number of steps can be had.
  const args = [
    'train',
    '--data',
    slice.images,
    '--labels',
    slice.labels,
    '--batch-size',
    'full',
    '--momentum',
    '0.9',
    '--json',
  ];
  let sent = false;
  const { stdout } = await softshardProcess([...args, '--epochs', '1000000', '--output', interrupted], {
    onStderr: (text, child) => {
      if (!sent && text.includes('epoch      20/')) sent = child.kill('SIGINT');
    },
  });
  const { steps } = JSON.parse(stdout);
  await softshardProcess([...args, '--epochs', String(steps), '--output', whole, '--quiet']);
  const [a, b] = [await readModelFile(interrupted), await readModelFile(whole)];
  const index = a.weights.findIndex((weight, i) => weight !== b.weights[i]);
  expect({ index, expected: b.weights[index], got: a.weights[index] }).toMatchObject({ index: -1 });
});

test('a signal while files are read writes nothing and exits with 130', async () => {
  const rows = 40_000;
  const table = join(folder, 'long.csv');
  const line = `${Array.from({ length: 200 }, (_, column) => column / 7).join(',')},x\n`;
  writeFileSync(table, line.repeat(rows - 1) + line.replace('x\n', 'y\n'));
  const out = join(folder, 'never.safetensors');
  const began = join(folder, 'began.mjs');
  // Parsing takes seconds; the signal comes once the handlers are there.
  writeFileSync(
    began,
    `process.on('newListener', (event, { name }) => {
       if (event === 'SIGTERM' && name === 'onSignal') setTimeout(() => process.kill(process.pid, 'SIGINT'), 200);
     });`,
  );
  const { code, stdout, stderr } = await runNode([
    '--import',
    pathToFileURL(began).href,
    SOFTSHARD,
    'train',
    '--data',
    table,
    '--label-column',
    '-1',
    '--output',
    out,
  ]);
  expect({ code, stdout, stderr }).toEqual({
    code: 130,
    stdout: '',
    stderr: 'softshard: interrupted by SIGINT: nothing was written\n',
  });
  expect(existsSync(out)).toBe(false);
  expect(readdirSync(folder).filter((name) => name.includes('never'))).toEqual([]);
});

test.each(SIGNALS)('a second %s ends at once, whatever the work does', async (signal, exitCode) => {
  const script = join(folder, `deaf-${signal}.mjs`);
  const interruption = new URL('./interruption.js', pathToFileURL(SOFTSHARD)).href;
  writeFileSync(
    script,
    `import { interruptible } from ${JSON.stringify(interruption)};
     await interruptible(() => new Promise(() => setInterval(() => console.error('still here'), 20)));`,
  );
  let seen = 0;
  let sent = 0;
  const { code } = await runNode([script], {
    onStderr: (text, child) => {
      seen = text.split('still here').length - 1;
      // The work goes on for a while after the first signal.
      if (sent === 0 || (sent === 1 && seen >= 5)) sent += Number(child.kill(signal));
    },
  });
  expect({ code, sent }).toEqual({ code: exitCode, sent: 2 });
  expect(seen).toBeGreaterThanOrEqual(5);
});

test.each(SIGNALS)('%s while the command is still loaded exits with %i', async (signal, exitCode) => {
  const early = join(folder, `early-${signal}.mjs`);
  writeFileSync(
    early,
    `process.once('newListener', (event) => setImmediate(() => process.kill(process.pid, '${signal}')));`,
  );
  // What would go on for hours: where loading takes no turn of the event loop, the signal comes right after it.
  const files = [
    '--data',
    slice.images,
    '--labels',
    slice.labels,
    '--output',
    join(folder, 'none.safetensors'),
  ];
  const train = ['train', '--quiet', '--epochs', '1000000', ...files];
  const result = await runNode(['--import', pathToFileURL(early).href, SOFTSHARD, ...train]);
  expect(result).toEqual({
    code: exitCode,
    signal: null,
    stdout: '',
    stderr: `softshard: interrupted by ${signal}: nothing was written\n`,
  });
});
