// The packages that read Parquet, loaded when a file asks for them. No other file imports them.

import { loadOptional } from '../optional-package.js';

export interface ParquetLibrary {
  readonly parquetMetadata: typeof import('hyparquet').parquetMetadata;
  readonly parquetHeader: typeof import('hyparquet/src/column.js').parquetHeader;
  readonly deltaBinaryUnpack: typeof import('hyparquet/src/delta.js').deltaBinaryUnpack;
  readonly compressors: typeof import('hyparquet-compressors').compressors;
}

export const loadParquetLibrary = (path: string): Promise<ParquetLibrary> =>
  loadOptional(path, 'reading Parquet', ['hyparquet', 'hyparquet-compressors'], async () => {
    const [{ parquetMetadata }, { parquetHeader }, { deltaBinaryUnpack }, { compressors }] =
      await Promise.all([
        import('hyparquet'),
        import('hyparquet/src/column.js'),
        import('hyparquet/src/delta.js'),
        import('hyparquet-compressors'),
      ]);
    return { parquetMetadata, parquetHeader, deltaBinaryUnpack, compressors };
  });
