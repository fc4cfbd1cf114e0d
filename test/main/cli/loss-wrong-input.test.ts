import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Descr, writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);

describe('wrong input', () => {
  const write = (name: string, descr: Descr, dims: readonly number[], values: ArrayLike<number>) =>
    writeArray(folder, `${name}.npy`, descr, dims, values);
  const logits = write('L', '<f4', [2, 3], [1, 2, 3, 4, 5, 6]);
  const targets = write('T', '<i8', [2], [0, 2]);
  const args = ['--logits', logits, '--targets', targets];
  const ofTargets = (path: string): string[] => ['--logits', logits, '--targets', path];
  type Case = readonly [title: string, args: string[], code: number, message: RegExp];

  const cases: Case[] = [
    [
      'no targets',
      ['--logits', logits],
      2,
      /^softshard: targets are missing: give --targets, or .* --teacher/,
    ],
    [
      'a smoothing above 1',
      [...args, '--label-smoothing', '1.5'],
      2,
      /'--label-smoothing <fraction>' .*from 0 to 1/,
    ],
    ['a temperature of 0', [...args, '--temperature', '0'], 2, /'--temperature <number>' .*greater than 0/],
    ['a negative soft cap', [...args, '--softcap', '-3'], 2, /'--softcap <cap>' .*greater than 0/],
    ['a negative z-loss', [...args, '--z-loss', '-1'], 2, /'--z-loss <factor>' .*at least 0/],
    [
      'half an ignore index',
      [...args, '--ignore-index', '-0.5'],
      2,
      /'--ignore-index <number>' .*whole number/,
    ],
    ['another reduction', [...args, '--reduction', 'max'], 2, /'--reduction <kind>' .*mean, sum, none/],
    ['another policy', [...args, '--on-empty', 'null'], 2, /'--on-empty <what>' .*nan, zero, throw/],
    [
      'an axis that is not there',
      [...args, '--axis', '-3'],
      2,
      /--axis is -3: .*L\.npy has the dims \[2, 3\]/,
    ],
    [
      'losses of rows for nobody',
      [...args, '--reduction', 'none'],
      2,
      /name a file for them with --losses, or add --json/,
    ],
    [
      'one file for two outputs',
      [...args, '--losses', inFolder('same.npy'), '--gradient', inFolder('same.npy')],
      2,
      /--gradient and --losses both name .*same\.npy/,
    ],
    [
      'missing targets',
      ofTargets('none.npy'),
      1,
      /^softshard: ERR_FILE: --targets none\.npy: there is no such file/,
    ],
    [
      'a target that is no class',
      ofTargets(write('T3', '<i8', [2], [0, 3])),
      1,
      /ERR_TARGET_RANGE: .*T3\.npy: row 1 \(from 0\) has the target 3, .*classes 0 to 2 nor --ignore-index -100/,
    ],
    [
      'a target that is no class, in two dimensions',
      [
        ...['--logits', write('L3', '<f4', [2, 2, 2], new Float32Array(8)), '--axis', '1'],
        ...['--targets', write('T22', '<i4', [2, 2], [0, 1, -1, 0])],
      ],
      1,
      /ERR_TARGET_RANGE: .*T22\.npy: row 2 \(from 0\), at \[1, 0\], has the target -1/,
    ],
    [
      'fewer targets than rows',
      ofTargets(write('T1', '<i8', [1], [0])),
      1,
      /ERR_SHAPE: .*T1\.npy: expected targets with dims \[2\] for the logits \[2, 3\] of .*L\.npy .*found dims \[1\]/,
    ],
    [
      'classes as floats',
      ofTargets(write('Tf', '<f4', [2], [0, 2])),
      1,
      /ERR_TYPE: .*Tf\.npy: expected class indices as integers, found float32 .*targets\.astype\('int64'\)/,
    ],
    [
      'one-hot targets as integers',
      ofTargets(write('Th', '<i8', [2, 3], [1, 0, 0, 0, 0, 1])),
      1,
      /ERR_TYPE: .*Th\.npy: expected targets of every class as float32 or float64, found int64.*one_hot/,
    ],
    [
      'soft targets of another shape',
      ofTargets(write('Ts', '<f4', [3, 2], [1, 0, 0, 0, 0, 1])),
      1,
      /ERR_SHAPE: .*Ts\.npy: expected targets with the dims of the logits for the logits \[2, 3\].*found dims \[3, 2\]/,
    ],
    [
      'integers for logits',
      ['--logits', targets, '--targets', targets],
      1,
      /ERR_TYPE: .*T\.npy: expected logits as float32, float64, float16 or bfloat16, found int64/,
    ],
    [
      'a weight for each row instead of each class',
      [...args, '--weight', write('W', '<f4', [2], [1, 1])],
      1,
      /ERR_SHAPE: .*W\.npy: expected one weight for each of the 3 classes of .*L\.npy, found dims \[2\]/,
    ],
    [
      'a negative weight',
      [...args, '--weight', write('Wn', '<f8', [3], [1, -1, 1])],
      1,
      /ERR_FORMAT: .*Wn\.npy: class 1 \(from 0\): expected a finite weight of at least 0, found -1/,
    ],
    [
      'a sample weight that is no number',
      [...args, '--sample-weight', write('Sn', '<f4', [2], [1, Number.NaN])],
      1,
      /ERR_FORMAT: .*Sn\.npy: row 1 \(from 0\): expected a finite weight of at least 0, found NaN/,
    ],
    [
      'sample weights of another shape',
      [...args, '--sample-weight', write('S3', '<f4', [3], [1, 1, 1])],
      1,
      /ERR_SHAPE: .*S3\.npy: expected sample weights with dims \[2\]/,
    ],
    [
      'a mask of floats',
      [...args, '--mask', write('Mf', '<f4', [2, 3], [1, 1, 1, 1, 1, 1])],
      1,
      /ERR_TYPE: .*Mf\.npy: expected a mask as bool or uint8, found float32\. In numpy: mask\.astype\(bool\)/,
    ],
    [
      'a mask of another shape',
      [...args, '--mask', write('M', '|b1', [3, 2], [1, 1, 1, 1, 1, 1])],
      1,
      /ERR_SHAPE: .*M\.npy: expected the mask with the dims of the logits/,
    ],
    [
      'a gradient over the logits',
      [...args, '--gradient', logits],
      1,
      /ERR_FILE: .*L\.npy: would replace .*L\.npy, which is read/,
    ],
    [
      'an output folder that is not there',
      [...args, '--losses', inFolder('nowhere/R.npy')],
      1,
      /ERR_FILE: .*R\.npy: cannot be written: ENOENT/,
    ],
  ];
  test.each(cases)('%s', async (_, wrong, code, message) => {
    const result = await softshard(['loss', ...wrong], { cwd: folder });
    expect(result.stderr).toMatch(message);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
    expect(existsSync(inFolder('same.npy'))).toBe(false);
  });
});
