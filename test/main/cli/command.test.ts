import { expect, test } from 'vitest';
import { runNode, SOFTSHARD, softshard } from './workbench.js';

test.each([
  ['train --dta x.csv', "unknown option '--dta'\n(Did you mean --data?)"],
  ['train --lable k', "unknown option '--lable'\n(Did you mean --label?)"],
  ['train --lr 0.1', "unknown option '--lr'\n(Did you mean --learning-rate?)"],
  ['train --bs=64', "unknown option '--bs'\n(Did you mean --batch-size?)"],
  ['train --label-colum k', "unknown option '--label-colum'\n(Did you mean --label-column?)"],
  ['predict --modle=m.safetensors --data x.csv', "unknown option '--modle'\n(Did you mean --model?)"],
  [
    'loss --logits x.npy --targets y.npy --temprature 2',
    "unknown option '--temprature'\n(Did you mean --temperature?)",
  ],
  ['softmax --quantum', "unknown option '--quantum'\n(--help"],
  ['trian', "unknown command 'trian'\n(Did you mean train?)"],
])('%s names what was probably meant, even where options are missing', async (words, message) => {
  const { code, stdout, stderr } = await softshard(words.split(' '));
  expect(stderr.startsWith(`softshard: ${message}`), stderr).toBe(true);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('help comes whatever else is wrong', async () => {
  const { code, stdout } = await softshard(['train', '--dta', 'x', '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Usage: softshard train/);
});

test.each([
  ['a missing file', ['info', '--model', `/${'no/such folder/'.repeat(8)}m.safetensors`], 1],
  [
    'an invalid value',
    ['train', '--data', 'x.csv', '--early-stopping', `metric ${'which is none '.repeat(8)}`],
    2,
  ],
])('%s: the message is whole in a pipe, and broken into lines on a terminal', async (_, args, wantedCode) => {
  const terminal = 'data:text/javascript,process.stderr.isTTY = true';
  const piped = await runNode([SOFTSHARD, ...args]);
  const shown = await runNode(['--import', terminal, SOFTSHARD, ...args]);
  expect([piped.code, shown.code]).toEqual([wantedCode, wantedCode]);
  const longest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));
  expect(longest(piped.stderr)).toBeGreaterThan(100);
  expect(longest(shown.stderr)).toBeLessThanOrEqual(80);
  expect(shown.stderr.replaceAll('\n  ', ' ')).toBe(piped.stderr);
});
