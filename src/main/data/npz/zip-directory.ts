// The members of a zip archive: where each lies, how it is compressed, and its checksum.

import type { Entry } from 'yauzl';
import { messageOf, SoftshardError } from '../../../errors.js';
import type { DataFile } from '../data-file.js';
import { formatError } from '../errors.js';

export interface Member {
  readonly name: string;
  /** In the file. */
  readonly begin: number;
  readonly storedBytes: number;
  readonly isDeflated: boolean;
  readonly crc32: number;
}

/** More are no arrays of data; each takes memory, and a look at its header. */
const MAX_MEMBERS = 1000;

const DAMAGED = 'The archive is damaged or cut off: fetch or write it again.';

/** In the order of the directory. */
export async function readZipDirectory(file: DataFile): Promise<readonly Member[]> {
  // Refuses a compressed file.
  await file.read(new Uint8Array(1), 0);
  const { default: yauzl } = await import('yauzl');
  try {
    return await new Promise<readonly Member[]>((resolve, reject) => {
      class Reader extends yauzl.RandomAccessReader {
        override read(
          buffer: Buffer,
          offset: number,
          length: number,
          position: number,
          callback: (error?: Error) => void,
        ): void {
          // What a callback throws would be lost.
          readAll(file, buffer.subarray(offset, offset + length), position)
            .then(() => callback())
            .catch(reject);
        }
      }
      const members: Member[] = [];
      yauzl.fromRandomAccessReader(new Reader(), file.sizeBytes, { lazyEntries: true }, (error, zip) => {
        if (error || !zip) return reject(error);
        zip.on('error', reject);
        zip.on('end', () => resolve(members));
        zip.on('entry', (entry) => {
          if (members.length === MAX_MEMBERS) return reject(tooMany(file));
          zip.readLocalFileHeader(entry, { minimal: true }, (error, header) => {
            if (error || !header) return reject(error);
            const refusal = refusalOf(file, entry);
            if (refusal) return reject(refusal);
            members.push({
              name: entry.fileName,
              begin: header.fileDataStart,
              storedBytes: entry.compressedSize,
              isDeflated: entry.compressionMethod !== 0,
              crc32: entry.crc32,
            });
            zip.readEntry();
          });
        });
        zip.readEntry();
      });
    });
  } catch (cause) {
    // An abort's reason may be anything.
    if (cause instanceof SoftshardError || !(cause instanceof Error) || cause.name === 'AbortError')
      throw cause;
    throw formatError(file.path, `expected a zip archive, found: ${messageOf(cause)}`, DAMAGED, { cause });
  }
}

async function readAll(file: DataFile, into: Uint8Array, position: number): Promise<void> {
  const end = position + into.length;
  if (end <= file.sizeBytes && (await file.read(into, position)) === into.length) return;
  throw formatError(
    file.path,
    `expected bytes ${position} to ${end} of a zip archive, found its end at ${file.sizeBytes}`,
    DAMAGED,
  );
}

function refusalOf(file: DataFile, entry: Entry): SoftshardError | undefined {
  const place = `member ${JSON.stringify(entry.fileName.slice(0, 100))}`;
  if (entry.isEncrypted()) {
    return formatError(file.path, `${place}: expected it plain, found it encrypted`, 'Unpack it first.');
  }
  if (entry.compressionMethod === 0 || entry.compressionMethod === 8) return undefined;
  return formatError(
    file.path,
    `${place}: expected it stored or deflated, found compression method ${entry.compressionMethod}`,
    'Save it with numpy.savez or numpy.savez_compressed.',
  );
}

const tooMany = ({ path }: DataFile): SoftshardError =>
  formatError(
    path,
    `expected at most ${MAX_MEMBERS} arrays, found more`,
    'Save the arrays that are needed by themselves.',
  );
