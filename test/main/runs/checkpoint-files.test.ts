import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CheckpointFiles, type CheckpointNote } from '#softshard/main/runs/checkpoint-files.js';
import { splitNote, withNote } from '#softshard/main/runs/checkpoint-notes.js';
import { NO_METRICS } from '#softshard/main/runs/metrics-file.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();

/** A safetensors file of one byte. */
function stateOf(value: number): Uint8Array {
  const header = Buffer.from(
    JSON.stringify({
      __metadata__: { format: 'x', hash: 'ä' },
      a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
    }).padEnd(96),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.of(value)]);
}

const noteOf = (validationLoss: number | null): CheckpointNote => ({ metrics: NO_METRICS, validationLoss });
const names = (): string[] => readdirSync(join(folder.path, 'checkpoints')).sort();
const numbers = (): number[] => names().map((name) => Number(/\d+/.exec(name)));

test('a note is in the metadata, and the bytes without it are those of before', () => {
  const note = { text: 'ü'.repeat(13), list: [1, 2] };
  const bytes = withNote(stateOf(7), note);
  const { __metadata__, a } = JSON.parse(
    Buffer.from(bytes.subarray(8, 8 + Number(Buffer.from(bytes).readBigUInt64LE()))).toString(),
  );
  expect(__metadata__).toEqual({ format: 'x', hash: 'ä', run: JSON.stringify(note) });
  expect(a).toEqual({ dtype: 'U8', shape: [1], data_offsets: [0, 1] });
  expect(bytes.length % 8).toBe(1);
  const split = splitNote(bytes, 'name');
  expect(split.note).toEqual(note);
  expect(splitNote(withNote(split.bytes, {}), 'name').bytes).toEqual(split.bytes);
  expect(split.bytes.at(-1)).toBe(7);
});

test('every byte at which a file may be cut off is found', () => {
  const bytes = withNote(stateOf(7), {});
  const header = 8 + Number(Buffer.from(bytes).readBigUInt64LE());
  for (let length = 0; length < header; length++) {
    expect(() => splitNote(bytes.subarray(0, length), 'some.safetensors')).toThrow('some.safetensors');
  }
});

test('the last ones are kept, and the one of the lowest validation loss', async () => {
  const files = new CheckpointFiles(folder.path, 2);
  for (const loss of [0.9, 0.5, null, 0.7, 0.6]) await files.write(stateOf(1), noteOf(loss));
  expect(numbers()).toEqual([2, 4, 5]);
  // By another process, which has not seen the others.
  const later = new CheckpointFiles(folder.path, 1);
  expect(await later.latest(({ name }) => name, expect.fail)).toBe('checkpoint-000005.safetensors');
  await later.write(stateOf(1), noteOf(0.55));
  expect(numbers()).toEqual([2, 6]);
  await later.write(stateOf(1), noteOf(0.4));
  expect(numbers()).toEqual([7]);
});

test('where the newest is damaged, the one before is taken, with a word; where none is whole, nothing', async () => {
  const files = new CheckpointFiles(folder.path, 3);
  for (const value of [1, 2, 3]) await files.write(stateOf(value), noteOf(null));
  const path = (number: number) => join(folder.path, `checkpoints/checkpoint-00000${number}.safetensors`);
  writeFileSync(path(3), readFileSync(path(3)).subarray(0, 50));
  const told: string[] = [];
  const again = new CheckpointFiles(folder.path, 3);
  const stored = await again.latest(
    ({ bytes, name }) => [bytes.at(-1), name],
    (message) => told.push(message),
  );
  expect(stored).toEqual([2, 'checkpoint-000002.safetensors']);
  expect(told).toEqual([expect.stringContaining('checkpoint-000003.safetensors')]);
  const refuse = () => {
    throw new Error('of another version');
  };
  await failure(
    again.latest(refuse, () => {}),
    'ERR_FORMAT',
    'no checkpoint can be read',
    'remove the folder',
  );
  // The next one takes no name that is there.
  expect(await again.write(stateOf(4), noteOf(null))).toBe('checkpoint-000004.safetensors');
});

test('there may be none', async () => {
  expect(await new CheckpointFiles(folder.path, 2).latest(({ name }) => name, expect.fail)).toBeUndefined();
});

test('one that cannot be read just now is not passed over for the one before', async () => {
  const files = new CheckpointFiles(folder.path, 2);
  for (const value of [1, 2]) await files.write(stateOf(value), noteOf(null));
  const { readFile } = promises;
  const restore = () => {
    promises.readFile = readFile;
    syncBuiltinESMExports();
  };
  onTestFinished(restore);
  promises.readFile = (() =>
    Promise.reject(Object.assign(new Error('too many open files'), { code: 'EMFILE' }))) as typeof readFile;
  syncBuiltinESMExports();
  const latest = () => new CheckpointFiles(folder.path, 2).latest(({ bytes }) => bytes.at(-1), expect.fail);
  await failure(latest(), 'ERR_FILE', 'checkpoint-000002.safetensors: cannot be read: too many open files');
  restore();
  expect(await latest()).toBe(2);
});
