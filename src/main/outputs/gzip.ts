// Text as gzip on its way to an output.

import { once } from 'node:events';
import { createGzip } from 'node:zlib';
import type { Write } from './write-atomically.js';

/** Whether a file of this name holds gzip. */
export const isGzipName = (path: string): boolean => /\.gz$/i.test(path);

/** Runs `fill`, and writes what it writes as one gzip stream; waits while the output takes no more. */
export async function writeGzip(write: Write, fill: (write: Write) => Promise<void>): Promise<void> {
  const gzip = createGzip();
  const pumping = (async () => {
    for await (const chunk of gzip) await write(chunk as Buffer);
  })();
  // Awaited below; until then a failure is no unhandled one.
  pumping.catch(() => {});
  try {
    await fill(async (bytes) => {
      // When pumping fails, its error comes instead of room.
      if (!gzip.write(bytes)) await Promise.race([once(gzip, 'drain').catch(() => pumping), pumping]);
    });
    gzip.end();
    await pumping;
  } finally {
    gzip.destroy();
  }
}
