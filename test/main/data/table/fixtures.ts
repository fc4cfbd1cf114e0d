// Files that pyarrow and pandas wrote (test/fixtures/tables/make.py), and what they hold.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hostMemory, readCsv, readLabels, readMatrix } from '#softshard/main/index.js';

const FOLDER = fileURLToPath(new URL('../../../fixtures/tables/', import.meta.url));

export const fixture = (name: string): string => `${FOLDER}${name}`;
export const fixtureBytes = (name: string): Buffer => readFileSync(fixture(name));
export const fixtureNames = (end: RegExp): string[] =>
  readdirSync(FOLDER)
    .filter((name) => end.test(name))
    .sort();

/** The vectors of the column "embedding": [60 × 8]. */
export const vectors = (await readMatrix(hostMemory, fixture('x.npy'))).matrix.data;
/** The column "genre". */
export const genres = await readLabels(fixture('labels.txt'));
/** The columns "price", "small", "flag" and "big": [60 × 4]. */
export const numbers = (await readCsv(hostMemory, fixture('numbers.csv'), { labelColumn: 'genre' })).matrix
  .data;
/** The column "code", of the numbers 7, 9 and 10. */
export const codes = (await readLabels(fixture('code.npy'))).targets;

export const ROWS = 60;
export const WIDTH = 8;
