// From a CSV table with names of classes to a model, its metrics and its predictions.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Finished, softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();

describe('tables', () => {
  const flowers = join(folder, 'flowers.csv');
  const out = join(folder, 'flowers.safetensors');

  /** Two features that tell three kinds apart, in a table with a column of names to leave out. */
  function flowersCsv(rows: number, kinds: readonly string[]): string {
    const lines = Array.from({ length: rows }, (_, row) => {
      const kind = row % kinds.length;
      const [length, width] = [10 * kind + (row % 7) / 7, -5 * kind + (row % 5) / 5];
      return `plant ${row},${length},${width},${kinds[kind]}`;
    });
    return `id,length,width,kind\n${lines.join('\n')}\n`;
  }

  const COLUMNS = ['--label-column', 'kind', '--feature-columns', 'length,width'];

  let trained: Finished;
  beforeAll(async () => {
    writeFileSync(flowers, flowersCsv(150, ['setosa', 'virginica', '"a ""b"", c"']));
    trained = await softshard([
      'train',
      '--data',
      flowers,
      ...COLUMNS,
      '--scale',
      'standard',
      '--batch-size',
      'full',
      '--epochs',
      '50',
      '--learning-rate',
      '1',
      '--output',
      out,
      '--json',
      '--quiet',
    ]);
  });

  test('CSV with text labels: train, evaluate and predict know the classes by their names', async () => {
    expect(JSON.parse(trained.stdout)).toMatchObject({
      rows: 150,
      features: 2,
      classes: 3,
      classNames: ['a "b", c', 'setosa', 'virginica'],
      validationLoss: null,
      validationAccuracy: null,
    });
    const evaluated = await softshard(['evaluate', '--model', out, '--data', flowers, ...COLUMNS, '--json']);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ rows: 150, accuracy: 1, topK: 3 });
    const predicted = await softshard(['predict', '--model', out, '--data', flowers, ...COLUMNS]);
    expect(
      predicted.stdout
        .split('\n')
        .slice(0, 4)
        .map((line) => line.replace(/,[^,]*$/, '')),
    ).toEqual(['row,class,name', '0,1,setosa', '1,2,virginica', '2,0,"a ""b"", c"']);
  });

  test('labels that the model does not know end with the row and the classes', async () => {
    const other = join(folder, 'other.csv');
    writeFileSync(other, flowersCsv(6, ['setosa', 'iris']));
    const { code, stderr } = await softshard(['evaluate', '--model', out, '--data', other, ...COLUMNS]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^softshard: ERR_TARGET_RANGE: .*other\.csv: row 1 \(from 0\) has the label "iris".*setosa/,
    );
  });

  test('numbers as text labels are class indices where class names are given', async () => {
    const numbered = join(folder, 'numbered.csv');
    const names = join(folder, 'names.txt');
    const ofNumbers = join(folder, 'numbered.safetensors');
    writeFileSync(numbered, flowersCsv(30, ['0', '2', '1']));
    writeFileSync(names, 'zero\none\ntwo\n');
    const result = await softshard([
      'train',
      '--data',
      numbered,
      ...COLUMNS,
      '--class-names',
      names,
      '--epochs',
      '1',
      '--output',
      ofNumbers,
      '--json',
      '--quiet',
    ]);
    expect(JSON.parse(result.stdout).classNames).toEqual(['zero', 'one', 'two']);
    const evaluated = await softshard([
      'evaluate',
      '--model',
      ofNumbers,
      '--data',
      numbered,
      ...COLUMNS,
      '--json',
    ]);
    const { confusion } = JSON.parse(evaluated.stdout);
    expect(confusion.map((row: number[]) => row.reduce((sum, entry) => sum + entry, 0))).toEqual([
      10, 10, 10,
    ]);
  });
});
