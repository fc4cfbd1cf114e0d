import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeNpy } from '#softshard/main/index.js';
import { type Slice, softshard, temporaryFolder, writeSlice } from './workbench.js';

const folder = temporaryFolder();
const file = (name: string) => join(folder, name);
let slice: Slice;

beforeAll(async () => {
  slice = writeSlice(folder, 'slice', 0, 600);
  const data = Float32Array.from({ length: 30_000 * 10 }, (_, i) => Math.sin(i));
  await writeNpy(file('logits.npy'), { dims: [30_000, 10], data });
  await writeNpy(file('targets.npy'), { dims: [30_000], data: new Int32Array(30_000) });
});

const namesIn = (path: string): Set<string> => {
  const { traceEvents } = JSON.parse(readFileSync(path, 'utf8')) as { traceEvents: { name: string }[] };
  return new Set(traceEvents.map(({ name }) => name));
};

describe('--trace', () => {
  const rows = () => ['--data', slice.images, '--labels', slice.labels];
  const model = () => file('model.safetensors');

  test.each<[string, () => string[], string[]]>([
    [
      'train',
      () => ['train', ...rows(), '--epochs', '1', '--output', model()],
      ['training', 'gradient', 'barrier'],
    ],
    ['evaluate', () => ['evaluate', '--model', model(), ...rows()], ['predict']],
    ['sweep', () => ['sweep', ...rows(), '--C', '0.01,0.1', '--cv', '2'], ['training', 'barrier']],
    [
      'loss',
      () => ['loss', '--logits', file('logits.npy'), '--targets', file('targets.npy')],
      ['read rows', 'cross-entropy'],
    ],
    [
      'softmax',
      () => ['softmax', '--input', file('logits.npy'), '--output', file('p.npy')],
      ['read rows', 'softmax', 'write rows'],
    ],
  ])('of %s writes what the threads did', async (command, args, names) => {
    const path = file(`${command}.json`);
    const { code, stderr } = await softshard([...args(), '--threads', '2', '--trace', path]);
    expect(stderr).not.toContain('softshard:');
    expect(code).toBe(0);
    const found = namesIn(path);
    expect(names.filter((name) => !found.has(name))).toEqual([]);
  });

  test('is refused where it would replace an input or another output', async () => {
    const before = readFileSync(slice.images);
    const input = await softshard(['train', ...rows(), '--output', file('x'), '--trace', slice.images]);
    expect(input).toMatchObject({ code: 1, stderr: expect.stringContaining('would replace') });
    expect(readFileSync(slice.images).equals(before)).toBe(true);
    const output = await softshard(['train', ...rows(), '--output', file('x'), '--trace', file('x')]);
    expect(output).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--output and --trace both name'),
    });
    expect(existsSync(file('x'))).toBe(false);
  });

  test('is written by a command that fails while it computes', async () => {
    const path = file('failed.json');
    const args = [
      'loss',
      '--logits',
      file('logits.npy'),
      '--targets',
      file('logits.npy'),
      '--reduction',
      'none',
    ];
    await softshard([...args, '--losses', file('losses.npy'), '--trace', path]);
    expect(namesIn(path)).toContain('thread_name');
  });
});
