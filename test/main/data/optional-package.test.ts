import { expect, test } from 'vitest';
import { loadOptional } from '#softshard/main/data/optional-package.js';
import { failure } from './workbench.js';

test('a package that is not installed is named with the command that installs it', async () => {
  const load = () => Promise.reject(new Error("Cannot find package 'hyparquet'\nimported from x"));
  await failure(
    loadOptional('x.parquet', 'reading Parquet', ['hyparquet', 'hyparquet-compressors'], load),
    'ERR_FILE',
    'x.parquet: reading Parquet takes the packages hyparquet and hyparquet-compressors',
    "(Cannot find package 'hyparquet')",
    'npm install hyparquet hyparquet-compressors',
  );
  expect(await loadOptional('x.parquet', 'reading Parquet', ['hyparquet'], async () => 7)).toBe(7);
});
