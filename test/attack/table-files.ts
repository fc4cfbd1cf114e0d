// Files of named columns as pyarrow writes them, in the parts that mutations go for.
import { readdirSync, readFileSync } from 'node:fs';
import type { Files } from '#softshard/main/index.js';
import { ROOT } from './project.js';
import type { Random } from './random.js';

const FOLDER = new URL('test/fixtures/tables/', ROOT);

const named = (end: RegExp): readonly Buffer[] =>
  readdirSync(FOLDER)
    .filter((name) => end.test(name))
    .sort()
    .map((name) => readFileSync(new URL(name, FOLDER)));

const files = {
  parquet: named(/\.parquet$/),
  arrow: named(/\.(?:arrows?|feather)$/).filter((bytes) => !bytes.subarray(0, 4).equals(Buffer.from('FEA1'))),
  jsonl: named(/\.jsonl$/),
};
export type TableFormat = keyof typeof files;

export interface TableParts {
  readonly header: Buffer;
  readonly body: Buffer;
  readonly options: Files.CsvOptions;
  assemble(header: Buffer, body: Buffer): Buffer;
}

const joined = (...parts: Buffer[]): Buffer => Buffer.concat(parts);

export function tableParts(random: Random, format: TableFormat): TableParts {
  const bytes = random.of(files[format]);
  const options = optionsOf(random);
  if (format === 'parquet') {
    const begin = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
    return {
      options,
      header: bytes.subarray(begin, -8),
      body: bytes.subarray(4, begin),
      assemble: (header, body) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(header.length);
        return Buffer.concat([Buffer.from('PAR1'), body, header, length, Buffer.from('PAR1')]);
      },
    };
  }
  // The schema, and the first line.
  const end = format === 'arrow' ? 600 : bytes.indexOf('\n') + 1;
  return { options, header: bytes.subarray(0, end), body: bytes.subarray(end), assemble: joined };
}

const COLUMNS = ['embedding', 'price', 'small', 'flag', 'big', 'code', 'embedding:float16'];

const optionsOf = (random: Random): Files.CsvOptions => ({
  ...random.some({ labelColumn: random.of(['genre', 'code', 'style', 0, -1]) }, 0.5),
  ...random.some({ featureColumns: [random.of(COLUMNS)] }, 0.4),
  ...random.some({ missingCells: 'nan' as const }, 0.3),
});
