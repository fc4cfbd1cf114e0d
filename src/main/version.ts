// The version of this package, from its package.json.

import { createRequire } from 'node:module';

/** dist/main/ lies two folders below the package's root. */
export const { version } = createRequire(import.meta.url)('../../package.json') as {
  readonly version: string;
};
