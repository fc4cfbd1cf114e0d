import { lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkOutput, writeCsv, writeNpy } from '#softshard/main/index.js';
import { writeModelFile } from '#softshard/main/models/model-file.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();

function link(name: string, target: string): string {
  const path = join(folder.path, name);
  symlinkSync(target, path);
  return path;
}

const isLink = (path: string): boolean => lstatSync(path).isSymbolicLink();

// Links need a permission on Windows.
describe.skipIf(process.platform === 'win32')('an output that is a link', () => {
  test('to a file yet to be made makes that file and stays, through chains and folders (R11)', async () => {
    mkdirSync(join(folder.path, 'sub'));
    const first = link('first', 'sub/second');
    const second = link('sub/second', '../third');
    const third = link('third', join(folder.path, 'sub', 'target'));
    await writeCsv(first, [['a']]);
    expect([first, second, third].map(isLink)).toEqual([true, true, true]);
    expect(readFileSync(join(folder.path, 'sub', 'target'), 'utf8')).toBe('a\n');
    // The second time there is a file.
    await writeCsv(first, [['b']]);
    expect([first, second, third].map(isLink)).toEqual([true, true, true]);
    expect(readFileSync(first, 'utf8')).toBe('b\n');
    expect(folder.names()).toEqual(['first', 'sub', 'third']);
  });

  test('is followed by every writer (R11)', async () => {
    await writeNpy(link('n', 'n.npy'), { dims: [1], data: Float32Array.of(1) });
    const model = { weights: new Float32Array(4), bias: new Float32Array(2), features: 2, classes: 2 };
    await writeModelFile(link('m', 'm.safetensors'), { ...model, softshardVersion: '0' });
    expect(folder.names()).toEqual(['m', 'm.safetensors', 'n', 'n.npy']);
    expect(['m', 'n'].map((name) => isLink(join(folder.path, name)))).toEqual([true, true]);
  });

  test('whose folder is a link leads to where the system goes (R11)', async () => {
    mkdirSync(join(folder.path, 'far', 'sub'), { recursive: true });
    link('near', 'far/sub');
    // far/x, not x: ".." is that of the folder which the link leads to.
    await writeCsv(`${folder.path}/near/../x`, [['a']]);
    await writeCsv(link('y', 'near/../z'), [['b']]);
    expect(readFileSync(join(folder.path, 'far', 'x'), 'utf8')).toBe('a\n');
    expect(readFileSync(join(folder.path, 'far', 'z'), 'utf8')).toBe('b\n');
  });

  test('in a loop, or into a folder that is not there, is ERR_FILE and stays (R11)', async () => {
    const one = link('one', 'two');
    const two = link('two', 'one');
    const error = await failure(writeCsv(one, [['a']]), 'ERR_FILE', one, 'ELOOP');
    expect(error.cause).toMatchObject({ code: 'ELOOP' });
    const lost = link('lost', 'none/a');
    const missing = join(folder.path, 'none');
    await failure(writeCsv(lost, [['a']]), 'ERR_FILE', lost, 'ENOENT', `does the folder ${missing} exist`);
    await failure(checkOutput(lost), 'ERR_FILE', missing);
    expect([one, two, lost].map((path) => readlinkSync(path))).toEqual(['two', 'one', 'none/a']);
    expect(folder.names()).toEqual(['lost', 'one', 'two']);
  });
});

test('checkOutput tells files that are there from those that are not, and leaves nothing', async () => {
  const path = join(folder.path, 'a');
  expect(await checkOutput(path)).toEqual({ kind: 'file', path, exists: false });
  expect(folder.names()).toEqual([]);
  folder.file('a', 'former');
  expect(await checkOutput(path)).toEqual({ kind: 'file', path, exists: true });
  expect(readFileSync(path, 'utf8')).toBe('former');
  expect(await checkOutput('/dev/stdout')).toMatchObject({ kind: 'descriptor', descriptor: 1 });
});

test.each([
  ['nothing', ''],
  ['a folder yet to be made', 'none/'],
  ['a file as a folder', 'a/'],
])('%s is no name for a file', async (_, name) => {
  const file = folder.file('a', 'former');
  const path = name !== '' ? join(folder.path, name) : name;
  await failure(writeCsv(path, [['x']]), 'ERR_FILE', 'cannot be written');
  expect(readFileSync(file, 'utf8')).toBe('former');
  expect(folder.names()).toEqual(['a']);
});
