// CSV files as other tools write them: columns by their names, and headers of numbers.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readModelFile } from '#softshard/main/index.js';
import { type Finished, softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const run = (...args: string[]) => softshard([...args, '--threads', '1'], { cwd: folder });
const train = (...args: string[]) => run('train', '--epochs', '40', '--learning-rate', '0.5', ...args);

async function result(
  finished: Promise<Finished>,
): Promise<{ json: Record<string, unknown>; stderr: string }> {
  const { code, stdout, stderr } = await finished;
  expect(code, stderr).toBe(0);
  return { json: JSON.parse(stdout), stderr };
}

async function failed(finished: Promise<Finished>, code: number, ...parts: (string | RegExp)[]) {
  const { stderr, ...end } = await finished;
  expect(end.code, stderr).toBe(code);
  for (const part of parts) expect(stderr).toMatch(part);
}

describe('columns of a model with feature names', () => {
  const evaluate = (...args: string[]) => run('evaluate', '--model', 'ab.model', '--json', ...args);

  beforeAll(async () => {
    write('train.csv', 'a,b,k\n0,3,x\n3,0,y\n0,2,x\n2,0,y\n');
    write('swapped.csv', 'b,a,k\n3,0,x\n0,3,y\n2,0,x\n0,2,y\n');
    write('more.csv', 'id,b,k,a\nq,3,x,0\nr,0,y,3\n');
    write('less.csv', 'b,k\n3,x\n0,y\n');
    write('twice.csv', 'b,a,k,a\n3,0,x,0\n0,3,y,0\n');
    write('nameless.csv', '0,3,x\n3,0,y\n');
    const swapped = ['--validation-data', 'swapped.csv'];
    const trained = await train(
      '--data',
      'train.csv',
      '--label-column',
      'k',
      ...swapped,
      '--output',
      'ab.model',
      '--json',
    );
    expect(JSON.parse(trained.stdout)).toMatchObject({ features: 2, validationAccuracy: 1 });
  });

  test('are found by name in validation, evaluate and predict, in any order (F2)', async () => {
    const swapped = await result(evaluate('--data', 'swapped.csv', '--label-column', 'k'));
    expect(swapped).toMatchObject({ json: { accuracy: 1 }, stderr: '' });
    const more = await result(evaluate('--data', 'more.csv', '--label-column', 'k'));
    expect(more.json.accuracy).toBe(1);
    expect(more.stderr).toBe('more.csv: 1 column that the model does not know is left out: "id"\n');
    const predicted = await run('predict', '--model', 'ab.model', '--data', 'more.csv');
    expect(predicted.stdout.split('\n').map((line) => line.split(',')[2])).toEqual([
      'name',
      'x',
      'y',
      undefined,
    ]);
    expect(predicted.stderr).toBe('more.csv: 1 column that the model does not know is left out: "id"\n');
  });

  test('are kept in the model, and info shows them (F2)', async () => {
    expect((await readModelFile(join(folder, 'ab.model'))).featureNames).toEqual(['a', 'b']);
    const { stdout } = await softshard(['info', '--model', 'ab.model'], { cwd: folder });
    expect(stdout).toMatch(/^features +2: a, b$/m);
  });

  test('end with both lists where one is missing or found twice (F2)', async () => {
    const remedy = /Name the columns as in the training data, or .* --features\.$/m;
    const missing = /^softshard: ERR_FORMAT: less\.csv: line 1: .*"a", "b", found "b".*"a" is missing\./m;
    await failed(evaluate('--data', 'less.csv', '--label-column', 'k'), 1, missing, remedy);
    await failed(
      run('predict', '--model', 'ab.model', '--data', 'less.csv'),
      1,
      /less\.csv: line 1: .*"a" is missing/,
    );
    await failed(
      evaluate('--data', 'twice.csv', '--label-column', 'k'),
      1,
      /one column "a", found it as columns 2 and 4/,
    );
  });

  test('go by place without names, and as they are asked for with --feature-columns (F2)', async () => {
    const nameless = await result(evaluate('--data', 'nameless.csv', '--label-column', '2'));
    expect(nameless).toMatchObject({ json: { accuracy: 1 }, stderr: '' });
    const args = ['--data', 'swapped.csv', '--label-column', 'k', '--feature-columns', 'b,a'];
    expect((await result(evaluate(...args))).json.accuracy).toBe(0);
  });

  test('are not kept where two have one name, which is said (F2)', async () => {
    const args = ['--data', 'twice.csv', '--label-column', 'k', '--output', 'twice.model'];
    const { stderr } = await train(...args, '--quiet');
    expect(stderr).toMatch(/^twice\.csv: two features are called "a", so the model keeps no names/m);
    expect((await readModelFile(join(folder, 'twice.model'))).featureNames).toBeUndefined();
  });

  test('that are words above the data and numbers above the test rows go by place, which is said (F2)', async () => {
    write('counted.csv', '0,1,k\n0,3,x\n3,0,y\n');
    const { json, stderr } = await result(evaluate('--data', 'counted.csv', '--label-column', 'k'));
    expect(json.accuracy).toBe(1);
    expect(stderr).toMatch(
      /^counted\.csv: its columns are taken by place, since the names of one side only count/,
    );
  });
});

describe('files with the header of numbers that pandas writes', () => {
  beforeAll(() => {
    write('X.csv', '0,1\n0.5,3\n2.5,1\n1.5,0\n');
    write('y.csv', '0\n0\n1\n1\n');
    write('words.csv', '0\nred\nblue\nblue\n');
    write('labels.txt', '0\n1\n1\n');
  });

  const rowsOf = async (...args: string[]) => {
    const { json, stderr } = await result(train(...args, '--output', 'm.model', '--json'));
    return [json.rows, stderr.split('\n').filter((line) => /line 1/.test(line))];
  };
  const NAMES = 'X.csv: line 1 (0, 1) is taken for names, not for a row; --no-header takes it for one';

  test('have as many rows as lie below it, in data and labels, and it is said (F3)', async () => {
    expect(await rowsOf('--data', 'X.csv', '--labels', 'y.csv')).toEqual([
      3,
      [
        'y.csv: line 1, "0", is taken for a name, since there is one label more than rows; --no-header takes it for a label',
        NAMES,
      ],
    ]);
    expect(await rowsOf('--data', 'X.csv', '--labels', 'labels.txt')).toEqual([3, [NAMES]]);
    expect(await rowsOf('--data', 'X.csv', '--labels', 'words.csv')).toEqual([3, [NAMES]]);
  });

  test('are read as --header and --no-header say (F3)', async () => {
    expect(await rowsOf('--data', 'X.csv', '--labels', 'y.csv', '--no-header')).toEqual([4, []]);
    expect(await rowsOf('--data', 'X.csv', '--labels', 'y.csv', '--header')).toEqual([3, []]);
    const unequal = train('--data', 'X.csv', '--labels', 'labels.txt', '--no-header');
    await failed(
      unequal,
      1,
      /ERR_SHAPE: labels\.txt has 3 labels for the 4 rows of X\.csv: .*one for each row\. If line 1 of X\.csv holds names, pass --header$/m,
    );
    const named = train('--data', 'ab.csv', '--label-column', 'k', '--no-header');
    write('ab.csv', 'a,k\n1,x\n2,y\n');
    await failed(named, 2, /--no-header leaves columns without names.*or pass --header\./);
  });

  test('are rows where the labels say so: one column, or zeros and ones (F3)', async () => {
    write('one.csv', '0\n0.5\n1.5\n2.5\n');
    write('four.txt', 'b\na\nb\na\n');
    write('three.txt', 'a\nb\na\n');
    write('xor.csv', '0,1\n1,1\n1,0\n0,0\n');
    expect(await rowsOf('--data', 'one.csv', '--labels', 'four.txt')).toEqual([4, []]);
    expect(await rowsOf('--data', 'xor.csv', '--labels', 'four.txt')).toEqual([4, []]);
    const said = /^one\.csv: line 1 is taken for names .* as many rows as labels$/;
    expect(await rowsOf('--data', 'one.csv', '--labels', 'three.txt')).toEqual([
      3,
      [expect.stringMatching(said)],
    ]);
    write('rows.csv', '0,1\n0.5,3\n2.5,1\n1.5,0\n');
    const asRow =
      'rows.csv: line 1 is taken for a row (--header: for names), since then there are as many rows as labels';
    expect(await rowsOf('--data', 'rows.csv', '--labels', 'four.txt')).toEqual([4, [asRow]]);
  });

  test('are guessed where nothing tells, which is said, also by predict (F3)', async () => {
    const row = 'is taken for a row, though it counts from 0 as names may; --header takes it for names';
    write('bits.csv', '0,1\n1,1\n1,0\n0,0\n');
    expect(await rowsOf('--data', 'bits.csv', '--labels', 'y.csv')).toEqual([4, [`bits.csv: line 1 ${row}`]]);
    const table = await rowsOf('--data', 'X.csv', '--label-column', '-1');
    expect(table).toEqual([
      3,
      ['X.csv: line 1 (0) is taken for names, not for a row; --no-header takes it for one'],
    ]);
    const args = ['--data', 'X.csv', '--labels', 'y.csv', '--output', 'x.model'];
    expect((await train(...args)).code).toBe(0);
    const predicted = await run('predict', '--model', 'x.model', '--data', 'X.csv');
    expect(predicted.stdout.trim().split('\n')).toHaveLength(4);
    expect(predicted.stderr).toBe(`${NAMES}\n`);
  });

  test('keep their order by number when a model reads them by name (F2, F3)', async () => {
    write('three.csv', '0,1,2,target\n0,3,9,x\n3,0,9,y\n0,2,9,x\n2,0,9,y\n');
    write('turned.csv', '2,1,0\n9,3,0\n9,0,3\n');
    const args = [
      '--data',
      'three.csv',
      '--label-column',
      'target',
      '--feature-columns',
      '0,1,2',
      '--output',
      '3.model',
    ];
    expect((await train(...args)).code).toBe(0);
    const { stdout, stderr } = await run('predict', '--model', '3.model', '--data', 'turned.csv');
    expect(stdout.match(/[xy](?=,)/g)).toEqual(['x', 'y']);
    expect(stderr).toMatch(/^turned\.csv: line 1 \(0, 1, 2\) is taken for names/);
  });

  test('of years, say, are rows, but a label of line 1 that no other row has is told (F3)', async () => {
    write('years.csv', '2019,2020,kind\n1,2,a\n3,4,b\n1,3,a\n3,5,b\n');
    const [rows, notes] = await rowsOf('--data', 'years.csv', '--label-column', '-1');
    expect(rows).toBe(5);
    expect(notes).toEqual([
      'years.csv: line 1 is taken for a row, though no other has its label, "kind"; --header takes it for names',
    ]);
    expect(await rowsOf('--data', 'years.csv', '--label-column', '-1', '--header')).toEqual([4, []]);
  });

  test('with row numbers: the first column has no name and is left out, which is said (F3)', async () => {
    write('index.csv', ',0,1,kind\n0,5.1,3.5,setosa\n1,7,3.2,virginica\n2,5,3.4,setosa\n');
    const [rows] = await rowsOf('--data', 'index.csv', '--label-column', 'kind');
    expect(rows).toBe(3);
    const { stderr } = await train('--data', 'index.csv', '--label-column', 'kind', '--output', 'i.model');
    expect(stderr).toContain('index.csv: 1 column of text or row numbers is left out: one without a name\n');
    expect((await readModelFile(join(folder, 'i.model'))).features).toBe(2);
    const predicted = await run(
      'predict',
      '--model',
      'i.model',
      '--data',
      'index.csv',
      '--label-column',
      'kind',
    );
    expect(predicted).toMatchObject({ code: 0 });
    const chosen = ['--label-column', 'kind', '--feature-columns', '0,1,2', '--output', 'chosen.model'];
    await result(train('--data', 'index.csv', '--json', ...chosen));
    expect((await readModelFile(join(folder, 'chosen.model'))).features).toBe(3);
  });
});

describe('labels of one more than rows', () => {
  beforeAll(() => {
    write('rows.txt', '1.0e+00 2.0e+00\n3.0e+00 4.0e+00\n5.0e+00 4.0e+00\n');
    write('named.txt', 'species\nsetosa\nvirginica\nsetosa\n');
    write('surplus.txt', 'setosa\nsetosa\nvirginica\nsetosa\n');
    write('numbers.txt', '7\n1\n1\n2\n');
  });

  const trainOn = (labels: string, ...args: string[]) =>
    train(
      '--data',
      'rows.txt',
      '--delimiter',
      ' ',
      '--labels',
      labels,
      '--output',
      'l.model',
      '--json',
      ...args,
    );

  test('have a name in line 1 where no other row has it (F18)', async () => {
    const { json, stderr } = await result(trainOn('named.txt'));
    expect(json).toMatchObject({ rows: 3, classNames: ['setosa', 'virginica'] });
    expect(stderr).toMatch(
      /^named\.txt: line 1, "species", is taken for a name, since there is one label more/,
    );
    await failed(trainOn('named.txt', '--no-header'), 1, /has 4 labels for the 3 rows/);
  });

  test('else end with a hint: at --header, unless that would take a row of the data too (F18)', async () => {
    const hint = (first: string, remedy: string) =>
      new RegExp(`4 labels for the 3 rows .*line 1 of .*, "${first}", is a name, ${remedy}$`, 'm');
    await failed(trainOn('surplus.txt'), 1, hint('setosa', 'take it out'));
    write('named.csv', 'a\n1.5\n2.5\n3.5\n');
    const args = ['--data', 'named.csv', '--labels', 'numbers.txt', '--output', 'l.model', '--json'];
    await failed(train(...args), 1, hint('7', 'pass --header'));
    expect((await result(train(...args, '--header'))).json).toMatchObject({
      rows: 3,
      classNames: ['1', '2'],
    });
  });

  test('rows separated by blanks get a hint at the delimiter (F17)', async () => {
    const args = ['--data', 'rows.txt', '--labels', 'named.txt'];
    await failed(train(...args), 1, /rows\.txt: line 1, .*separated by " ", pass --delimiter " "\.$/m);
  });
});

test('an iris table as pandas writes it goes through train, evaluate and predict', async () => {
  const kinds = ['setosa', 'versicolor', 'virginica'];
  const rows = Array.from({ length: 60 }, (_, row) => {
    const kind = row % 3;
    const noise = ((row * 7) % 10) / 50;
    return [5 + kind + noise, 3.4 - kind / 4 - noise, 1.4 + 2 * kind + noise, 0.2 + 0.8 * kind + noise].map(
      (value) => value.toFixed(1),
    );
  });
  const names = ['sepal length (cm)', 'sepal width (cm)', 'petal length (cm)', 'petal width (cm)'];
  write(
    'iris.csv',
    `${[...names, 'species'].join()}\n${rows.map((row, i) => `${row},${kinds[i % 3]}\n`).join('')}`,
  );
  const turned = rows.map((row) => [row[3], row[0], row[2], row[1]]);
  const turnedNames = [names[3], names[0], names[2], names[1]];
  write(
    'turned.csv',
    `${['species', ...turnedNames]}\n${turned.map((row, i) => `${kinds[i % 3]},${row}\n`).join('')}`,
  );
  const args = [
    '--data',
    'iris.csv',
    '--label-column',
    'species',
    '--scale',
    'standard',
    '--output',
    'iris.model',
  ];
  expect((await result(train(...args, '--json'))).json).toMatchObject({ rows: 60, features: 4, classes: 3 });
  const model = ['--model', 'iris.model'];
  const same = await result(
    run('evaluate', ...model, '--data', 'iris.csv', '--label-column', 'species', '--json'),
  );
  const other = await result(
    run('evaluate', ...model, '--data', 'turned.csv', '--label-column', 'species', '--json'),
  );
  expect(same.json.accuracy).toBeGreaterThan(0.9);
  expect(other.json).toMatchObject({ loss: same.json.loss, accuracy: same.json.accuracy });
  for (const data of ['iris.csv', 'turned.csv']) {
    expect((await run('predict', ...model, '--data', data, '--output', `${data}.out.csv`)).code).toBe(0);
  }
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  expect(read('turned.csv.out.csv')).toBe(read('iris.csv.out.csv'));
});

test('--exclude leaves columns out of all the others', async () => {
  write('texts.csv', 'id,name,a,b,k\n1,ann,0,3,x\n2,bob,3,0,y\n3,cy,0,2,x\n4,dan,2,0,y\n');
  const given = ['--data', 'texts.csv', '--label', 'k', '--exclude'];
  const { json, stderr } = await result(train(...given, 'id,name', '--output', 'excluded.model', '--json'));
  expect(json.features).toBe(2);
  expect(stderr).not.toContain('left out');
  expect((await readModelFile(join(folder, 'excluded.model'))).featureNames).toEqual(['a', 'b']);
  const repeated = train(...given, 'id', '--exclude', 'name,b', '--output', 'twice.model', '--json');
  expect((await result(repeated)).json.features).toBe(1);
  await failed(
    train(...given, 'nam'),
    2,
    /--exclude: expected a column of texts\.csv, got "nam" \(did you mean "name"\?\)\. Its/,
  );
  await failed(train(...given, 'id', '--features', 'a'), 2, /--exclude.* cannot be used with .*--features/);
});

test('words that may stand for a missing label are classes, which is said', async () => {
  write('gaps.csv', 'a,k\n0,x\n3,NA\n1,x\n2,NA\n');
  const { stderr } = await result(
    train('--data', 'gaps.csv', '--label', 'k', '--json', '--output', 'gaps.model'),
  );
  expect(stderr).toContain('gaps.csv: "NA" is a class like any other: leave those rows out if');
});

test('tables of spreadsheets in Europe need --decimal, which the message says', async () => {
  write('de.csv', 'Breite;Länge;neu;Art\n0,2;1,4;True;a\n1,8;5,6;False;b\n0,3;1,5;True;a\n1,9;5,1;False;b\n');
  const given = ['--data', 'de.csv', '--label', 'Art', '--json', '--output', 'de.model'];
  await failed(train(...given), 1, /column 1 \("Breite"\).*found "0,2".*pass --decimal ","/);
  const { json } = await result(train(...given, '--decimal', ','));
  expect(json.features).toBe(3);
  const evaluated = await result(
    run('evaluate', '--model', 'de.model', '--data', 'de.csv', '--decimal', ',', '--json'),
  );
  expect(evaluated.json.rows).toBe(4);
});

test('columns of text are left out of CSV and named, but for one with a number among its first rows', async () => {
  write('named.csv', 'name,city,a,k\nann,x,0,x\nbob,y,3,y\ncy,x,1,x\ndan,z,2,y\n');
  write('typo.csv', 'b,a,k\n1,0,x\nbob,3,y\n2,1,x\n4,2,y\n');
  const given = ['--label', 'k', '--json', '--output', 'named.model'];
  const { json, stderr } = await result(train('--data', 'named.csv', ...given));
  expect(json.features).toBe(1);
  expect(stderr).toContain('named.csv: 2 columns of text or row numbers are left out: "name", "city"\n');
  await failed(
    train('--data', 'typo.csv', '--label', 'k'),
    1,
    /line 3, column 1 \("b"\).*found "bob".*other text left out with --exclude\.\n$/,
  );
});
