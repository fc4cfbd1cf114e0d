import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  availableThreads,
  Engine,
  readModelFile,
  readNpyMatrix,
  SoftmaxClassifier,
  supportsWideSimd,
} from '#softshard/main/index.js';

import {
  CLASS_NAMES,
  FASHION_MNIST,
  type Finished,
  type Slice,
  softshard,
  softshardProcess,
  temporaryFolder,
  writeSlice,
} from './workbench.js';

const folder = temporaryFolder();
const model = join(folder, 'model.safetensors');
let training: Slice;
let held: Slice;

const OPTIONS = ['--epochs', '10', '--batch-size', '128', '--learning-rate', '0.1', '--momentum', '0.9'];

beforeAll(() => {
  training = writeSlice(folder, 'training', 0, 2000);
  held = writeSlice(folder, 'held', 2000, 3000);
});

function trainArgs(...more: string[]): string[] {
  return [
    'train',
    '--data',
    training.images,
    '--labels',
    training.labels,
    ...OPTIONS,
    '--seed',
    '1',
    ...more,
  ];
}

describe('images', () => {
  let trained: Finished;
  // Here, so that each test below can be run alone.
  beforeAll(async () => {
    const options = ['--validation-split', '0.2', '--class-names', training.classNames, '--threads', '2'];
    trained = await softshard(trainArgs(...options, '--output', model, '--json'));
  });

  test('train prints one JSON object of results, progress goes to standard error', () => {
    const { code, stdout, stderr } = trained;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      rows: 2000,
      trainingRows: 1600,
      features: 784,
      classes: 10,
      classNames: CLASS_NAMES,
      threads: 2,
      numerics: expect.stringMatching(/^(portable|fast)$/),
      node: process.versions.node,
      steps: 130,
      plannedSteps: 130,
      interrupted: false,
      model,
    });
    for (const name of ['loss', 'validationLoss', 'validationAccuracy', 'durationMs', 'rowsPerSecond']) {
      expect(result[name], name).toBeGreaterThan(0);
    }
    expect(result.epochs.map(({ epoch }: { epoch: number }) => epoch)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    expect(result.loss).toBe(result.epochs[9].loss);
    expect(result.validationAccuracy).toBeGreaterThan(0.7);
    expect(stderr.match(/^epoch +\d+\/10 .*validation [.\d]+, accuracy .*rows\/s$/gm)).toHaveLength(10);
  });

  test('evaluate on other images reaches an accuracy above 0.7, and its confusion adds up', async () => {
    const args = ['evaluate', '--model', model, '--data', held.images, '--labels', held.labels];
    const { code, stdout, stderr } = await softshard([...args, '--top-k', '3', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      rows: 1000,
      topK: 3,
      features: 784,
      classes: 10,
      classNames: CLASS_NAMES,
    });
    expect(result.accuracy).toBeGreaterThan(0.7);
    expect(result.topKAccuracy).toBeGreaterThan(result.accuracy);
    expect(result.loss).toBeCloseTo(result.lossSum / 1000, 12);
    const confusion: number[][] = result.confusion;
    const diagonal = confusion.reduce((sum, row, index) => sum + row[index]!, 0);
    expect(diagonal).toBe(result.correct);
    expect(result.accuracy).toBe(result.correct / 1000);
    const rowsOf = CLASS_NAMES.map((_, index) => held.targets.filter((target) => target === index).length);
    expect(confusion.map((row) => row.reduce((sum, entry) => sum + entry, 0))).toEqual(rowsOf);
    for (const { class: index, name, rows, recall, precision } of result.perClass) {
      const predicted = confusion.reduce((sum, row) => sum + row[index]!, 0);
      expect({ name, rows, recall, precision }).toEqual({
        name: CLASS_NAMES[index],
        rows: rowsOf[index],
        recall: confusion[index]![index]! / rows,
        precision: predicted === 0 ? 0 : confusion[index]![index]! / predicted,
      });
    }
  });

  test('evaluate gives, to the last bit, what the API gives on the same rows', async () => {
    const args = ['evaluate', '--model', model, '--data', held.images, '--labels', held.labels, '--json'];
    const { loss, accuracy } = JSON.parse((await softshard(args)).stdout);
    await using engine = await Engine.create({ threads: 1 });
    const classifier = await SoftmaxClassifier.load(engine, model);
    for (const inputs of [held.pixels, Float32Array.from(held.pixels)]) {
      const evaluation = await classifier.evaluate(inputs, held.targets);
      expect({ loss, accuracy }).toEqual({ loss: evaluation.loss, accuracy: evaluation.accuracy });
    }
  });

  test('evaluate prints an aligned table with recall and precision of each class', async () => {
    const args = ['evaluate', '--model', model, '--data', held.images, '--labels', held.labels];
    const { stdout } = await softshard(args);
    const lines = stdout.split('\n');
    const header = lines.findIndex((line) => /^class +rows +recall +precision$/.test(line));
    const classes = lines.slice(header + 1, header + 11);
    expect(classes.map((line) => line.replace(/ {2,}.*/, ''))).toEqual(CLASS_NAMES);
    expect(new Set([lines[header], ...classes].map((line) => line!.length)).size).toBe(1);
    expect(stdout).toMatch(/^accuracy +\d+\.\d\d %$/m);
    expect(stdout).toMatch(/\d+ of 1,000 rows are classified correctly\.\n$/);
  });

  test('predict prints CSV whose classes agree with evaluate and whose probabilities are the model’s', async () => {
    const { code, stdout, stderr } = await softshard(['predict', '--model', model, '--data', held.images]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [header, ...lines] = stdout.trimEnd().split('\n');
    expect(header).toBe('row,class,name,probability');
    expect(lines).toHaveLength(1000);
    const evaluated = await softshard([
      'evaluate',
      '--model',
      model,
      '--data',
      held.images,
      '--labels',
      held.labels,
      '--json',
    ]);
    let correct = 0;
    for (const [row, line] of lines.entries()) {
      const [index, predicted, name, probability] = line.split(',');
      expect([index, name]).toEqual([String(row), CLASS_NAMES[Number(predicted)]]);
      expect(Number(probability)).toBeGreaterThanOrEqual(0.1);
      if (Number(predicted) === held.targets[row]) correct++;
    }
    expect(correct).toBe(JSON.parse(evaluated.stdout).correct);
  });

  test('predict writes all probabilities as .npy, the same as in the CSV columns, bit for bit', async () => {
    const npy = join(folder, 'probabilities.npy');
    const csv = join(folder, 'probabilities.csv');
    const args = ['predict', '--model', model, '--data', held.images, '--probabilities', '--output'];
    const toNpy = await softshard([...args, npy, '--json']);
    expect(JSON.parse(toNpy.stdout)).toMatchObject({ rows: 1000, classes: 10, output: npy, model });
    expect((await softshard([...args, csv])).stdout).toBe(`Wrote predictions for 1,000 rows to ${csv}\n`);
    await using engine = await Engine.create({ threads: 1 });
    const { matrix } = await readNpyMatrix(engine, npy);
    expect(matrix.dims).toEqual([1000, 10]);
    const [header, ...lines] = readFileSync(csv, 'utf8').trimEnd().split('\n');
    expect(header).toBe(`row,class,name,probability,${CLASS_NAMES.map((name) => `p(${name})`).join(',')}`);
    const fromCsv = lines.flatMap((line) => line.split(',').slice(4).map(Number));
    const misfit = fromCsv.findIndex((value, index) => Math.fround(value) !== matrix.data[index]);
    expect({ index: misfit, csv: fromCsv[misfit], npy: matrix.data[misfit] }).toMatchObject({ index: -1 });
  });

  test('predict --top-k lists so many classes of each row, the most probable first', async () => {
    const args = ['predict', '--model', model, '--data', held.images, '--top-k', '3'];
    const [header, ...lines] = (await softshard(args)).stdout.trimEnd().split('\n');
    expect(header).toBe('row,rank,class,name,probability');
    expect(lines).toHaveLength(3000);
    for (let row = 0; row < 1000; row++) {
      const ranked = lines.slice(3 * row, 3 * row + 3).map((line) => line.split(','));
      expect(ranked.map(([index, rank]) => [index, rank])).toEqual(
        ['1', '2', '3'].map((rank) => [String(row), rank]),
      );
      const [first, second, third] = ranked.map((cells) => Number(cells[4]));
      expect(first! >= second! && second! >= third!, `row ${row}: ${first} ${second} ${third}`).toBe(true);
    }
  });

  test('predict ends quietly when its reader goes away', async () => {
    const { code, stderr } = await softshardProcess(
      ['predict', '--model', model, '--data', held.images, '--probabilities'],
      {
        closeStdoutAfter: 100,
      },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('the model file has the same bytes for 1, 2, 3 and 8 threads', async () => {
    const digests = [];
    for (const threads of ['1', '2', '3', '8']) {
      const out = join(folder, `threads-${threads}.safetensors`);
      const { code, stderr } = await softshard(
        trainArgs(
          '--batch-size',
          '500',
          '--threads',
          threads,
          '--numerics',
          'portable',
          '--quiet',
          '--output',
          out,
        ),
      );
      expect(code, stderr).toBe(0);
      digests.push(createHash('sha256').update(readFileSync(out)).digest('hex'));
    }
    expect(new Set(digests).size, digests.join('\n')).toBe(1);
  });

  test('the model file keeps class names, scaling and options; info prints them', async () => {
    const { featureScaling, classNames, trainingOptions } = await readModelFile(model);
    expect(featureScaling).toEqual({ shift: 0, scale: 1 / 255 });
    expect(classNames).toEqual(CLASS_NAMES);
    expect(trainingOptions).toMatchObject({
      epochs: 10,
      batchSize: 128,
      momentum: 0.9,
      seed: 1,
      trainingRows: 1600,
    });
    const { stdout } = await softshard(['info', '--model', model, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      features: 784,
      classes: 10,
      parameters: 7850,
      classNames,
      trainingOptions,
    });
    expect((await softshard(['info', '--model', model])).stdout).toMatch(/^momentum +0\.9$/m);
  });

  test('validation data of their own give the loss that evaluate gives on them', async () => {
    const out = join(folder, 'apart.safetensors');
    const validation = ['--validation-data', held.images, '--validation-labels', held.labels];
    const trained = await softshard(trainArgs(...validation, '--output', out, '--json', '--quiet'));
    expect(trained.stderr).toBe('');
    const { validationLoss, validationAccuracy } = JSON.parse(trained.stdout);
    const args = ['evaluate', '--model', out, '--data', held.images, '--labels', held.labels, '--json'];
    const { loss, accuracy } = JSON.parse((await softshard(args)).stdout);
    expect({ loss, accuracy }).toEqual({ loss: validationLoss, accuracy: validationAccuracy });
  });

  test('--quiet prints results alone, as a table and a sentence', async () => {
    const out = join(folder, 'quiet.safetensors');
    const { stdout, stderr } = await softshard(trainArgs('--quiet', '--output', out));
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^training loss +0\.\d{4}\n\nTrained 10 epochs \(160 steps\) on 2,000 rows in /);
    expect(stdout).toContain(`The model is in ${out}\n`);
  });

  test('nothing but the named files is left in the folder', async () => {
    const left = readdirSync(folder).filter(
      (name) =>
        !/^(training|held|threads-\d|model|apart|quiet|probabilities)[-.\w]*\.(idx|safetensors|npy|csv)$/.test(
          name,
        ),
    );
    expect(left).toEqual([]);
  });
});

test('info tells what runs here', async () => {
  const { stdout } = await softshard(['info', '--json']);
  const { numerics, defaultNumerics, ...rest } = JSON.parse(stdout);
  expect(numerics).toContain('portable');
  expect(numerics).toContain(defaultNumerics);
  expect(rest).toMatchObject({
    version: JSON.parse(readFileSync(join(FASHION_MNIST, '../../package.json'), 'utf8')).version,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    availableParallelism: availableThreads(),
    wideSimd: supportsWideSimd(),
    simd: true,
  });
  const text = (await softshard(['info'])).stdout;
  expect(text).toMatch(/^numerics +portable/m);
  expect(text).toMatch(
    supportsWideSimd() ? /^wide SIMD +(on in commands|available)/m : /^wide SIMD +not in this Node$/m,
  );
});
