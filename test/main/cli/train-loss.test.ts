// softshard train with loss options: what the API gives with the same ones, and what the model keeps of them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Engine, readModelFile, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { randomValues } from '../../kernels/workbench.js';
import { clusters } from '../training/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const { inputs, targets, rows, features, classes } = clusters(120, 5, 3, 5);
const sampleWeight = randomValues(rows, 1, 2).map((value) => Math.fround(value + 1.5));

beforeAll(() => {
  writeArray(folder, 'x.npy', '<f4', [rows, features], inputs);
  writeArray(folder, 'y.npy', '<i4', [rows], targets);
  writeArray(folder, 'weights.npy', '<f8', [3], [0.5, 1, 2]);
  writeFileSync(inFolder('weights.txt'), '0.5\n1\n2\n');
  writeArray(folder, 'rows.npy', '<f4', [rows], sampleWeight);
  writeArray(folder, 'negative.npy', '<f4', [3], [1, -2, 1]);
});

const trainArgs = (...more: string[]): string[] => {
  const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy')];
  return ['train', ...files, '--epochs', '4', '--batch-size', '32', '--quiet', ...more];
};

/** Trains with both, and gives what the model keeps of the options. */
async function expectAsApi(flags: string[], options: Training.FitOptions, given = targets) {
  const out = inFolder('model.safetensors');
  const { code, stderr, stdout } = await softshard(trainArgs(...flags, '--output', out, '--json'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const model = await readModelFile(out);
  await using engine = await Engine.create({ threads: 2 });
  const classifier = new SoftmaxClassifier(engine, { features, classes: model.classes });
  const { epochs } = await classifier.fit(inputs, given, { epochs: 4, batchSize: 32, ...options });
  expect(JSON.parse(stdout).loss).toBe(epochs.at(-1)!.loss);
  expect(model.weights).toEqual(classifier.weights);
  return model;
}

describe('train with loss options gives, to the last bit, what fit gives, and keeps them with the model', () => {
  test.each<[string, string[], Training.FitOptions, object]>([
    [
      '--class-weight balanced',
      ['--class-weight', 'balanced'],
      { weight: 'balanced' },
      { weight: 'balanced' },
    ],
    [
      '--class-weight of a .npy file',
      ['--class-weight', inFolder('weights.npy')],
      { weight: [0.5, 1, 2] },
      { weight: [0.5, 1, 2] },
    ],
    [
      '--class-weight by name',
      ['--class-weight', '2=2,0=.5'],
      { weight: [0.5, 1, 2] },
      { weight: [0.5, 1, 2] },
    ],
    [
      '--class-weight of a text file, and --sample-weight',
      ['--class-weight', inFolder('weights.txt'), '--sample-weight', inFolder('rows.npy')],
      { weight: [0.5, 1, 2], sampleWeight },
      { weight: [0.5, 1, 2], sampleWeight: true },
    ],
    [
      'what shapes the loss of a row',
      '--label-smoothing 0.1 --temperature 1.5 --softcap 6 --z-loss 0.01 --focal-gamma 2'.split(' '),
      { labelSmoothing: 0.1, temperature: 1.5, softcap: 6, zLoss: 0.01, focalGamma: 2 },
      { labelSmoothing: 0.1, temperature: 1.5, softcap: 6, zLoss: 0.01, focalGamma: 2 },
    ],
  ])('%s', async (_, flags, options, saved) => {
    const { trainingOptions } = await expectAsApi(flags, options);
    expect(trainingOptions).toMatchObject(saved);
  });

  test('without them the model keeps none', async () => {
    const { trainingOptions } = await expectAsApi([], {});
    const names = ['weight', 'sampleWeight', 'ignoreIndex', 'labelSmoothing', 'temperature', 'softcap'];
    for (const name of names) expect(trainingOptions).not.toHaveProperty(name);
  });

  test('--ignore-index: rows with that label count neither in training nor as a class', async () => {
    const marked = targets.map((target, row) => (row % 6 === 1 ? 255 : target));
    writeArray(folder, 'marked.npy', '<i4', [rows], marked);
    const flags = ['--labels', inFolder('marked.npy'), '--ignore-index', '255'];
    const model = await expectAsApi(flags, { ignoreIndex: 255 }, marked);
    expect(model.classes).toBe(classes);
    expect(model.trainingOptions).toMatchObject({ ignoreIndex: 255 });
  });

  test('--ignore-index for labels of a CSV file: the others are the classes, in training and validation', async () => {
    const names = ['3', '1', '-1', 'b'];
    const csv = (labels: readonly string[]) =>
      `a,b,kind\n${labels.map((label, i) => `${i % 5},${(i * i) % 7},${label}`).join('\n')}\n`;
    const numbers = Array.from({ length: 40 }, (_, i) => names[i % 3]!);
    writeFileSync(inFolder('numbers.csv'), csv(numbers));
    const out = inFolder('numbers.safetensors');
    const data = ['--data', inFolder('numbers.csv'), '--label-column', 'kind', '--ignore-index', '-1'];
    const validation = ['--validation-data', inFolder('numbers.csv')];
    const args = ['train', ...data, ...validation, '--epochs', '2', '--quiet', '--json', '--output', out];
    const { code, stdout, stderr } = await softshard(args);
    expect(code).toBe(0);
    // Two epochs are not many.
    expect(stderr).toMatch(/^(warning: all 27 rows to validate on are predicted as class .*\n)?$/);
    const { classNames } = await readModelFile(out);
    expect(classNames).toEqual(['1', '3']);
    expect(JSON.parse(stdout).validationLoss).toBeGreaterThan(0);
    writeFileSync(inFolder('words.csv'), csv(Array.from({ length: 40 }, (_, i) => names[(i % 2) * 2 + 1]!)));
    const words = ['--data', inFolder('words.csv'), '--label-column', 'kind', '--output', out, '--quiet'];
    expect((await softshard(['train', ...words, '--ignore-index', '1'])).stderr).toMatch(
      /expected at least two classes, found 1 class/,
    );
  });
});

describe('wrong loss options', () => {
  test.each<[string, string[], number, RegExp]>([
    [
      'too few class weights',
      ['--class-weight', 'rows.npy'],
      1,
      /rows\.npy has 120 weights for 3 classes: it needs one for each/,
    ],
    [
      'too few sample weights',
      ['--sample-weight', 'weights.npy'],
      1,
      /weights\.npy has 3 weights for 120 rows: it needs one for each/,
    ],
    [
      'a negative weight',
      ['--class-weight', 'negative.npy'],
      1,
      /negative\.npy: class 1 \(from 0\): expected a finite weight of at least 0, found -2/,
    ],
    ['a weight for no class', ['--class-weight', '0=2,7=1'], 2, /has a weight for "7", which is no class/],
    ['two weights for a class', ['--class-weight', '1=2,1=3'], 2, /has two weights for "1"/],
    [
      'a negative weight by name',
      ['--class-weight', '1=-2'],
      2,
      /has the weight -2 for "1": it must be finite/,
    ],
    ['a file that is called so', ['--class-weight', './1=2'], 1, /\.\/1=2: there is no such file/],
    ['a file that is not there', ['--sample-weight', 'nowhere.npy'], 1, /nowhere\.npy/],
    [
      'a smoothing beyond 1',
      ['--label-smoothing', '1.5'],
      2,
      /'--label-smoothing <fraction>' argument '1\.5' is invalid/,
    ],
    ['a temperature of 0', ['--temperature', '0'], 2, /'--temperature <number>' argument '0' is invalid/],
    [
      'an index that is none',
      ['--ignore-index', 'x'],
      2,
      /'--ignore-index <number>' argument 'x' is invalid/,
    ],
    [
      'a model over the weights',
      ['--class-weight', 'weights.npy', '--output', 'weights.npy'],
      1,
      /weights\.npy: would replace weights\.npy, which is read: choose another name/,
    ],
  ])('%s', async (_, flags, code, message) => {
    const result = await softshard(trainArgs('--output', 'wrong.safetensors', ...flags), { cwd: folder });
    expect(result.stderr).toMatch(message);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
  });
});
