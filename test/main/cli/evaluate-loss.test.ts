// softshard evaluate with loss options: what the API gives with the same ones; and the mask, which train takes too.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, readModelFile, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { randomValues } from '../../kernels/workbench.js';
import { clusters } from '../training/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const { inputs, targets, rows, features, classes } = clusters(90, 4, 3, 7);
const sampleWeight = randomValues(rows, 1, 2).map((value) => Math.fround(value + 1.5));
const mask = Uint8Array.from({ length: rows * classes }, (_, i) =>
  i % 5 === 2 && i % classes !== targets[Math.floor(i / classes)] ? 0 : 1,
);
const marked = targets.map((target, row) => (row % 7 === 3 ? 255 : target));

let engine: Engine;
let classifier: SoftmaxClassifier;
beforeAll(async () => {
  engine = await Engine.create({ threads: 2 });
  classifier = new SoftmaxClassifier(engine, { features, classes });
  await classifier.fit(inputs, targets, { epochs: 2 });
  await classifier.save(inFolder('model.safetensors'));
  writeArray(folder, 'x.npy', '<f4', [rows, features], inputs);
  writeArray(folder, 'y.npy', '<i4', [rows], targets);
  writeArray(folder, 'marked.npy', '<i8', [rows], marked);
  writeFileSync(inFolder('weights.txt'), '0.5\n1\n2\n');
  writeArray(folder, 'rows.npy', '<f4', [rows], sampleWeight);
  writeArray(folder, 'mask.npy', '|u1', [rows, classes], mask);
  writeArray(folder, 'bool.npy', '|b1', [rows, classes], mask);
  writeArray(folder, 'wrong-mask.npy', '|u1', [classes, rows], mask);
  writeFileSync(inFolder('mask.csv'), `${maskRows().join('\n')}\n`);
});
afterAll(() => engine.close());

const maskRows = (): string[] =>
  Array.from({ length: rows }, (_, row) => mask.slice(row * classes, (row + 1) * classes).join(','));

const evaluateArgs = (...more: string[]): string[] => {
  const files = ['--model', inFolder('model.safetensors'), '--data', inFolder('x.npy')];
  return ['evaluate', ...files, '--labels', inFolder('y.npy'), '--quiet', ...more];
};

async function expectAsApi(
  flags: string[],
  options: Training.EvaluateOptions,
  given = targets,
): Promise<void> {
  const { code, stderr, stdout } = await softshard(evaluateArgs('--json', ...flags));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { loss, lossSum, weightSum, accuracy, correct, ignored } = await classifier.evaluate(
    inputs,
    given,
    options,
  );
  expect(JSON.parse(stdout)).toMatchObject({ loss, lossSum, weightSum, accuracy, correct, ignored });
}

describe('evaluate with loss options gives, to the last bit, what the API gives', () => {
  test.each<[string, string[], Training.EvaluateOptions]>([
    ['none', [], {}],
    ['class weights', ['--class-weight', inFolder('weights.txt')], { weight: [0.5, 1, 2] }],
    ['class weights by name', ['--class-weight', '0=0.5,2=2e0'], { weight: [0.5, 1, 2] }],
    ['row weights', ['--sample-weight', inFolder('rows.npy')], { sampleWeight }],
    ['a mask', ['--mask', inFolder('mask.npy')], { mask }],
    ['a mask of booleans', ['--mask', inFolder('bool.npy')], { mask }],
    ['a mask in CSV', ['--mask', inFolder('mask.csv')], { mask }],
    [
      'everything',
      [
        ...['--class-weight', inFolder('weights.txt'), '--sample-weight', inFolder('rows.npy')],
        ...['--mask', inFolder('mask.npy')],
        ...'--label-smoothing 0.1 --temperature 1.5 --softcap 6 --z-loss 0.01 --focal-gamma 2'.split(' '),
      ],
      {
        weight: [0.5, 1, 2],
        sampleWeight,
        mask,
        labelSmoothing: 0.1,
        temperature: 1.5,
        softcap: 6,
        zLoss: 0.01,
        focalGamma: 2,
      },
    ],
  ])('%s', (_, flags, options) => expectAsApi(flags, options));

  test('--ignore-index, a class or not, and --on-invalid-target ignore', async () => {
    const ofMarked = ['--labels', inFolder('marked.npy')];
    await expectAsApi([...ofMarked, '--ignore-index', '255'], { ignoreIndex: 255 }, marked);
    await expectAsApi([...ofMarked, '--on-invalid-target', 'ignore'], { onInvalidTarget: 'ignore' }, marked);
    await expectAsApi(['--ignore-index', '1'], { ignoreIndex: 1 });
    const { stderr, code } = await softshard(evaluateArgs(...ofMarked));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /marked\.npy: row 3 \(from 0\) has the label 255, which is not one of the 3 classes/,
    );
  });

  test('text labels that are no class are an error, or ignored', async () => {
    const named = new SoftmaxClassifier(engine, { features, classes, classNames: ['a', 'b', 'c'] });
    named.weights.set(classifier.weights);
    named.bias.set(classifier.bias);
    await named.save(inFolder('named.safetensors'));
    const names = Array.from(marked, (target) => 'abc'[target] ?? 'unknown');
    writeFileSync(inFolder('names.txt'), `${names.join('\n')}\n`);
    const args = ['--model', inFolder('named.safetensors'), '--labels', inFolder('names.txt'), '--json'];
    const ignoring = await softshard(evaluateArgs(...args, '--on-invalid-target', 'ignore'));
    const { ignored, loss } = JSON.parse(ignoring.stdout);
    const wanted = await classifier.evaluate(inputs, marked, { ignoreIndex: 255 });
    expect([ignored, loss]).toEqual([wanted.ignored, wanted.loss]);
    expect((await softshard(evaluateArgs(...args))).stderr).toMatch(
      /row 3 \(from 0\) has the label "unknown"/,
    );
  });

  test('--on-empty: a mean over nothing is null in JSON, 0, or a failure; the text tells of ignored rows', async () => {
    writeArray(folder, 'none.npy', '<i4', [rows], new Int32Array(rows).fill(9));
    const ignoring = ['--labels', inFolder('none.npy'), '--ignore-index', '9'];
    const json = async (...more: string[]) =>
      JSON.parse((await softshard(evaluateArgs('--json', ...ignoring, ...more))).stdout);
    expect(await json()).toMatchObject({ loss: null, weightSum: 0, ignored: rows });
    expect(await json('--on-empty', 'zero')).toMatchObject({ loss: 0, weightSum: 0 });
    const failed = await softshard(evaluateArgs(...ignoring, '--on-empty', 'throw'));
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/all 90 rows are ignored or have weight 0/);
    const { stdout } = await softshard(evaluateArgs('--ignore-index', '1'));
    expect(stdout).toMatch(/ignored rows +\d+/);
  });
});

describe('wrong loss options', () => {
  test.each<[string, string[], number, RegExp]>([
    ['balanced', ['--class-weight', 'balanced'], 2, /--class-weight balanced is for training/],
    ['too few weights', ['--class-weight', 'rows.npy'], 1, /rows\.npy has 90 weights for 3 classes/],
    [
      'a mask of other dims',
      ['--mask', 'wrong-mask.npy'],
      1,
      /wrong-mask\.npy has 3 rows of 90 columns: a mask needs one for each of 90 rows and 3 classes/,
    ],
    ['a missing mask', ['--mask', 'nowhere.npy'], 1, /nowhere\.npy/],
    ['a rule that is none', ['--on-empty', 'no'], 2, /'--on-empty <what>' argument 'no' is invalid/],
  ])('%s', async (_, flags, code, message) => {
    const result = await softshard(evaluateArgs(...flags), { cwd: folder });
    expect(result.stderr).toMatch(message);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
  });

  test('a mask that leaves a row without its class names row and class', async () => {
    writeArray(folder, 'zero-mask.npy', '|u1', [rows, classes], new Uint8Array(rows * classes));
    const { code, stderr } = await softshard(evaluateArgs('--mask', inFolder('zero-mask.npy')));
    expect(code).toBe(2);
    expect(stderr).toMatch(/--mask\[0, \d\] is 0, but \d is the row's class/);
  });
});

test('train --mask gives what fit gives, and the model keeps that there was one', async () => {
  const out = inFolder('masked.safetensors');
  const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy'), '--mask', inFolder('mask.npy')];
  const { code, stderr } = await softshard(['train', ...files, '--epochs', '2', '--quiet', '--output', out]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const masked = new SoftmaxClassifier(engine, { features, classes });
  await masked.fit(inputs, targets, { epochs: 2, mask });
  const model = await readModelFile(out);
  expect(model.weights).toEqual(masked.weights);
  expect(model.trainingOptions).toMatchObject({ mask: true });
});
