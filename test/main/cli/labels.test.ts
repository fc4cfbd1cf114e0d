// Labels on the command line: numbers of exact value, missing ones, and integers against classes that are called by numbers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Engine, readNpyLabels, SoftmaxClassifier, writeNpy } from '#softshard/main/index.js';
import { type Finished, softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string) => join(folder, name);
const write = (name: string, text: string) => writeFileSync(inFolder(name), text);
const run = (...args: string[]) => softshard([...args, '--threads', '1'], { cwd: folder });
const train = (...args: string[]) => run('train', '--epochs', '20', '--json', ...args);

async function jsonOf(finished: Promise<Finished>) {
  const { code, stdout, stderr } = await finished;
  expect(code, stderr).toBe(0);
  return { ...JSON.parse(stdout), stderr };
}

async function failed(finished: Promise<Finished>, message: RegExp) {
  const { code, stderr } = await finished;
  expect(stderr).toMatch(message);
  expect(code).toBe(1);
}

beforeAll(async () => {
  await writeNpy(inFolder('x.npy'), { dims: [4, 2], data: Float32Array.of(3, 0, 0, 3, 3, 0, 0, 3) });
  await writeNpy(inFolder('y12.npy'), { dims: [4], data: Int32Array.of(1, 2, 1, 2) });
  await writeNpy(inFolder('y01.npy'), { dims: [4], data: Int32Array.of(0, 1, 0, 1) });
});

describe('labels that are numbers', () => {
  test('are found by the names of a model that a program has trained on numbers', async () => {
    const engine = await Engine.create({ threads: 1 });
    const classifier = new SoftmaxClassifier(engine);
    await classifier.fit(
      [
        [3, 0],
        [0, 3],
      ],
      [-1, 1],
      { C: 1 },
    );
    await classifier.save(inFolder('signs.model'));
    await engine.close();
    write('signs.csv', 'a,b,y\n3,0,-1\n0,3,1\n2,0,-1\n');
    const evaluated = await jsonOf(
      run('evaluate', '--model', 'signs.model', '--data', 'signs.csv', '--label-column', 'y', '--json'),
    );
    expect(evaluated).toMatchObject({ rows: 3, accuracy: 1 });
  });

  test('keep apart what float64 would merge, and their spelling (F4)', async () => {
    write('ids.csv', 'x,y\n1,1234567890123456789\n2,1234567890123456790\n3,5\n');
    const ids = await jsonOf(train('--data', 'ids.csv', '--label-column', 'y', '--output', 'ids.model'));
    expect(ids.classNames).toEqual(['5', '1234567890123456789', '1234567890123456790']);
    write('zip.csv', 'x,y\n-9,02139\n9,10115\n-8,02139\n8,10115\n');
    const zip = await jsonOf(train('--data', 'zip.csv', '--label-column', 'y', '--output', 'zip.model'));
    expect(zip.classNames).toEqual(['02139', '10115']);
    const predicted = await run(
      'predict',
      '--model',
      'zip.model',
      '--data',
      'zip.csv',
      '--label-column',
      'y',
    );
    expect(predicted.stdout).toMatch(/^0,0,02139,/m);
    const evaluated = await jsonOf(
      run('evaluate', '--model', 'zip.model', '--data', 'zip.csv', '--label-column', 'y', '--json'),
    );
    expect(evaluated.accuracy).toBe(1);
  });

  test('find classes that are the same number, and no others (F4)', async () => {
    write('train.txt', '1.0\n2.0\n1.0\n2.0\n');
    write('same.txt', '1\n2\n+1\n2.00\n');
    write('zeros.txt', '01\n02\n01\n02\n');
    await jsonOf(train('--data', 'x.npy', '--labels', 'train.txt', '--output', 'floats.model'));
    const evaluate = (labels: string) =>
      run('evaluate', '--model', 'floats.model', '--data', 'x.npy', '--labels', labels, '--json');
    expect((await jsonOf(evaluate('same.txt'))).accuracy).toBe(1);
    await failed(evaluate('zeros.txt'), /ERR_TARGET_RANGE: zeros\.txt: row 0 .*"01".* 2 classes 1\.0, 2\.0/);
  });

  test('must be whole to be classes, unless class names say otherwise (F5)', async () => {
    write('iris.csv', 'length,kind\n5.1,a\n4.9,b\n6,a\n');
    const message =
      /^softshard: ERR_FORMAT: iris\.csv: line 2: .*continuous.*"5\.1".*--label.*--class-names\.$/m;
    await failed(train('--data', 'iris.csv', '--label-column', 'length', '--feature-columns', '0'), message);
    write('halves.txt', '0.5\n1.5\n0.50\n1.5\n');
    write('names.txt', '1.5\n0.5\n');
    const args = [
      '--data',
      'x.npy',
      '--labels',
      'halves.txt',
      '--class-names',
      'names.txt',
      '--output',
      'halves.model',
    ];
    expect((await jsonOf(train(...args))).classNames).toEqual(['1.5', '0.5']);
    const evaluated = run(
      'evaluate',
      '--model',
      'halves.model',
      '--data',
      'x.npy',
      '--labels',
      'halves.txt',
      '--json',
    );
    expect((await jsonOf(evaluated)).accuracy).toBe(1);
  });
});

describe('missing labels', () => {
  test('end with their line, in training and evaluation (F5)', async () => {
    write('gap.csv', 'x,y\n1,0\n2,1\n3,NaN\n');
    write('whole.csv', 'x,y\n1,0\n2,1\n3,1\n');
    const message = /^softshard: ERR_FORMAT: gap\.csv: line 4: expected a label, found "NaN"/;
    await failed(train('--data', 'gap.csv', '--label-column', 'y'), message);
    await jsonOf(train('--data', 'whole.csv', '--label-column', 'y', '--output', 'whole.model'));
    await failed(
      run('evaluate', '--model', 'whole.model', '--data', 'gap.csv', '--label-column', 'y'),
      message,
    );
  });

  test('are nothing to predict, which only leaves the column out', async () => {
    write('open.csv', 'y,x\n,1\n0.5,2\nNaN,3\n');
    const { code, stdout } = await run(
      'predict',
      '--model',
      'whole.model',
      '--data',
      'open.csv',
      '--label-column',
      'y',
    );
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(4);
  });
});

describe('integers of .npy', () => {
  const evaluate = (model: string, labels: string) =>
    run('evaluate', '--model', model, '--data', 'x.npy', '--labels', labels, '--json');

  test('are the names of classes that are called by integers, and refused where they are none (F6)', async () => {
    write('c.txt', '1\n2\n1\n3\n');
    await jsonOf(train('--data', 'x.npy', '--labels', 'c.txt', '--output', 'c.model'));
    const { perClass, accuracy } = await jsonOf(evaluate('c.model', 'y12.npy'));
    expect(perClass.map(({ name, rows }: { name: string; rows: number }) => [name, rows])).toEqual([
      ['1', 2],
      ['2', 2],
      ['3', 0],
    ]);
    expect(accuracy).toBe(1);
    await failed(
      evaluate('c.model', 'y01.npy'),
      /y01\.npy: row 0 \(from 0\) has the label 0, .* 3 classes 1, 2, 3$/m,
    );
  });

  test.each([
    ['-1 and 1', [-1, 1, -1, 1], ['-1', '1']],
    ['hundreds', [300, 100, 300, 100], ['100', '300']],
    ['1 and 2', [1, 2, 1, 2], ['1', '2']],
    ['from 0, one missing', [0, 2, 0, 2], null],
  ])('that do not count from 0 are names: %s', async (_, labels, names) => {
    await writeNpy(inFolder('own.npy'), { dims: [4], data: Int32Array.from(labels) });
    const { classNames, classes } = await jsonOf(
      train('--data', 'x.npy', '--labels', 'own.npy', '--output', 'own.model'),
    );
    expect(classNames).toEqual(names);
    expect(classes).toBe(names?.length ?? 3);
    await run('predict', '--model', 'own.model', '--data', 'x.npy', '--output', 'own-p.npy');
    expect([...(await readNpyLabels(inFolder('own-p.npy')))]).toEqual(labels);
  });

  test('come back from predict as the integers that evaluate takes (F6)', async () => {
    const args = ['--model', 'c.model', '--data', 'x.npy', '--output', 'p.npy'];
    expect((await run('predict', ...args)).code).toBe(0);
    expect(await readNpyLabels(inFolder('p.npy'))).toEqual(Int32Array.of(1, 2, 1, 2));
    expect((await jsonOf(evaluate('c.model', 'p.npy'))).accuracy).toBe(1);
  });

  test('are places of classes that are called by words, and refused where both may be meant (F6)', async () => {
    write('words.txt', 'one\ntwo\none\ntwo\n');
    await jsonOf(train('--data', 'x.npy', '--labels', 'words.txt', '--output', 'words.model'));
    expect((await jsonOf(evaluate('words.model', 'y01.npy'))).accuracy).toBe(1);
    write('mixed.txt', '1\nother\n1\nother\n');
    await jsonOf(train('--data', 'x.npy', '--labels', 'mixed.txt', '--output', 'mixed.model'));
    await failed(
      evaluate('mixed.model', 'y01.npy'),
      /classes \(1, other\) class 0 is called 1: give the labels as text/,
    );
  });

  test('that leave a class without rows are trained on with a note (F6)', async () => {
    await writeNpy(inFolder('gap.npy'), { dims: [4], data: Int32Array.of(0, 2, 0, 2) });
    const { classes, stderr } = await jsonOf(
      train('--data', 'x.npy', '--labels', 'gap.npy', '--output', 'gap.model'),
    );
    expect(classes).toBe(3);
    expect(stderr).toMatch(/^1 of 3 classes without a row to train on: 1$/m);
    expect((await jsonOf(evaluate('gap.model', 'gap.npy'))).accuracy).toBe(1);
  });

  test('of a floating type are classes too, one-hot rows are not (F5, F19)', async () => {
    await writeNpy(inFolder('float.npy'), { dims: [4], data: Float64Array.of(0, 1, 0, 1) });
    await writeNpy(inFolder('half.npy'), { dims: [4], data: Float32Array.of(0, 1, 0.5, 1) });
    await writeNpy(inFolder('hot.npy'), { dims: [4, 2], data: Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1) });
    const trainOn = (labels: string) => train('--data', 'x.npy', '--labels', labels, '--output', 'f.model');
    expect((await jsonOf(trainOn('float.npy'))).classes).toBe(2);
    await failed(trainOn('half.npy'), /half\.npy: row 2: .*continuous value 0\.5/);
    await failed(trainOn('hot.npy'), /hot\.npy: .*dims \[4, 2\]\. .*one_hot\.argmax\(axis=1\)/);
  });
});

test('weights and masks of classes are found by the names in their header (F2)', async () => {
  write('x.csv', 'a,k\n-1,x\n1,y\n-1,y\n1,x\n-1,x\n');
  const args = ['--data', 'x.csv', '--label-column', 'k', '--output', 'w.model'];
  const lossWith = async (...more: string[]) => (await jsonOf(train(...args, ...more))).loss;
  write('w.csv', 'x,y\n1,3\n');
  write('turned.csv', 'y,x\n3,1\n');
  write('column.csv', '0\n1\n3\n');
  const weighted = await lossWith('--class-weight', 'w.csv');
  expect(await lossWith('--class-weight', 'turned.csv')).toBe(weighted);
  expect(await lossWith('--class-weight', 'column.csv')).toBe(weighted);
  expect(await lossWith()).not.toBe(weighted);
  write('mask.csv', 'x,y\n1,0\n1,1\n1,1\n1,1\n1,1\n');
  write('mask-turned.csv', 'y,x\n0,1\n1,1\n1,1\n1,1\n1,1\n');
  expect(await lossWith('--mask', 'mask-turned.csv')).toBe(await lossWith('--mask', 'mask.csv'));
});
