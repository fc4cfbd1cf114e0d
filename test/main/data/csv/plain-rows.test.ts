// Rows straight from bytes and rows by way of csv-parse: the same results and the same errors.
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '#softshard/main/data/csv/csv-records.js';
import { type CsvOptions, readCsv, readLabels } from '#softshard/main/data/index.js';
import { hostMemory, SoftshardError } from '#softshard/main/index.js';
import { useFolder } from '../workbench.js';

const folder = useFolder();

/** The delimiter of rows that are never plain: csv-parse takes all of them. */
const HARD = '\u0001';

async function outcome(read: () => Promise<object>): Promise<unknown> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof SoftshardError)) throw error;
    const { code, message, row, value } = error;
    return { code, row, value, message: message.replaceAll('"\\u0001"', '","') };
  }
}

interface Table {
  readonly rows: readonly (readonly string[])[];
  /** Of each line but the last, and of that one where it has one. */
  readonly end: string;
  readonly isEnded: boolean;
}

/** Cells hold no delimiter, but in quotes. */
const textOf = ({ rows, end, isEnded }: Table, delimiter: string): string =>
  rows.map((cells) => cells.join(delimiter)).join(end) + (isEnded ? end : '');

/** What both readers give for a table. */
async function outcomes(table: Table, delimiter: string, options: CsvOptions): Promise<unknown[]> {
  const path = folder.file('table.csv', textOf(table, delimiter));
  const own = { ...options, delimiter };
  return [
    await outcome(async () => {
      const { matrix, ...content } = await readCsv(hostMemory, path, own);
      return { ...content, dims: matrix.dims, bits: new Uint32Array(matrix.data.slice().buffer) };
    }),
    await outcome(() => readLabels(path, own)),
  ];
}

async function expectSame(table: Table, options: CsvOptions): Promise<unknown[]> {
  const plain = await outcomes(table, ',', options);
  expect(plain, JSON.stringify([textOf(table, ','), options])).toEqual(await outcomes(table, HARD, options));
  return plain;
}

const number = fc.oneof(
  fc
    .float({ noNaN: true, noDefaultInfinity: true })
    .map((value) => (Object.is(value, -0) ? '-0' : `${value}`)),
  fc.integer({ min: -300, max: 300 }).map(String),
  fc.constantFrom('+1', '.5', '5.', '1e5', '1E+05', ' 7', '8\t', '"9"', '1e-45', '16777217', '0e99', '1e22'),
);
const odd = fc.constantFrom(
  ...['', 'nan', 'NA', '-inf', 'x', '"a"', '"a,b"', '"a ""b"""', '"two\nlines"', '"two\r\nlines"', ' "q" '],
  ...[
    '"q"x',
    '5"',
    '1 2',
    '\u00a0',
    '\u00a03',
    'é',
    '"\u00a0q"',
    'é\u2003',
    '0x10',
    '--1',
    '1e',
    '.',
    '1e39',
    '\v1',
  ],
);
const label = fc.constantFrom(
  'setosa',
  'é',
  ' pad ',
  '"x, y"',
  '"say ""hi"""',
  '2',
  '10',
  '1.0',
  'b'.repeat(70),
);

/** Three columns, the last of labels; `oddities` of 1000 cells are neither. */
const tables = (oddities: number): fc.Arbitrary<Table> => {
  const cell = (usual: fc.Arbitrary<string>) =>
    fc.oneof({ arbitrary: usual, weight: 1000 - oddities }, { arbitrary: odd, weight: oddities });
  const row = fc.tuple(cell(number), cell(number), cell(label)).map((cells): string[] => [...cells]);
  const gap = fc.constantFrom([''], ['  '], ['\t'], ['\u00a0'], ['1', '2'], ['1', '2', 'b', '3']);
  const rows = fc.array(
    fc.oneof({ arbitrary: row, weight: 1000 - oddities }, { arbitrary: gap, weight: oddities }),
    {
      maxLength: 12,
    },
  );
  const header = fc.constantFrom<string[][]>([], [['a', 'b', 'k']], [['0', '1', '2']], [['', '0', 'k']]);
  return fc.record({
    rows: fc.tuple(header, rows).map(([first, others]) => [...first, ...others]),
    end: fc.constantFrom('\n', '\r\n', '\r', '\n \n'),
    isEnded: fc.boolean(),
  });
};

const options = fc.record(
  {
    labelColumn: fc.constantFrom(2, 0, -1),
    featureColumns: fc.constantFrom([1, 0], [0, 0, 1], [0, 2]),
    header: fc.boolean(),
    missingCells: fc.constant('nan' as const),
    skipLabels: fc.constant(true),
    numericLabels: fc.constant('any' as const),
  },
  { requiredKeys: [] },
);

describe('plain rows and csv-parse give the same', () => {
  it.each([
    ['of tables that are plain', 0],
    ['of tables with odd cells', 30],
    ['of tables that are mostly odd', 500],
  ])('%s', async (_, oddities) => {
    let accepted = 0;
    const property = fc.asyncProperty(tables(oddities), options, async (table, options) => {
      const [matrix] = await expectSame(table, options);
      if (!Object.hasOwn(matrix as object, 'code')) accepted++;
    });
    await fc.assert(property, { numRuns: 300 });
    expect(accepted, 'tables that are read').toBeGreaterThan(oddities > 100 ? 0 : 50);
  });

  it.each(['\n', '\r\n'])(
    'wherever the first block of a file ends, with lines that end with %j',
    async (end) => {
      const tail = [
        ...[
          ['1.5', '-2e3', 'setosa'],
          ['3', '"4"', '"x, y"'],
          [''],
          ['5', '6', '"two\nlines"'],
          ['  '],
          ['7', '8', 'é'],
        ],
        ...[
          ['9', '10', '"say ""hi"""'],
          ['1e-45', '0.1', 'b'],
        ],
      ];
      const tailText = textOf({ rows: tail, end, isEnded: false }, ',');
      const expected = await readCsv(hostMemory, folder.file('tail.csv', tailText), { labelColumn: 2 });
      const line = `0.5,0.25,b${end}`;
      for (let shift = 0; shift <= tailText.length; shift++) {
        const length = BLOCK_BYTES - shift;
        const header = 'a,b,k'.padEnd(5 + ((length - 5 - end.length) % line.length), 'k') + end;
        const text = header + line.repeat((length - header.length) / line.length) + tailText;
        const path = folder.file('whole.csv', text);
        const { matrix, targets, classNames } = await readCsv(hostMemory, path, { labelColumn: 2 });
        const rows = expected.matrix.dims[0];
        expect(matrix.data.slice(-2 * rows), `${shift} bytes before`).toEqual(expected.matrix.data.slice());
        expect([classNames, targets?.slice(-rows)]).toEqual([expected.classNames, expected.targets]);
      }
    },
  );

  it('for rows that are longer than a block, gzipped or not', async () => {
    const width = 70_000;
    const rows = [1, 2, 3].map((row) => Array.from({ length: width }, (_, column) => `${row}.${column}`));
    const text = textOf({ rows, end: '\n', isEnded: false }, ',');
    const expected = Float32Array.from(rows.flat(), Number);
    for (const content of [text, gzipSync(text)]) {
      const { matrix } = await readCsv(hostMemory, folder.file('wide.csv', content));
      expect(matrix.dims).toEqual([3, width]);
      expect(Buffer.compare(Buffer.from(matrix.data.slice().buffer), Buffer.from(expected.buffer))).toBe(0);
    }
  });
});
