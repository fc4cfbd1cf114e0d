// Tables as text and as Parquet: what is read back, in memory that does not grow, into files, pipes and gzip.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, it, test } from 'vitest';
import { type Files, shortestFloat, tableFormatOf, writeCsv, writeTable } from '#softshard/main/index.js';
import { failure, useFolder } from '../workbench.js';

const folder = useFolder();
const at = (name: string): string => join(folder.path, name);

const columns = [
  { name: 'id', type: 'string' },
  { name: 'class', type: 'int32' },
  { name: 'p(a, b)', type: 'float32' },
  { name: 'x', type: 'float64' },
] as const;
const records: Files.TableCell[][] = [
  ['007', 2, Math.fround(0.1), 1 / 3],
  ['say "so"', -1, Number.NaN, 1e300],
  [null, 0, 1, null],
];
const table: Files.Table = { columns, records };

async function parquetRows(path: string) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return parquetReadObjects({ file: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer });
}

describe('writeTable', () => {
  it('writes CSV and tabs with names above, no value as nothing, and float32 in its shortest decimals', async () => {
    const csv = 'id,class,"p(a, b)",x\n007,2,0.1,0.3333333333333333\n"say ""so""",-1,NaN,1e+300\n,0,1,\n';
    await writeTable(at('a.csv'), table);
    expect(readFileSync(at('a.csv'), 'utf8')).toBe(csv);
    await writeTable(at('a.TSV.gz'), table);
    const tsv = csv.replaceAll(',', '\t').replace('"p(a\t b)"', 'p(a, b)');
    expect(gunzipSync(readFileSync(at('a.TSV.gz'))).toString()).toBe(tsv);
  });

  it('writes JSON lines of the columns, or of objects that are given', async () => {
    await writeTable(at('a.jsonl'), table);
    expect(
      readFileSync(at('a.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { id: '007', class: 2, 'p(a, b)': 0.1, x: 1 / 3 },
      { id: 'say "so"', class: -1, 'p(a, b)': null, x: 1e300 },
      { id: null, class: 0, 'p(a, b)': 1, x: null },
    ]);
    await writeTable(at('b.ndjson.gz'), { ...table, objects: [{ a: [1, Number.NaN] }, {}] });
    expect(gunzipSync(readFileSync(at('b.ndjson.gz'))).toString()).toBe('{"a":[1,null]}\n{}\n');
  });

  it('writes Parquet, with types and no values', async () => {
    await writeTable(at('a.parquet'), table);
    expect(await parquetRows(at('a.parquet'))).toEqual(
      records.map((cells) => Object.fromEntries(columns.map(({ name }, i) => [name, cells[i]]))),
    );
  });

  it('writes rows as they come, several groups of them in Parquet', async () => {
    const rows = 300_000;
    async function* many() {
      for (let row = 0; row < rows; row++) yield [row, row % 7];
    }
    const two = ['row', 'class'].map((name) => ({ name, type: 'int32' }) as const);
    await writeTable(at('many.parquet'), { columns: two, records: many() });
    const read = await parquetRows(at('many.parquet'));
    expect(read.length).toBe(rows);
    expect(read.every((object, row) => object.row === row && object.class === row % 7)).toBe(true);
  });

  it('takes the format that it is told before the one that the name says', async () => {
    await writeTable(at('out'), { columns, records: [] }, { format: 'jsonl' });
    expect(readFileSync(at('out'), 'utf8')).toBe('');
    await writeTable(at('x.csv'), table, { format: 'parquet' });
    expect(readFileSync(at('x.csv')).subarray(0, 4).toString()).toBe('PAR1');
  });

  it('leaves the former file where the rows throw or the signal is aborted', async () => {
    for (const name of ['a.csv', 'a.csv.gz', 'a.jsonl', 'a.parquet']) {
      const controller = new AbortController();
      folder.file(name, 'before');
      const reason = new Error('no more');
      async function* failing() {
        yield records[0]!;
        throw reason;
      }
      await expect(writeTable(at(name), { columns, records: failing() })).rejects.toBe(reason);
      controller.abort(reason);
      const signal = controller.signal;
      await expect(writeTable(at(name), table, { signal })).rejects.toBe(reason);
      expect(readFileSync(at(name), 'utf8')).toBe('before');
    }
    expect(folder.names()).toEqual(['a.csv', 'a.csv.gz', 'a.jsonl', 'a.parquet']);
  });

  it('refuses names without a format, and tables that are none', async () => {
    await failure(writeTable(at('a.txt'), table), 'ERR_OPTION', 'a.txt', '.parquet', 'options.format');
    await failure(writeTable(at('a.parquet.gz'), table), 'ERR_OPTION', 'a.parquet.gz');
    await failure(
      writeTable(at('a.csv'), { columns } as unknown as Files.Table),
      'ERR_TYPE',
      'table.records is undefined',
    );
    const wrong = { columns: [{ name: 'a', type: 'bool' }], records } as unknown as Files.Table;
    await failure(writeTable(at('a.csv'), wrong), 'ERR_OPTION', "table.columns[0].type is 'bool'", 'int32');
    await failure(writeTable(at('a.csv'), table, { format: 'xls' as 'csv' }), 'ERR_OPTION', 'options.format');
    await failure(writeTable(at('no/a.csv'), table), 'ERR_FILE', 'a.csv');
    expect(folder.names()).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')('writes into pipes and devices, which stay', async () => {
    for (const name of ['p.csv', 'p.csv.gz', 'p.jsonl', 'p.parquet']) {
      execFileSync('mkfifo', [at(name)]);
      const file = at(`file-${name}`);
      const [content] = await Promise.all([readFile(at(name)), writeTable(at(name), table)]);
      await writeTable(file, table);
      expect(content.equals(readFileSync(file)), name).toBe(true);
      expect(statSync(at(name)).isFIFO()).toBe(true);
    }
    for (const format of ['csv', 'parquet'] as const) await writeTable('/dev/null', table, { format });
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });
});

test.each([
  ['a.csv', 'csv'],
  ['/x.y/a.CSV.GZ', 'csv'],
  ['a.ndjson', 'jsonl'],
  ['a.parquet', 'parquet'],
  ['a.parquet.gz', undefined],
  ['csv', undefined],
  ['a.csv/b', undefined],
])('tableFormatOf(%j) is %j', (name, format) => expect(tableFormatOf(name)).toBe(format));

test('writeCsv puts tabs into files named .tsv, other delimiters where asked, and quotes around them', async () => {
  const cells = [['a;b', 'c\td', 'e,f']];
  await writeCsv(at('a.tsv'), cells);
  expect(readFileSync(at('a.tsv'), 'utf8')).toBe('a;b\t"c\td"\te,f\n');
  await writeCsv(at('a.csv.gz'), cells, { delimiter: ';' });
  expect(gunzipSync(readFileSync(at('a.csv.gz'))).toString()).toBe('"a;b";c\td;e,f\n');
  await failure(writeCsv(at('b.csv'), cells, { delimiter: '"' }), 'ERR_OPTION', 'options.delimiter');
});

test('a gzip stream larger than its buffers arrives whole, and a write that fails ends it', async () => {
  function* rows() {
    for (let row = 0; row < 200_000; row++) yield [row, Math.sin(row)];
  }
  await writeCsv(at('big.csv.gz'), rows());
  expect(
    gunzipSync(readFileSync(at('big.csv.gz')))
      .toString()
      .split('\n').length,
  ).toBe(200_001);
  if (process.platform === 'linux') await failure(writeCsv('/dev/full', rows()), 'ERR_FILE', 'ENOSPC');
});

test('shortestFloat is the shortest decimal that reads back as the float32', () => {
  expect([0.1, 1 / 3, 16777217, 1e-45, Number.NaN].map((value) => shortestFloat(Math.fround(value)))).toEqual(
    [0.1, 0.33333334, 16777216, 1.4013e-45, Number.NaN],
  );
});
