// softshard calibrate and softshard export: from a trained model to files for others.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Predictor, readModelFile } from '#softshard/main/index.js';
import { writeModelFile } from '#softshard/main/models/model-file.js';
import { readOnnx } from '../models/export/onnx-reader.js';
import { largestDifference } from '../training/workbench.js';
import { CLASS_NAMES, type Slice, softshard, temporaryFolder, writeSlice } from './workbench.js';

const folder = temporaryFolder();
const model = join(folder, 'model.safetensors');
const calibrated = join(folder, 'calibrated.safetensors');
let training: Slice;
let heldOut: Slice;

const run = (...args: string[]) => softshard(args, { cwd: folder });
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const rowsOf = ({ images, labels }: Slice) => ['--data', images, '--labels', labels];

beforeAll(async () => {
  training = writeSlice(folder, 'training', 0, 600);
  heldOut = writeSlice(folder, 'held-out', 600, 1600);
  const args = ['--class-names', training.classNames, '--C', '100', '--output', model, '--quiet'];
  expect(await run('train', ...rowsOf(training), ...args)).toMatchObject({ code: 0 });
});

test('calibrate writes a model that is as sure as it is right, and what it was calibrated with', async () => {
  const { code, stdout, stderr } = await run('calibrate', '--model', model, ...rowsOf(heldOut));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^ +before +after\nloss +\d\.\d{4} +\d\.\d{4}\ncalibration error/);
  expect(stdout).toMatch(/The temperature is [\d.]+ ± [\d.]+, of 1,000 rows: the model was too sure\./);
  for (const line of stdout.split('\n').slice(0, -2)) expect(line.length).toBeLessThanOrEqual(80);
  const [before, after] = [await readModelFile(model), await readModelFile(calibrated)];
  expect(after.temperature).toBeGreaterThan(1.2);
  const quotients = before.weights.map((weight) => weight / after.temperature!);
  expect(largestDifference(after.weights, quotients)).toBeLessThan(1e-6);
  const { calibration, ...others } = after.trainingOptions!;
  expect(others).toEqual(before.trainingOptions);
  expect(calibration).toMatchObject({
    temperature: after.temperature,
    rows: 1000,
    data: { rows: { file: 'held-out-images.idx', sha256: sha256(heldOut.images) } },
  });
  const evaluation = await run('evaluate', '--model', calibrated, ...rowsOf(heldOut), '--json');
  const { loss, calibration: found } = JSON.parse(evaluation.stdout);
  expect(calibration).toMatchObject({ after: { loss, expectedError: found.expectedError } });
});

test('train --calibrate divides the weights of the same training by what five folds say, or rows of validation', async () => {
  const out = join(folder, 'at-once.safetensors');
  const args = [
    'train',
    ...rowsOf(training),
    '--class-names',
    training.classNames,
    '--C',
    '100',
    '--calibrate',
  ];
  const { code, stdout } = await run(...args, '--output', out);
  expect(code).toBe(0);
  expect(stdout).toMatch(/\n\n +before +after\nloss +\d\.\d{4} +\d\.\d{4}\ncalibration error/);
  expect(stdout).toContain(
    'of 600 rows: the model was too sure.\nEach row by a model trained without it (5 folds).',
  );
  for (const line of stdout.split('\n').slice(0, -2)) expect(line.length).toBeLessThanOrEqual(80);
  const [plain, divided] = [await readModelFile(model), await readModelFile(out)];
  const quotients = plain.weights.map((weight) => weight / divided.temperature!);
  expect(largestDifference(divided.weights, quotients)).toBeLessThan(1e-6);
  const { temperature } = divided;
  expect(divided.trainingOptions?.calibration).toMatchObject({ temperature, rows: 600, folds: 5 });
  const validation = ['--validation-data', heldOut.images, '--validation-labels', heldOut.labels];
  const other = await run(
    ...args,
    ...validation,
    '--json',
    '--output',
    join(folder, 'by-validation.safetensors'),
  );
  expect(JSON.parse(other.stdout).calibration).toMatchObject({ folds: 0, rows: 1000, warnings: [] });
});

test('calibrate --json is one object; the default file is replaced with --force alone', async () => {
  const args = ['calibrate', '--model', model, ...rowsOf(heldOut), '--json'];
  expect(await run(...args)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('calibrated.safetensors is there already'),
  });
  const { code, stdout } = await run(...args, '--force');
  expect(code).toBe(0);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ rows: 1000, warnings: [], model: calibrated });
  expect(report.temperature).toBe(report.modelTemperature);
  expect(report.after.loss).toBeLessThan(report.before.loss);
  expect(report.after.expectedError).toBeLessThan(report.before.expectedError / 2);
});

test('calibrate keeps what the model was divided by before, and that its labels are numbers', async () => {
  const [divided, again] = [join(folder, 'divided.safetensors'), join(folder, 'again.safetensors')];
  const classNames = CLASS_NAMES.map((_, index) => String(index));
  const numbered = {
    ...(await readModelFile(model)),
    classNames,
    labelType: 'number',
    temperature: 3,
  } as const;
  await writeModelFile(divided, numbered);
  const args = ['calibrate', '--model', divided, ...rowsOf(heldOut), '--output', again, '--json'];
  const { temperature, modelTemperature } = JSON.parse((await run(...args)).stdout);
  expect(temperature).toBeGreaterThan(1.2);
  expect(modelTemperature).toBe(3 * temperature);
  expect(await readModelFile(again)).toMatchObject({ labelType: 'number', temperature: modelTemperature });
});

test('calibrate warns of the rows that the model was trained on, and refuses what does not fit', async () => {
  const out = join(folder, 'other.safetensors');
  const { code, stderr } = await run('calibrate', '--model', model, ...rowsOf(training), '--output', out);
  expect(code).toBe(0);
  expect(stderr).toContain('is the file that');
  expect(await run('calibrate', '--model', model, '--data', heldOut.images)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('labels are missing'),
  });
  expect(await run('calibrate', '--model', model, ...rowsOf(heldOut), '--output', model)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('would replace'),
  });
  writeFileSync(join(folder, 'narrow.csv'), 'a,b,c\n1,2,0\n3,4,1\n');
  const narrow = ['--data', join(folder, 'narrow.csv'), '--label-column', 'c', '--output', out];
  expect(await run('calibrate', '--model', model, ...narrow)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('ERR_SHAPE'),
  });
});

test('export writes both files, with the probabilities of predict within 1e-6', async () => {
  const [onnx, npz] = [join(folder, 'model.onnx'), join(folder, 'model.npz')];
  const files = ['--onnx', onnx, '--sklearn', npz];
  const { code, stdout, stderr } = await run('export', '--model', calibrated, ...files);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain(`ONNX model: ${onnx}\n`);
  expect(stdout).toContain(`LogisticRegression of scikit-learn: ${npz}\n`);
  const rows = 20;
  const inputs = Float32Array.from(heldOut.pixels.subarray(0, rows * 784));
  using predictor = await Predictor.load(calibrated);
  const { data } = await predictor.predictBatchProbabilities(inputs);
  const file = readOnnx(readFileSync(onnx));
  const { label, probabilities } = file.run(inputs, rows);
  expect(largestDifference(probabilities, data)).toBeLessThan(1e-6);
  expect(label).toEqual([...(await predictor.predictBatch(inputs))]);
  expect(JSON.parse(file.metadata.classNames!)).toEqual(CLASS_NAMES);
  const ml = await run('export', '--model', calibrated, '--onnx', onnx, '--ml', '--force');
  expect(ml.code).toBe(0);
  expect(readOnnx(readFileSync(onnx)).run(inputs, rows).label).toEqual(
    label.map((index) => CLASS_NAMES[Number(index)]),
  );
});

test('import reads what export wrote: the same classes, with a model card that says where they come from', async () => {
  const [npz, back] = [join(folder, 'back.npz'), join(folder, 'back.safetensors')];
  expect((await run('export', '--model', model, '--sklearn', npz)).code).toBe(0);
  const { code, stdout } = await run('import', '--sklearn', npz, '--output', back);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `784 features, 10 classes. The model is in ${back}\n`,
  });
  const [before, after] = [await Predictor.load(model), await Predictor.load(back)];
  const inputs = Float32Array.from(heldOut.pixels.subarray(0, 20 * 784));
  expect(await after.predictBatch(inputs)).toEqual(await before.predictBatch(inputs));
  for (const predictor of [before, after]) predictor.close();
  const { trainingOptions } = await readModelFile(back);
  expect(trainingOptions).toMatchObject({ importedFrom: { file: 'back.npz', sha256: sha256(npz) } });
  expect(await run('import', '--sklearn', npz)).toMatchObject({ code: 2 });
});

test('the model card has data with their SHA-256, options, metrics, versions, and what was written', async () => {
  const onnx = join(folder, 'card.onnx');
  const { code, stdout } = await run('export', '--model', calibrated, '--onnx', onnx, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    writtenBy: { name: 'softshard', node: process.versions.node },
    features: 784,
    classes: 10,
    classNames: CLASS_NAMES,
    featureScaling: { shift: 0 },
    data: {
      rows: { file: 'training-images.idx', bytes: 16 + 600 * 784, sha256: sha256(training.images) },
      labels: { file: 'training-labels.idx', sha256: sha256(training.labels) },
    },
    metrics: { loss: expect.any(Number), objective: expect.any(Number), converged: true },
    calibration: { rows: 1000 },
    trainingOptions: { C: 100, solver: 'lbfgs', trainingRows: 600 },
    model: { path: calibrated, sha256: sha256(calibrated) },
    onnx: { path: onnx, sha256: sha256(onnx) },
    sklearn: null,
  });
});

test.each<[string[], number, string]>([
  [[], 2, 'nothing to export: give --onnx, --sklearn, or --json'],
  [['--sklearn', 'new.npz', '--ml'], 2, '--ml says how --onnx is written'],
  [['--onnx', 'model.safetensors'], 1, 'would replace'],
  [['--onnx', 'same', '--sklearn', 'same'], 2, 'both name same'],
  [
    ['--onnx', 'there.txt'],
    2,
    'there.txt is there already: name another file, or let it be replaced with --force',
  ],
  [['--onnx', 'nowhere/model.onnx'], 1, 'ERR_FILE'],
  [['--onnx', '-', '--json'], 2, 'both take standard output'],
])('export %s is refused, and writes nothing', async (args, code, message) => {
  writeFileSync(join(folder, 'there.txt'), 'mine');
  const result = await run('export', '--model', model, ...args);
  expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) });
  expect(readFileSync(join(folder, 'there.txt'), 'utf8')).toBe('mine');
  expect(existsSync(join(folder, 'same'))).toBe(false);
});

test('a model from steps has its data and metrics too; equal runs make equal files', async () => {
  const paths = ['a.safetensors', 'b.safetensors'].map((name) => join(folder, name));
  for (const path of paths) {
    const args = [
      ...rowsOf(training),
      '--epochs',
      '2',
      '--validation-split',
      '0.2',
      '--output',
      path,
      '--quiet',
    ];
    expect((await run('train', ...args)).code).toBe(0);
  }
  expect(sha256(paths[1]!)).toBe(sha256(paths[0]!));
  const { trainingOptions } = await readModelFile(paths[0]!);
  expect(trainingOptions).toMatchObject({
    data: { rows: { sha256: sha256(training.images) } },
    metrics: {
      loss: expect.any(Number),
      validationLoss: expect.any(Number),
      validationAccuracy: expect.any(Number),
    },
  });
});
