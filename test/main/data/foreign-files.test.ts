// Other files in place of data: each is told by what it is.
import { expect, it } from 'vitest';
import {
  readCsv,
  readIdxLabels,
  readIdxMatrix,
  readLabels,
  readMatrix,
  readNpyLabels,
  readNpyMatrix,
} from '#softshard/main/data/index.js';
import { readModelFile } from '#softshard/main/models/model-file.js';
import { failure, useAllocator, useFolder } from './workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const latin1 = (text: string) => Buffer.from(text, 'latin1');

const files: [what: string, content: Buffer][] = [
  ['a web page (HTML)', Buffer.from('<!DOCTYPE html><html>404</html>')],
  ['a web page (HTML)', Buffer.from('\uFEFF\n  <HTML lang="en">\n<p>Not found</p></HTML>')],
  ['XML', Buffer.from('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')],
  [
    'a pointer of Git LFS',
    Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'),
  ],
  ['JSON', Buffer.from('{\n  "message": "Not Found"\n}\n')],
  ['JSON', Buffer.from('[\n  [1, 2],\n  [3, 4]\n]\n')],
  ['a zip archive', latin1('PK\x03\x04\x14\x00\x00\x00\x08\x00[Content_Types].xml')],
  ['encrypted Parquet', latin1('PARE\x15\x04\x15\x00\x15\x00')],
  ['Feather of version 1', latin1('FEA1\x00\x00\x00\x00\x00\x00')],
  ['HDF5', latin1('\x89HDF\r\n\x1a\n\x00\x00')],
  ['a MATLAB file', latin1('MATLAB 5.0 MAT-file, Platform: GLNXA64\x00')],
  ['a Python pickle', latin1('\x80\x04\x95\x10\x00\x00\x00\x00\x00')],
  ['an SQLite database', latin1('SQLite format 3\x00\x10\x00')],
  ['a PNG image', latin1('\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR')],
  ['a JPEG image', latin1('\xff\xd8\xff\xe0\x00\x10JFIF')],
  ['a PDF document', latin1('%PDF-1.7\n%\xe2\xe3\xcf\xd3')],
  ['xz', latin1('\xfd7zXZ\x00\x00\x04')],
  ['bzip2', latin1('BZh91AY&SY\x00\x01')],
  ['UTF-16 text', Buffer.from('\uFEFF1,2\n', 'utf16le')],
];

it.each(files)('%s is refused by that name, by every reader (F13)', async (what, content) => {
  const path = folder.file('data', content);
  for (const read of [
    () => readMatrix(allocator, path),
    () => readLabels(path),
    () => readCsv(allocator, path),
    () => readIdxMatrix(allocator, path),
    () => readIdxLabels(path),
    () => readNpyMatrix(allocator, path),
    () => readNpyLabels(path),
  ]) {
    const error = await failure(read(), 'ERR_FORMAT', path, `found ${what}`);
    expect(error.message).toMatch(/\. [A-Z].*\.$/);
  }
  expect(allocator.allocated).toBe(0);
});

it.each([
  ['a web page (HTML)', Buffer.from('<!DOCTYPE html><html>404</html>'), 'fetch the file again'],
  ['a pointer of Git LFS', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), 'git lfs pull'],
  ['a .npy file', latin1('\x93NUMPY\x01\x00\x76\x00{}'), 'model file written by softshard'],
])('%s in place of a model is refused by that name (F13)', async (what, content, remedy) => {
  const path = folder.file('model.safetensors', content);
  await failure(readModelFile(path), 'ERR_FORMAT', path, `expected a model file, found ${what}`, remedy);
});

it.each([
  'ORC',
  'PAR1',
  'ORChid',
  'RIFF',
  '<unk>',
  '<pad>',
  '[unk]',
  '{x}',
  'version 2',
  'GIF8',
  'PK',
  '%PDF',
])('the word %s begins text like any other', async (word) => {
  const path = folder.file('labels.txt', `${word}\nb\n${word}\n`);
  const { classNames } = await readLabels(path);
  expect(new Set(classNames)).toEqual(new Set([word, 'b']));
});
