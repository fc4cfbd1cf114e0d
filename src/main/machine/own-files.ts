// The files that worker threads begin with: looked for before any thread is started, which could only say that it failed.
import { existsSync } from 'node:fs';
import { missingFile } from '../../kernels/load.js';

/** Throws ERR_FILE. */
export function checkWorkerFiles(): void {
  // By steps: a bundler may take the first along, but not what that one imports beside itself.
  const loader = new URL('../../workers/load.cjs', import.meta.url);
  for (const [file, url] of [
    ['workers/load.cjs', loader],
    ['workers/entry.js', new URL('entry.js', loader)],
  ] as const) {
    if (!existsSync(url)) throw missingFile(file);
  }
}
