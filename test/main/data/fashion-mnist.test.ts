import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readLabels, readMatrix } from '#softshard/main/data/index.js';
import { CountingAllocator } from './workbench.js';

const exampleFile = (name: string): string =>
  fileURLToPath(new URL(`../../../examples/fashion-mnist/${name}`, import.meta.url));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

it('reads the bundled 10,000 images of 28 × 28 as [10000, 784], each pixel an integer with the known checksum', async () => {
  const { matrix, ...others } = await readMatrix(
    new CountingAllocator(),
    exampleFile('t10k-images-idx3-ubyte.gz'),
  );
  expect(matrix.dims).toEqual([10_000, 784]);
  expect(others).toEqual({ format: 'idx', elementType: 'uint8', featureDims: [28, 28] });
  const pixels = Uint8Array.from(matrix.data);
  const inexact = matrix.data.findIndex((value, index) => value !== pixels[index]);
  expect(inexact, `element ${inexact}: got ${matrix.data[inexact]}, expected an integer from 0 to 255`).toBe(
    -1,
  );
  // zcat t10k-images-idx3-ubyte.gz | tail -c +17 | sha256sum
  expect(sha256(pixels)).toBe('c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a');
});

it('reads the bundled labels: 1,000 of each of the 10 named classes', async () => {
  const { targets, classNames } = await readLabels(exampleFile('t10k-labels-idx1-ubyte.gz'));
  const counts = Array<number>(10).fill(0);
  for (const target of targets) counts[target]!++;
  expect(counts).toEqual(Array(10).fill(1000));
  expect(classNames).toBeUndefined();
  // zcat t10k-labels-idx1-ubyte.gz | tail -c +9 | sha256sum
  expect(sha256(Uint8Array.from(targets))).toBe(
    '3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9',
  );
  const names = readFileSync(exampleFile('class-names.txt'), 'utf8').trimEnd().split('\n');
  expect(new Set(names).size).toBe(10);
  expect(names[targets[0]!]).toBe('Ankle boot');
});
